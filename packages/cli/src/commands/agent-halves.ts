/** Both halves of the agent as children, where no service manager does it. */
import { resolve } from "node:path";
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
  const { root, user, startWithin, processes } = options;
  const common = ["--root", root, "--user", `${user.uid}:${user.gid}`];
  await prepareFolders(options);
  await Promise.all([
    keepRunning(options, "executor", [
      ...["agent", "run", "--half", "executor", ...common],
      ...(processes === undefined ? [] : ["--processes", resolve(processes)]),
    ]),
    keepRunning(
      options,
      "network",
      ["agent", "run", "--half", "network", ...common, "--start-within", `${startWithin}`],
      user,
    ),
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

async function keepRunning(
  { parts, signal, log }: BothHalves,
  half: string,
  words: readonly string[],
  user?: User,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    const begun = performance.now();
    const child = parts.startCommand(words, user && { user: { uid: user.uid, gid: user.gid } });
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
