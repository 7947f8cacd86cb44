/**
 * Keeping the machine's noise out of a measurement: the target's main thread has a processor and
 * the highest scheduling class for itself, and the tools take turns on the other one.
 *
 * The tools themselves do not run in a real-time class: a thread that is to stop needs their
 * processor, and the kernel waits for it in a loop that a real-time task would never leave.
 */
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";

const RT_RUNTIME = "/proc/sys/kernel/sched_rt_runtime_us";
/** The processor that the target's main thread leaves to everybody else. */
const TOOL_CPU = "1";
/** Before a command: as the tools run. */
export const TOOL_COMMAND = ["nice", "-n", "-20", "taskset", "-c", TOOL_CPU] as const;

/** Runs `work` with the tools' scheduling; everything is put back, also after Ctrl-C. */
export async function withQuietMachine<T>(work: () => Promise<T>): Promise<T> {
  const before = readFileSync(RT_RUNTIME, "utf8");
  const restore = (): void => writeFileSync(RT_RUNTIME, before);
  const interrupt = (): void => {
    restore();
    process.exit(130);
  };
  process.once("SIGINT", interrupt);
  process.once("SIGTERM", interrupt);
  // The kernel stops real-time tasks for 50 ms in each second; those gaps would be the longest.
  writeFileSync(RT_RUNTIME, "-1");
  try {
    execFileSync("renice", ["-n", "-20", "-p", String(process.pid)], { stdio: "ignore" });
    execFileSync("taskset", ["-p", "-c", TOOL_CPU, String(process.pid)], { stdio: "ignore" });
    return await work();
  } finally {
    restore();
    process.removeListener("SIGINT", interrupt);
    process.removeListener("SIGTERM", interrupt);
  }
}
