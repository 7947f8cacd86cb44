/** Which hotpatches are in which processes, asked of their own ledgers, and kept for a while. */
import { type AppliedHotpatch, type Engine, isRefusal } from "@suture/engine";
import type { RunningProcess } from "../inventory/scan.ts";
import { isSameProcess } from "../inventory/scan.ts";

export interface PatchedProcesses {
  /** The hotpatches in force in the process; none where it tells nothing. */
  readonly appliedIn: (process: RunningProcess) => readonly AppliedHotpatch[];
  /** What is kept of the process is not true any more. */
  readonly forget: (pid: number) => void;
  /** Lets go of processes that are gone. */
  readonly keepOnly: (pids: ReadonlySet<number>) => void;
}

/** Somebody at the machine may apply and revert, too: what is kept is asked anew after a minute. */
const KEPT_MS = 60_000;

interface Known {
  readonly process: RunningProcess;
  readonly applied: readonly AppliedHotpatch[];
  readonly at: number;
}

/** `clock` gives milliseconds that only go forward. */
export function createPatchedProcesses(
  engine: Pick<Engine, "status">,
  clock: () => number,
): PatchedProcesses {
  const known = new Map<number, Known>();
  return {
    appliedIn: (process) => {
      const before = known.get(process.pid);
      const isFresh = before !== undefined && clock() - before.at < KEPT_MS;
      if (isFresh && isSameProcess(before.process, process)) return before.applied;
      const status = engine.status(process.pid);
      const applied = isRefusal(status) ? [] : status.filter(isInForce);
      known.set(process.pid, { process, applied, at: clock() });
      return applied;
    },
    forget: (pid) => {
      known.delete(pid);
    },
    keepOnly: (pids) => {
      for (const pid of known.keys()) if (!pids.has(pid)) known.delete(pid);
    },
  };
}

const isInForce = ({ state, inForce }: AppliedHotpatch): boolean => state === "applied" && inForce;
