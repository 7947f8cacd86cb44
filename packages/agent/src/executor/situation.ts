/** What is known when it is decided what to do (decide.ts), and what holds for every decision. */
import type { ComplianceState } from "@suture/contract";
import type { QualityUpdate } from "@suture/release";
import type { Orders } from "../policy/orders.ts";
import { isInWindow, type WeekTime } from "../policy/window.ts";
import type { DecisionReason } from "./decision-reasons.ts";
import type { AgentRecord, Why } from "./record.ts";

export interface Situation {
  readonly now: Date;
  /** The same moment on the device's wall clock. */
  readonly weekTime: WeekTime;
  /** All that the channel signs, withdrawn ones too; empty where nothing was verified. */
  readonly updates: readonly QualityUpdate[];
  /** From this moment on the channel is not believed. */
  readonly channelExpires?: Date;
  readonly orders: Orders;
  readonly components: readonly ComponentFact[];
  readonly record: Pick<AgentRecord, "bars" | "attempts">;
}

export interface ComponentFact {
  readonly buildId: string;
  readonly file: string;
  /** What dpkg says the file belongs to now. */
  readonly package?: string;
  readonly processes: readonly ProcessFact[];
  /** How it can be restarted: every process has a unit or a command. */
  readonly isRestartable: boolean;
}

export interface ProcessFact {
  readonly pid: number;
  /**
   * Its service, or its user: what is switched together, all or none. Processes of others count by
   * themselves, so that nobody keeps a fix from all by stopping a process of his own.
   */
  readonly group: string;
  /** The hotpatch of this component that is in it. */
  readonly applied?: { readonly id: string; readonly sequence: number };
  /** It runs a file that is deleted or replaced. */
  readonly outdated: boolean;
}

export type PlannedAct =
  | { readonly do: "apply"; readonly update: QualityUpdate; readonly pids: readonly number[] }
  | {
      readonly do: "revert";
      readonly target: string;
      readonly hotpatch: string;
      readonly pids: readonly number[];
      readonly why: Why;
    }
  | {
      readonly do: "traditional-update" | "restart";
      /** The update that it takes the place of. */
      readonly update: QualityUpdate;
      readonly package?: string;
      readonly pids: readonly number[];
    };

export interface Decision {
  readonly component: ComponentFact;
  readonly compliance: ComplianceState;
  readonly reason: DecisionReason;
  /** The newest update for it that is allowed, or would be. */
  readonly update?: QualityUpdate;
  readonly act?: PlannedAct;
}

export const isExpired = ({ expiresAt }: Orders, now: Date): boolean =>
  expiresAt !== undefined && now >= expiresAt;

/** Why nothing at all may begin now; undefined when something may. */
export function standstill({
  orders,
  now,
  channelExpires,
}: Pick<Situation, "orders" | "now" | "channelExpires">): DecisionReason | undefined {
  if (orders.source === "none") return "not-registered";
  if (orders.paused) return "paused";
  if (isExpired(orders, now)) return "assignment-expired";
  if (channelExpires === undefined || now >= channelExpires) return "channel-expired";
  return undefined;
}

/** Whether windows hold this update back: not after its deadline. */
export function isWindowOpen(situation: Situation, target: string): boolean {
  const { orders, now, weekTime } = situation;
  const deadline = orders.allowed === "all" ? undefined : orders.allowed.get(target)?.deadline;
  if (deadline !== undefined && now >= new Date(deadline)) return true;
  return isInWindow(orders.policy.windows, weekTime);
}

/** Which attempt the orders mean: from 1, and one more each time that a person has it tried again. */
export const attemptOf = ({ allowed }: Orders, target: string): number =>
  (allowed === "all" ? undefined : allowed.get(target)?.attempt) ?? 1;

/** The key in the record of attempts to apply the target to a group of processes. */
export const applyAttemptOf = (target: string, group: string, attempt = 1): string =>
  attempt === 1 ? `${target} ${group}` : `${target} ${group} ${attempt}`;

/** Refusals that pass: a thread in the way, a debugger. All others come again at each attempt. */
const PASSING: readonly string[] = [
  "function-on-stack",
  "threads-did-not-stop",
  "process-stopped",
  "already-traced",
  "process-gone",
  "busy",
  "remote-call-failed",
  "unresolved-ifunc",
  "no-thread-for-callback",
  "callback-refused",
  "probe-failed-before",
  "channel",
  "nothing-newer",
  "update-failed",
];
const ATTEMPTS_MAX = 10;
const RETRY_FIRST_MS = 15_000;
const RETRY_MAX_MS = 3600_000;

export const isLasting = ({ code, count }: { code: string; count: number }): boolean =>
  !PASSING.includes(code) || (count >= ATTEMPTS_MAX && code !== "channel");

/**
 * Whether the next attempt must wait: twice as long each time, an hour at most. An attempt that
 * lies in the future says that the clock was set back since, and holds nothing up.
 */
export function isTooEarly(
  { count, at }: { readonly count: number; readonly at: string },
  now: Date,
): boolean {
  const waitMs = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** Math.min(20, count - 1));
  const sinceMs = now.getTime() - Date.parse(at);
  return sinceMs >= 0 && sinceMs < waitMs;
}
