/** This machine as a device: both halves of the agent, below a folder of their own. */
import { chmodSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type BackgroundCommand, startBackground } from "./background-command.ts";
import type { Stage } from "./scene.ts";
import { problemOf, runSuture } from "./suture-command.ts";

export interface EnrolledMachine {
  readonly deviceId: string;
  /** Below which the agent keeps its files: `suture status --root DIR`. */
  readonly root: string;
  /** User and group of the network half. */
  readonly user: string;
  readonly agent: BackgroundCommand;
}

export interface MachineOptions {
  readonly stage: Stage;
  readonly server: string;
  readonly token: string;
  readonly channelRoot: string;
  readonly signal: AbortSignal;
  /** Looks after every process of the machine, and not just those below the stage's folder. */
  readonly allProcesses?: boolean;
}

/** The user nobody: it owns nothing, and every machine has it. */
const NOBODY = "65534:65534";

/** Enrols this machine and starts the agent, executor as root and network half as nobody. */
export async function enrolThisMachine(options: MachineOptions): Promise<EnrolledMachine> {
  const { stage, server, token, channelRoot, signal } = options;
  // The network half's user has to reach its own folders below.
  chmodSync(stage.folder, 0o711);
  const root = join(stage.folder, "machine");
  mkdirSync(root, { mode: 0o755 });
  const common = ["--root", root, "--user", NOBODY];
  const enrolment = await runSuture(
    [
      ...["agent", "enroll", "--server", server, "--token", token],
      ...["--channel-root", channelRoot, ...common],
    ],
    { onProgress: stage.say, signal },
  );
  if (!enrolment.answer.ok) throw new Error(problemOf(enrolment));
  // Whatever else runs on this machine, of the same Build-ID even, is left alone.
  const only = options.allProcesses ? [] : ["--processes", stage.folder];
  const agent = startBackground({
    args: ["agent", "run", ...common, ...only, "--start-within", "0"],
    log: join(stage.folder, "agent.log"),
    nodeArgs: ["--single-threaded"],
  });
  return { deviceId: String(enrolment.answer.deviceId), root, user: NOBODY, agent };
}

export interface Half {
  readonly half: "executor" | "network";
  readonly pid: number;
  readonly uid: number;
}

/** The halves that `suture agent run` of that id has started. */
export function halvesOf(agentPid: number): readonly Half[] {
  return readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    const [status, words] = [readOf(name, "status"), readOf(name, "cmdline").split("\0")];
    const half = words[words.indexOf("--half") + 1];
    const parent = Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]);
    if (parent !== agentPid || (half !== "executor" && half !== "network")) return [];
    return [{ half, pid: Number(name), uid: Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]) }];
  });
}

/** Empty where the process has ended meanwhile. */
function readOf(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error) return "";
    throw error;
  }
}
