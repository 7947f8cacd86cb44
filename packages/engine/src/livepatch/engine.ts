/** The engine's operations, for whoever embeds it: the command line, the agent's executor. */
import { release } from "node:os";
import { openLibc } from "../process/libc.ts";
import { isRefusal, type Refusal } from "../refusals.ts";
import { type ApplyReport, applyToTarget } from "./apply.ts";
import type { Hotpatch } from "./hotpatch.ts";
import { ATTEMPT_TIMEOUT_MS } from "./limits.ts";
import { planApply } from "./plan.ts";
import { type RecoverReport, recoverTarget, undoInTarget } from "./recover.ts";
import { rehearse, withPractice } from "./rehearse.ts";
import { type RevertReport, revertInTarget } from "./revert.ts";
import { StackReader } from "./safety.ts";
import { type AppliedHotpatch, listProcesses, type ProcessSummary, readStatus } from "./status.ts";
import { type Context, withTarget } from "./target.ts";

export interface EngineOptions {
  /** Called with the name of each step; a test ends the program there. */
  readonly faultPoint?: (name: string) => void;
  /** Where locks lie. */
  readonly lockFolder?: string;
}

export interface OperationOptions {
  readonly onStep?: (step: string, pid: number) => void;
  /** How long to try while threads are in the way, in milliseconds. */
  readonly timeoutMs?: number;
}

/** A refusal for one of several processes. */
export type ProcessRefusal = Refusal & {
  readonly pid: number;
  /** Processes that keep the hotpatch although all should be as before: undoing was refused. */
  readonly stillApplied?: readonly number[];
  /** Processes that ended when their code was switched already: the new code may have ended them. */
  readonly endedSwitched?: readonly number[];
};

export interface CheckReport {
  readonly pid: number;
  readonly id: string;
  readonly module: string;
  readonly functions: readonly string[];
  /** Bytes of memory that the hotpatch will take. */
  readonly size: number;
  readonly supersedes: string | null;
}

export interface Engine {
  /** Everything but the stop: what applying would do, or why it would be refused. */
  readonly check: (pid: number, hotpatch: Hotpatch) => CheckReport | Refusal;
  /** Applies to all the processes, or to none: one refusal undoes those that were switched. */
  readonly apply: (
    pids: readonly number[],
    hotpatch: Hotpatch,
    options?: OperationOptions,
  ) => readonly ApplyReport[] | ProcessRefusal;
  /** Reverts in each of the processes; a refusal leaves the later ones as they were. */
  readonly revert: (
    pids: readonly number[],
    id: string,
    options?: OperationOptions,
  ) => readonly RevertReport[] | ProcessRefusal;
  readonly status: (pid: number) => readonly AppliedHotpatch[] | Refusal;
  readonly processes: () => readonly ProcessSummary[];
  /** Finishes or undoes what a killed command left; undefined where there is nothing. */
  readonly recover: (pid: number) => RecoverReport | Refusal | undefined;
}

/** The engine. Nothing is opened or traced before the first call. */
export function openEngine(options: EngineOptions = {}): Engine {
  const libc = openLibc();
  const context: Context = {
    libc,
    stack: new StackReader(libc),
    practise: () => {},
    faultPoint: options.faultPoint ?? (() => {}),
    lockFolder: options.lockFolder ?? "/run/suture/lock",
  };
  const kernel = { knowsMfdExec: kernelKnowsMfdExec(release()) };
  let rehearsed = false;
  const prepared = <T>(work: (context: Context) => T): T => {
    if (!rehearsed) rehearse(context);
    rehearsed = true;
    return withPractice(context, work);
  };
  const recover = (pid: number) =>
    withTarget(context, pid, (target) => recoverTarget(context, target, settings({}, pid)));
  /** Memory that could not be freed at once, or what a killed command left. */
  const recoverUnfinished = (pid: number): void => {
    const present = readStatus(context, pid);
    if (!isRefusal(present) && present.some(({ state }) => state !== "applied")) recover(pid);
  };
  const undoAll = (reports: readonly ApplyReport[], operation: OperationOptions) => {
    const stillApplied: number[] = [];
    const ended: number[] = [];
    for (const { pid, id } of reports) {
      const undone = withTarget(context, pid, (target) =>
        undoInTarget(context, target, id, settings(operation, pid)),
      );
      if (!isRefusal(undone)) continue;
      // Otherwise a thread was in the way of the undoing.
      (undone.refused === "process-gone" ? ended : stillApplied).push(pid);
    }
    return { stillApplied, ended };
  };
  return {
    check: (pid, hotpatch) =>
      withTarget(context, pid, (target) => {
        const plan = planApply(target, hotpatch, kernel);
        if (isRefusal(plan)) return plan;
        return {
          pid,
          id: plan.ledger.id,
          module: plan.module.path,
          functions: hotpatch.description.functions.map((entry) => entry.name),
          size: plan.ledger.size,
          supersedes: plan.ledger.supersedes,
        };
      }),
    apply: (pids, hotpatch, operation = {}) => {
      const reports: ApplyReport[] = [];
      const keepSuperseded = pids.length > 1;
      for (const pid of pids) {
        recoverUnfinished(pid);
        let isSwitched = false;
        const onSwitched = () => {
          isSwitched = true;
        };
        const options = { ...kernel, ...settings(operation, pid), keepSuperseded, onSwitched };
        const report = prepared((practised) =>
          withTarget(practised, pid, (target) =>
            applyToTarget(practised, target, hotpatch, options),
          ),
        );
        if (isRefusal(report)) {
          const { stillApplied, ended } = undoAll(reports, operation);
          if (isSwitched && report.refused === "process-gone") ended.push(pid);
          return { ...report, pid, stillApplied, endedSwitched: ended };
        }
        reports.push(report);
      }
      // From here the transaction stands; what the older hotpatch left is freed.
      if (keepSuperseded) for (const pid of pids) recover(pid);
      return reports;
    },
    revert: (pids, id, operation = {}) => {
      const reports: RevertReport[] = [];
      for (const pid of pids) {
        recoverUnfinished(pid);
        const report = prepared((practised) =>
          withTarget(practised, pid, (target) =>
            revertInTarget(practised, target, id, settings(operation, pid)),
          ),
        );
        if (isRefusal(report)) return { ...report, pid };
        reports.push(report);
      }
      return reports;
    },
    status: (pid) => readStatus(context, pid),
    processes: () => listProcesses(context),
    recover,
  };
}

const settings = (operation: OperationOptions, pid: number) => ({
  timeoutMs: operation.timeoutMs ?? ATTEMPT_TIMEOUT_MS,
  onStep: (step: string) => operation.onStep?.(step, pid),
});

/** MFD_EXEC came with Linux 6.3. */
function kernelKnowsMfdExec(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major > 6 || (major === 6 && minor >= 3);
}
