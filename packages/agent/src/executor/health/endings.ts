/**
 * What the end of a watched process means: harm, or the ordinary.
 *
 * Nobody but its parent learns how a process ended. What can be known: the kernel's log tells of
 * faults; systemd tells whether a service failed, was restarted by itself, or was told to stop; and
 * a process of the same file that begins afterwards is a restart. A child that a server starts and
 * ends as its work asks is ordinary, unless the kernel says otherwise. A service whose first process
 * ends, and nobody can tell why, counts as harmed: to be careful costs one hotpatch.
 */
import type { RunCommand } from "../../inventory/command-runner.ts";
import type { RunningProcess } from "../../inventory/scan.ts";
import type { WatchedProcess } from "../record.ts";
import type { KernelLog } from "./kernel-log.ts";

export interface Endings {
  /** Of a process that is gone: a signal, or nothing, or nothing yet. */
  readonly judge: (
    gone: WatchedProcess,
    successor: () => RunningProcess | undefined,
  ) => { readonly signal: "crash" | "restart"; readonly detail: string } | undefined;
}

export interface EndingsParts {
  readonly kernelLog: KernelLog;
  readonly run: RunCommand;
  readonly clock: () => number;
}

/** How long whoever supervises it may take to start it again. */
const SUCCESSOR_MS = 5000;
const SYSTEMCTL_TIMEOUT_MS = 5000;

type UnitState = "failed" | "restarted" | "told" | "unknown";

interface Missing {
  readonly since: number;
  state: UnitState | undefined;
}

export function createEndings({ kernelLog, run, clock }: EndingsParts): Endings {
  const missing = new Map<number, Missing>();
  const judged = new Set<number>();
  const missingOf = ({ pid, unit }: WatchedProcess): Missing => {
    const known = missing.get(pid);
    if (known !== undefined) return known;
    const made: Missing = { since: clock(), state: unit === undefined ? "unknown" : undefined };
    missing.set(pid, made);
    if (unit !== undefined) {
      void askSystemd(run, unit).then((state) => {
        made.state = state;
      });
    }
    return made;
  };
  return {
    judge: (gone, successor) => {
      const { pid, isLead } = gone;
      if (judged.has(pid)) return undefined;
      const fault = kernelLog.faultOf(pid);
      const end = (detail?: string, signal: "crash" | "restart" = "crash") => {
        judged.add(pid);
        return detail === undefined ? undefined : { signal, detail };
      };
      if (fault !== undefined) return end(fault);
      if (!isLead) return end();
      const { since, state } = missingOf(gone);
      if (state === undefined) return undefined;
      const name = `process ${pid}`;
      if (state === "told") return end();
      if (state === "failed") return end(`${name} ended, and systemd calls ${gone.unit} failed`);
      if (state === "restarted") {
        return end(`${name} ended, and systemd started ${gone.unit} again`, "restart");
      }
      const next = successor();
      if (next !== undefined) {
        return end(`${name} ended, and process ${next.pid} runs in its place`, "restart");
      }
      if (clock() - since < SUCCESSOR_MS) return undefined;
      return end(`${name} ended, and nobody has started it again`);
    },
  };
}

/** `systemctl show`: NRestarts counts what systemd did by itself, and is 0 after a person's restart. */
async function askSystemd(run: RunCommand, unit: string): Promise<UnitState> {
  const { status, output } = await run({
    command: ["systemctl", "show", "--property=ActiveState,Result,NRestarts", "--", unit],
    timeoutMs: SYSTEMCTL_TIMEOUT_MS,
  });
  if (status !== 0) return "unknown";
  const value = (name: string) => new RegExp(`^${name}=(.*)$`, "m").exec(output)?.[1];
  if (value("Result") === undefined) return "unknown";
  if (value("Result") !== "success" || value("ActiveState") === "failed") return "failed";
  return Number(value("NRestarts")) > 0 ? "restarted" : "told";
}
