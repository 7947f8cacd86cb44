/** Gives back what a long-running command needed only to start. */
import { flushCompileCache, getCompileCacheDir } from "node:module";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

/** By then the modules are loaded, and the first work is done. */
const settledMs = 10_000;

/**
 * Collects garbage once, some seconds after the start.
 *
 * A command that is mostly idle never allocates enough for the JavaScript engine to do so: half of
 * the memory of a resting agent was what loading its modules had left (measured: 77 and 50 MB).
 */
export function releaseMemoryOnceStarted(): void {
  setTimeout(() => {
    setFlagsFromString("--expose-gc");
    const collect: unknown = runInNewContext("gc");
    if (typeof collect === "function") collect({ execution: "sync", flavor: "last-resort" });
  }, settledMs).unref();
}

const MARK = "SUTURE_COMPILED";

/**
 * Loads modules, and begins the program anew (execve(2), so with the same process id) with what was
 * compiled of them in Node's compile cache. Does not return then; returns at once where the program
 * has begun anew already, or has no such cache (NODE_COMPILE_CACHE).
 *
 * What strips the types of a module that is not in the cache stays in memory for good: 25 MiB of a
 * resting half, measured.
 */
export async function beginCompiled(load: () => Promise<unknown>): Promise<void> {
  const { env, execPath, execArgv, argv, execve } = process;
  if (execve === undefined || getCompileCacheDir() === undefined || env[MARK] !== undefined) return;
  await load();
  flushCompileCache();
  execve(execPath, [execPath, ...execArgv, ...argv.slice(1)], { ...env, [MARK]: "1" });
}
