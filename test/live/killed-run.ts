/**
 * One operation of the engine in a process of its own, which can be killed at any of its steps, or
 * held there, or run as another user.
 *
 *     node killed-run.ts JSON
 *
 * Prints one line of JSON for each step that was asked for, and the result as the last.
 */
import { readFileSync, readSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isRefusal, openEngine, parseHotpatch } from "@suture/engine";

export const KILLED_RUN = fileURLToPath(import.meta.url);

export interface Job {
  readonly operation: "apply" | "revert" | "recover";
  readonly pid: number;
  /** The hotpatch file, for `apply`. */
  readonly file?: string;
  /** The hotpatch's id, for `revert`. */
  readonly id?: string;
  readonly lockFolder: string;
  readonly timeoutMs?: number;
  /** Kill itself, or wait for a line of input, when this step comes for the nth time. */
  readonly at?: { readonly step: string; readonly nth: number; readonly action: "kill" | "wait" };
}

export interface Outcome {
  /** The steps in the order in which they came. */
  readonly steps: readonly string[];
  /** What the engine returned; null for nothing. */
  readonly result: unknown;
}

function run(job: Job): Outcome {
  const steps: string[] = [];
  const engine = openEngine({
    lockFolder: job.lockFolder,
    faultPoint: (name) => {
      steps.push(name);
      const nth = steps.filter((step) => step === name).length;
      if (job.at?.step !== name || job.at.nth !== nth) return;
      if (job.at.action === "kill") process.kill(process.pid, "SIGKILL");
      process.stdout.write(`ready at ${name}\n`);
      readSync(0, new Uint8Array(1));
    },
  });
  return { steps, result: operate(engine, job) ?? null };
}

function operate(engine: ReturnType<typeof openEngine>, job: Job): unknown {
  const options = job.timeoutMs === undefined ? {} : { timeoutMs: job.timeoutMs };
  switch (job.operation) {
    case "apply": {
      const hotpatch = parseHotpatch(readFileSync(job.file ?? ""));
      return isRefusal(hotpatch) ? hotpatch : engine.apply([job.pid], hotpatch, options);
    }
    case "revert":
      return engine.revert([job.pid], job.id ?? "", options);
    case "recover":
      return engine.recover(job.pid);
  }
}

if (import.meta.main) {
  const outcome = run(JSON.parse(process.argv[2] ?? "") as Job);
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
