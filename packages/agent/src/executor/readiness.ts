/** Whether this device can be kept up to date, and if not why: readiness and its findings. */
import { Readiness, type ReadinessFinding, ReadinessReason } from "@suture/contract";
import { freeBytesMin } from "../limits.ts";
import type { ChannelState, ReadinessAnswer } from "../messages.ts";
import type { Orders } from "../policy/orders.ts";
import { nextOfProblem } from "./channel.ts";

export interface ReadinessFacts {
  readonly platform: string;
  readonly processor: string;
  readonly ptraceScope: number;
  readonly freeBytes: number;
  readonly isDiskFull: boolean;
  readonly now: Date;
  readonly orders: Orders;
  /** When the assignment in force was made. */
  readonly issuedAt: Date | undefined;
  readonly channel: ChannelState;
  /** A channel was verified and has not expired. */
  readonly hasCatalog: boolean;
  /** Something runs here that an update of the channel is for. */
  readonly hasComponent: boolean;
}

const HOUR_MS = 3600_000;
const UNREACHABLE: readonly string[] = ["unreachable", "file-missing", "channel-missing"];

/** A pure function of the facts. */
export function readinessOf(facts: ReadinessFacts): ReadinessAnswer {
  const findings = [...machineFindings(facts), ...channelFindings(facts)];
  if (facts.orders.source === "none") return { readiness: Readiness.notRegistered, findings };
  const readiness = findings.length === 0 ? Readiness.ready : Readiness.notReady;
  return { readiness, findings };
}

const finding = (
  reason: ReadinessReason,
  detail: string,
  remediation: string,
): ReadinessFinding => ({ reason, detail, remediation });

function machineFindings(facts: ReadinessFacts): ReadinessFinding[] {
  const { platform, processor, ptraceScope, freeBytes, isDiskFull, now, issuedAt } = facts;
  const found: ReadinessFinding[] = [];
  const add = (isSo: boolean, ...what: Parameters<typeof finding>): void => {
    if (isSo) found.push(finding(...what));
  };
  add(
    platform !== "linux",
    ReadinessReason.unsupportedSystem,
    `the system is ${platform}`,
    "hotpatches need Linux; keep this machine up to date the traditional way",
  );
  add(
    processor !== "x64",
    ReadinessReason.unsupportedProcessor,
    `the processor is ${processor}`,
    "hotpatches need x86-64; keep this machine up to date the traditional way",
  );
  add(
    ptraceScope >= 3,
    ReadinessReason.tracingForbidden,
    "kernel.yama.ptrace_scope is 3: no process may be traced until the next start",
    "set kernel.yama.ptrace_scope to 2 or less and start the machine again",
  );
  add(
    issuedAt !== undefined && now.getTime() < issuedAt.getTime() - HOUR_MS,
    ReadinessReason.clockWrong,
    `the clock says ${now.toISOString()}, the assignment is of ${issuedAt?.toISOString()}`,
    "set the clock: timedatectl set-ntp true",
  );
  add(
    isDiskFull || freeBytes < freeBytesMin,
    ReadinessReason.diskFull,
    `${Math.floor(freeBytes / 1024 / 1024)} MiB are free where the journal lies`,
    "make room below /var/lib/suture",
  );
  return found;
}

function channelFindings(facts: ReadinessFacts): ReadinessFinding[] {
  const { channel, hasCatalog, hasComponent, orders } = facts;
  const { problem } = channel;
  if (problem !== undefined && !UNREACHABLE.includes(problem.code)) {
    const next = nextOfProblem(problem.code);
    return [finding(ReadinessReason.channelNotTrusted, problem.detail, next)];
  }
  if (!hasCatalog) {
    const detail = problem?.detail ?? "no release channel was verified yet, or it has expired";
    const next = "look whether the network half runs and reaches the channel";
    return [finding(ReadinessReason.channelUnreachable, detail, next)];
  }
  if (hasComponent || orders.source === "none") return [];
  return [
    finding(
      ReadinessReason.noComponent,
      "nothing that runs here is in the channel",
      "add products to the channel, or take this device out of the fleet",
    ),
  ];
}
