/**
 * Where Node keeps what it made of our sources, so that the many commands of a job start at once.
 *
 * What lies there is run: the folder belongs to whoever runs the job, and nobody else may write.
 */
import { mkdirSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** The environment for a command of ours. */
export function environmentOf(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const folder = join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "suture", "compiled");
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return { NODE_COMPILE_CACHE: folder, ...env };
}
