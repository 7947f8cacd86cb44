/** The `suture` command: reads the arguments and the environment, builds the parts, exits. */
import { randomBytes } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { arch, homedir, hostname, release as kernelRelease } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AgentParts } from "./agent-parts.ts";
import { startChild } from "./child-command.ts";
import { runCli } from "./cli.ts";
import { COMMANDS } from "./commands.ts";
import { createOutput } from "./output.ts";
import type { BuilderParts, EngineParts, ReleaseParts } from "./parts.ts";
import { beginCompiled, releaseMemoryOnceStarted } from "./resting-memory.ts";
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

const loadAgent = async (): Promise<AgentParts> => {
  const { folderFiles, openReleaseClient, ReleaseError } = await import("@suture/release");
  const agent = await import("@suture/agent");
  const { loadHttpRequest } = agent;
  return {
    ...agent,
    ...{ folderFiles, openReleaseClient, ReleaseError },
    now: () => new Date(),
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
    get userId() {
      return process.geteuid?.() ?? 0;
    },
    processId: process.pid,
    parentId: () => process.ppid,
    releaseMemoryOnceStarted,
    beginCompiled,
    becomeUser: ({ uid, gid }) => {
      process.setgroups?.([]);
      process.setgid?.(gid);
      process.setuid?.(uid);
    },
    fetch: async (...request) => await (await loadHttpRequest()).sendRequest(...request),
    machine: {
      hostname: hostname().slice(0, 100),
      kernel: kernelRelease(),
      processor: arch(),
      agentVersion: readVersion(),
    },
    startCommand: (words, options) =>
      startChild(
        [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url), ...words],
        options,
      ),
    readInput,
    loadExecutorHalf,
    openExecutorHalf,
    faultPoint,
  };
};

const loadExecutorHalf = async () => {
  const { loadExecutor } = await import("@suture/agent");
  return { ...(await loadExecutor()), ...(await import("@suture/engine")) };
};

const openExecutorHalf: AgentParts["openExecutorHalf"] = async (choice) => {
  const { openExecutor, runCommand, openEngine, openPeerCredentials } = await loadExecutorHalf();
  return openExecutor({
    ...choice,
    engine: openEngine({ faultPoint }),
    peerOf: openPeerCredentials(),
    run: runCommand,
    now: () => new Date(),
    clock: () => performance.now(),
    version: readVersion(),
    faultPoint,
  });
};

async function readInput(bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of process.stdin) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > bytesMax) throw new RangeError(`standard input is longer than ${bytesMax} bytes`);
  }
  return Buffer.concat(chunks);
}

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
let ending: AbortController | undefined;
// The engine works in one go, so that Ctrl-C takes effect after a switch and never within one.
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  process.on(name, () => (ending === undefined ? process.exit(130) : ending.abort()));
}
const endSignal = (): AbortSignal => {
  ending ??= new AbortController();
  return ending.signal;
};
const outcome = await runCli(argv, COMMANDS, {
  engine: loadEngine,
  builder: loadBuilder,
  release: loadRelease,
  agent: loadAgent,
  endSignal,
  readFile: (path) => readFileSync(path),
  writeFile: (path, bytes) => writeFileSync(path, bytes),
  progress: output.progress,
  version: readVersion(),
  env,
  cacheFolder: join(env.XDG_CACHE_HOME || join(homedir(), ".cache"), "suture"),
});
process.exitCode = output.show(outcome);
