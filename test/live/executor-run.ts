/**
 * An executor in a process of its own, which kills itself when one of its steps comes.
 *
 *     node executor-run.ts JSON
 *
 * Prints `step NAME` for each step of the executor and of its engine.
 */
import { writeSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openEngine } from "@suture/engine";
import { openExecutor } from "../../packages/agent/src/executor/executor.ts";
import { executorOptions } from "../../packages/agent/src/executor/executor-fixture.ts";
import { foldersBelow } from "../../packages/agent/src/folders.ts";

export const EXECUTOR_RUN = fileURLToPath(import.meta.url);

export interface ExecutorJob {
  readonly root: string;
  readonly processFolder: string;
  /** Kill itself when this step comes for the nth time. */
  readonly at?: { readonly step: string; readonly nth: number };
}

async function run({ root, processFolder, at }: ExecutorJob): Promise<void> {
  const counts = new Map<string, number>();
  const faultPoint = (step: string): void => {
    writeSync(1, `step ${step}\n`);
    const count = 1 + (counts.get(step) ?? 0);
    counts.set(step, count);
    if (step === at?.step && count === at.nth) process.kill(process.pid, "SIGKILL");
  };
  const folders = foldersBelow(root);
  const end = new AbortController();
  process.on("SIGTERM", () => end.abort());
  await openExecutor({
    ...executorOptions(folders, processFolder),
    engine: openEngine({ lockFolder: join(root, "run/suture/lock"), faultPoint }),
    faultPoint,
    log: () => {},
  }).run(end.signal);
}

if (import.meta.main) await run(JSON.parse(process.argv[2] ?? "") as ExecutorJob);
