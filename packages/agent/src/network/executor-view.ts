/**
 * What the executor says of the device, kept up to date over one held request of the local socket.
 */
import { canonicalJson, type DeviceFacts, type TargetProgress } from "@suture/contract";
import { AgentError } from "../errors.ts";
import { type ExecutorConnection, ExecutorRefusal } from "../executor-client.ts";
import type { Phase, Serials } from "../messages.ts";
import { backoffMs, type Random } from "./backoff.ts";
import { createWake } from "./wake.ts";

/** How long the executor is to wait for a change, in seconds. */
const waitSeconds = 50;
/** An executor that is started anew is back within seconds. */
const reconnectMsMax = 10_000;

export interface ExecutorView {
  readonly phase: () => Phase | undefined;
  readonly facts: () => DeviceFacts | undefined;
  readonly progress: () => readonly TargetProgress[];
  /** Of the last answer; all 0 before the first. */
  readonly serials: () => Serials;
  /** Whether it can be asked now. */
  readonly isThere: () => boolean;
  /** Why it could not be asked twice in a row: one lost connection is a restart. */
  readonly problem: () => string | undefined;
  /** Follows the executor until the signal aborts. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

export interface ExecutorViewOptions {
  readonly connect: () => Promise<ExecutorConnection>;
  readonly random: Random;
  /** After each new answer, and when the executor is gone or back. */
  readonly onChange: (change: "facts" | "progress" | "connected" | "lost") => void;
}

export function createExecutorView({
  connect,
  random,
  onChange,
}: ExecutorViewOptions): ExecutorView {
  let phase: Phase | undefined;
  let facts: DeviceFacts | undefined;
  let progress: readonly TargetProgress[] = [];
  let serials: Serials = { assignment: 0, event: 0, change: 0 };
  let isThere = false;
  let problem: string | undefined;
  let failures = 0;
  const pause = createWake();

  const follow = async (connection: ExecutorConnection, signal: AbortSignal): Promise<void> => {
    let known: number | undefined;
    while (!signal.aborted) {
      const answer = await connection.ask("state", {
        ...(known !== undefined && { known, waitSeconds }),
      });
      known = answer.serials.change;
      const hasWork =
        (answer.progress && canonicalJson(answer.progress) !== canonicalJson(progress)) ||
        answer.serials.event !== serials.event ||
        answer.phase !== phase ||
        answer.serials.assignment !== serials.assignment;
      ({ phase, serials } = answer);
      facts = answer.facts ?? facts;
      progress = answer.progress ?? progress;
      const isBack = !isThere;
      isThere = true;
      problem = undefined;
      failures = 0;
      if (isBack) onChange("connected");
      else if (hasWork) onChange("progress");
      else if (answer.facts !== undefined) onChange("facts");
    }
  };

  return {
    phase: () => phase,
    facts: () => facts,
    progress: () => progress,
    serials: () => serials,
    isThere: () => isThere,
    problem: () => problem,
    async run(signal) {
      while (!signal.aborted) {
        let connection: ExecutorConnection | undefined;
        const close = (): void => connection?.close();
        signal.addEventListener("abort", close);
        try {
          connection = await connect();
          await follow(connection, signal);
        } catch (error) {
          if (!(error instanceof AgentError || error instanceof ExecutorRefusal)) throw error;
          if (signal.aborted) return;
          isThere = false;
          failures += 1;
          if (failures < 2) continue;
          problem = error.message;
          if (failures === 2) onChange("lost");
        } finally {
          signal.removeEventListener("abort", close);
          connection?.close();
          await pause.wait(
            Math.min(reconnectMsMax, backoffMs(Math.max(1, failures), random)),
            signal,
          );
        }
      }
    },
  };
}
