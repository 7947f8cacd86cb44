/** The `suture` command: reads the arguments and the environment, builds the parts, exits. */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runCli } from "./cli.ts";
import { COMMANDS } from "./commands.ts";
import { createOutput } from "./output.ts";
import type { BuilderParts, EngineParts, ReleaseParts } from "./parts.ts";
import { askSecret } from "./terminal.ts";

const argv = process.argv.slice(2);
const env = process.env;

/** For tests of what a killed command leaves behind: the step at which this one kills itself. */
const faultPoint = (name: string): void => {
  if (name === env.SUTURE_FAULT_POINT) process.kill(process.pid, "SIGKILL");
};

async function loadEngine(): Promise<EngineParts> {
  const { isRefusal, openEngine, parseHotpatch, sectionByName, sectionBytes } = await import(
    "@suture/engine"
  );
  return {
    parseHotpatch,
    isRefusal,
    engine: openEngine({ faultPoint }),
    sectionNamed({ object }, name) {
      const section = sectionByName(object, name);
      return section && sectionBytes(object, section);
    },
  };
}

const loadBuilder = async (): Promise<BuilderParts> => await import("@suture/builder");

const loadRelease = async (): Promise<ReleaseParts> => ({
  ...(await import("@suture/release")),
  now: () => new Date(),
  randomBytes: (length) => new Uint8Array(randomBytes(length)),
  userId: process.geteuid?.() ?? 0,
  askSecret,
  readDescriptor: (descriptor) => readFileSync(descriptor),
  fetch: globalThis.fetch,
});

const readVersion = (): string => {
  const file = fileURLToPath(new URL("../package.json", import.meta.url));
  return (JSON.parse(readFileSync(file, "utf8")) as { version: string }).version;
};

const output = createOutput({
  stdout: process.stdout,
  stderr: process.stderr,
  json: argv.includes("--json"),
  mayColour: !env.NO_COLOR,
});
// Whoever reads our output may stop reading: `suture ps | head`.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 0 : 1);
});
// The engine works in one go, so that Ctrl-C takes effect after a switch and never within one.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => process.exit(130));
}
const outcome = await runCli(argv, COMMANDS, {
  engine: loadEngine,
  builder: loadBuilder,
  release: loadRelease,
  readFile: (path) => readFileSync(path),
  writeFile: (path, bytes) => writeFileSync(path, bytes),
  progress: output.progress,
  version: readVersion(),
  env,
  cacheFolder: join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "suture"),
});
process.exitCode = output.show(outcome);
