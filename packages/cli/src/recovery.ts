/** Before a command touches a process: finish or undo what a killed command left in it. */
import { type Block, line } from "./outcome.ts";
import type { Engine } from "./parts.ts";

export interface Recovered {
  readonly pid: number;
  readonly report: object;
}

export function recoverProcesses(engine: Engine, pids: readonly number[]): Recovered[] {
  return pids.flatMap((pid) => {
    const report = engine.recover(pid);
    return report === undefined ? [] : [{ pid, report }];
  });
}

export const recoveredBlocks = (recovered: readonly Recovered[]): Block[] =>
  recovered.map(({ pid, report }) =>
    line(`process ${pid}: an earlier command was cut short: ${JSON.stringify(report)}`),
  );
