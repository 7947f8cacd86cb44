/** Both halves of the agent as children, where no service manager does it. */
import { join, resolve } from "node:path";
import type { AgentParts } from "../agent-parts.ts";
import type { CommandChild } from "../child-command.ts";
import type { User } from "./agent-request.ts";

export interface BothHalves {
  readonly root: string;
  readonly user: User;
  readonly startWithin: number;
  readonly processes: string | undefined;
  readonly parts: AgentParts;
  readonly signal: AbortSignal;
  readonly log: (text: string) => void;
}

/** A half that lived so long is started again at once, in milliseconds. */
const soundMs = 60_000;
const restartFirstMs = 500;
const restartLastMs = 30_000;
/** A half that does not end in time is killed: both bear it at any moment. */
const endMs = 20_000;

/** Runs until the signal aborts, and returns when both halves have ended. */
export async function runBothHalves(options: BothHalves): Promise<void> {
  const { startWithin, processes } = options;
  await prepareFolders(options);
  await Promise.all([
    keepRunning(options, {
      half: "executor",
      words: processes === undefined ? [] : ["--processes", resolve(processes)],
    }),
    keepRunning(options, {
      half: "network",
      words: ["--start-within", `${startWithin}`],
    }),
  ]);
}

/** The folders that the network half cannot make itself. */
export async function prepareFolders({
  root,
  user,
  parts,
}: Pick<BothHalves, "root" | "user" | "parts">): Promise<void> {
  const folders = parts.foldersBelow(root);
  const { uid, gid } = user;
  await parts.makeAgentFolders(folders, { uid, gid });
}

interface Half {
  readonly half: "executor" | "network";
  readonly words: readonly string[];
}

async function keepRunning(
  { root, user, parts, signal, log }: BothHalves,
  { half, words }: Half,
): Promise<void> {
  const all = [
    ...["agent", "run", "--half", half, "--root", root, "--user", `${user.uid}:${user.gid}`],
    // A half whose supervisor was killed ends, so that there are never two of them.
    ...["--parent", `${parts.processId}`, ...words],
  ];
  const env = {
    // Compiled code is kept: a half starts faster, and with half of the memory. It lies where root
    // alone may write, for both are root's when they read it.
    NODE_COMPILE_CACHE: join(parts.foldersBelow(root).executor, "compiled"),
    NODE_OPTIONS: "--max-semi-space-size=1",
  };
  let failures = 0;
  while (!signal.aborted) {
    const begun = performance.now();
    const child = parts.startCommand(all, { env });
    const { how } = await endedOrEnd(child, signal);
    if (signal.aborted) return;
    failures = performance.now() - begun > soundMs ? 0 : failures + 1;
    log(`the ${half} half ended (${how}); it is started again`);
    const waitMs =
      failures === 0 ? 0 : Math.min(restartLastMs, restartFirstMs * 2 ** (failures - 1));
    await waitOrAbort(waitMs, signal);
  }
}

async function endedOrEnd(child: CommandChild, signal: AbortSignal) {
  let killTimer: NodeJS.Timeout | undefined;
  const end = (): void => {
    child.kill("SIGTERM");
    killTimer = setTimeout(() => child.kill("SIGKILL"), endMs);
  };
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  try {
    return await child.ended;
  } finally {
    signal.removeEventListener("abort", end);
    clearTimeout(killTimer);
  }
}

const waitOrAbort = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener("abort", finish);
  });
