/**
 * Starts a program for real, by a command, where it cannot be held before its main function.
 *
 * Everything that the command starts ends with it: in a process-id namespace of its own where we
 * are root, which also reaches daemons; else in a process group of its own.
 */
import { readdirSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { type LiveProcess, type Started, start } from "./live-process.ts";
import type { Placement } from "./placement.ts";
import { problem, type VerifyProblem } from "./problems.ts";
import { hasEnded, mapsModule, readProcFile, readRanges } from "./process-view.ts";

export interface RunRequest {
  readonly command: string;
  readonly buildId: string;
  readonly libraryPath: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs: number;
}

/** The first process of a namespace: it stays when the command has become a daemon. */
const INIT = `sh -c "$1" </dev/null & wait "$!"; echo "suture: ended $?"; exec sleep 2147483647`;
const ENDED = /^suture: ended (\d+)$/;
/** How often /proc is looked at, in milliseconds. */
const LOOK_MS = 25;
/** How long a process may come after the command that started it has ended, in milliseconds. */
const DAEMON_MS = 1000;

/** Starts the command and waits until one of its processes has mapped the Build-ID. */
export async function startRunning(
  request: RunRequest,
  placement: Placement,
): Promise<LiveProcess | VerifyProblem> {
  const folders = placement.placeFolders(request.libraryPath);
  const isRoot = process.getuid?.() === 0;
  const namespace = isRoot ? ["unshare", "--pid", "--fork", "--kill-child"] : [];
  const argv = [...namespace, ...placement.entrance(), "sh", "-c", INIT, "sh", request.command];
  const env = {
    PATH: request.env.PATH,
    HOME: placement.ownFolder,
    TMPDIR: placement.ownFolder,
    LANG: "C.UTF-8",
    ...(folders.length > 0 && { LD_LIBRARY_PATH: folders.join(":") }),
  };
  const started = start(argv, { cwd: placement.folder, env, group: true });
  const found = await awaitModule(started, request);
  if (typeof found === "number") return asProcess(started, found);
  await endAll(started);
  const said = started.said();
  return problem("cannot-start", {
    detail: `${request.command}: ${found}${said && `: ${said}`}`,
    next: "give a command that keeps the program running in the foreground",
  });
}

const asProcess = (started: Started, pid: number): LiveProcess => {
  const ending = (): string | undefined =>
    started.ending() ?? (isAlive(pid) ? undefined : "it ended");
  return {
    pid,
    runs: true,
    ending,
    finish: async () => ending(),
    kill: () => endAll(started, pid),
  };
};

/**
 * The command and what it started. With its first process the kernel ends a namespace; where there
 * is none, a daemon is known by its id. Either takes a moment after the command's own end.
 */
async function endAll(started: Started, pid?: number): Promise<void> {
  const all = [...descendants(started.child.pid), ...(pid === undefined ? [] : [pid])];
  await started.kill();
  const deadline = performance.now() + DAEMON_MS;
  for (const id of all) {
    if (isAlive(id)) killProcess(id);
    while (isAlive(id) && performance.now() < deadline) await pause(1);
  }
}

function killProcess(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if (!hasEnded(error)) throw error;
  }
}

async function awaitModule(started: Started, request: RunRequest): Promise<number | string> {
  let ended: string | undefined;
  let deadline = performance.now() + request.timeoutMs;
  void started.lineOf(ENDED).then((line) => {
    ended = ENDED.exec(line ?? "")?.[1];
    if (ended !== undefined) deadline = Math.min(deadline, performance.now() + DAEMON_MS);
  });
  let before = "";
  while (performance.now() < deadline && started.ending() === undefined) {
    for (const pid of descendants(started.child.pid)) {
      const ranges = readRanges(pid);
      if (!mapsModule(pid, request.buildId)) continue;
      // The dynamic linker is still at work while mappings come and go.
      const now = `${pid} ${ranges.map(({ line }) => line).join()}`;
      if (now === before) return pid;
      before = now;
      break;
    }
    await pause(LOOK_MS);
  }
  const ending = started.ending() ?? (ended === undefined ? undefined : `exit code ${ended}`);
  return ending ?? `no process of it mapped the file in ${request.timeoutMs / 1000} s`;
}

/** The processes below one, parents first. */
function descendants(pid: number | undefined): number[] {
  if (pid === undefined) return [];
  const parents = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    // The name in parentheses may hold anything; the parent is the second field behind it.
    const rest = readProcFile(`/proc/${name}/stat`).split(") ").at(-1) ?? "";
    const parent = Number(rest.split(" ")[1]);
    parents.set(parent, [...(parents.get(parent) ?? []), Number(name)]);
  }
  const below = (id: number): number[] =>
    (parents.get(id) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid);
}

const isAlive = (pid: number): boolean => /\) [^ZX] /.test(readProcFile(`/proc/${pid}/stat`));
