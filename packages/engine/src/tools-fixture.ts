import { spawnSync } from "node:child_process";

/** Whether these programs are here to test with. Says loudly what is not; in CI that is an error. */
export function hasTools(tools: readonly string[], untested: string): boolean {
  const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).status !== 0);
  if (missing.length === 0) return true;
  const text = `${untested} without ${missing.join(" and ")}`;
  if (process.env.CI) throw new Error(text);
  console.warn(`SKIPPED: ${text}`);
  return false;
}
