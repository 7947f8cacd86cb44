/** Before a command touches a process: finish or undo what a killed command left in it. */
import type { Engine } from "@suture/engine";
import { type Block, line } from "./outcome.ts";

export interface Recovered {
  readonly pid: number;
  /** Sentences about what was done, or why it could not be. */
  readonly actions: readonly string[];
}

/** What cannot be recovered now stays as it is and is said; the command itself will refuse. */
export function recoverProcesses(engine: Engine, pids: readonly number[]): Recovered[] {
  return pids.flatMap((pid) => {
    const report = engine.recover(pid);
    if (report === undefined) return [];
    if ("actions" in report) return [{ pid, actions: report.actions }];
    // A process that is gone or may not be traced has nothing that this command could finish.
    return [];
  });
}

export const recoveredBlocks = (recovered: readonly Recovered[]): Block[] =>
  recovered.flatMap(({ pid, actions }) =>
    actions.map((action) => line(`process ${pid}: an earlier command was cut short: ${action}`)),
  );
