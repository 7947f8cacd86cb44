/** The console is the one part that is built before it runs (vite, into packages/console/dist). */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const packages = fileURLToPath(new URL("../../packages", import.meta.url));

/** Builds it where its sources are newer than what is built; gives the folder that is served. */
export function buildConsole(say: (text: string) => void = () => undefined): string {
  const folder = join(packages, "console");
  const built = join(folder, "dist/index.html");
  const newest = Math.max(newestIn(folder), newestIn(join(packages, "contract/src")));
  if (!existsSync(built) || statSync(built).mtimeMs < newest) {
    say("building the console");
    const { NODE_ENV: _, ...env } = process.env;
    const vite = dirname(createRequire(import.meta.url).resolve("vite/package.json"));
    const args = [join(vite, "bin/vite.js"), "build", folder];
    execFileSync(process.execPath, args, { env, stdio: "ignore" });
  }
  return join(folder, "dist");
}

function newestIn(folder: string): number {
  const times = readdirSync(folder, { withFileTypes: true }).map((entry) => {
    if (entry.name === "dist" || entry.name === "node_modules") return 0;
    const path = join(folder, entry.name);
    return entry.isDirectory() ? newestIn(path) : statSync(path).mtimeMs;
  });
  return Math.max(0, ...times);
}
