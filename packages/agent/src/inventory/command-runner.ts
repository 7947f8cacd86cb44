/** Running programs: the one place of the agent that does. */
import { spawn } from "node:child_process";
import { outputBytesMax } from "../limits.ts";

export interface CommandRequest {
  /** Program and arguments; no shell looks at them. */
  readonly command: readonly [string, ...string[]];
  readonly timeoutMs: number;
  /** Whom it runs as; the caller's user where it is not given. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** How much of its output is kept; by default what is enough as evidence. */
  readonly outputBytesMax?: number;
}

export interface CommandOutcome {
  /** The exit status; undefined where a signal or the time limit ended it. */
  readonly status?: number;
  readonly signal?: string;
  readonly timedOut: boolean;
  /** Why it did not start. */
  readonly failed?: string;
  /** The end of standard output and standard error together. */
  readonly output: string;
}

export type RunCommand = (request: CommandRequest) => Promise<CommandOutcome>;

const PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/**
 * Runs a program with nothing but a PATH for environment, in a session of its own, and ends the
 * whole session when its time is over. Never rejects.
 */
export const runCommand: RunCommand = (request) =>
  new Promise((resolve) => {
    const [program, ...args] = request.command;
    const kept = request.outputBytesMax ?? outputBytesMax;
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      cwd: "/",
      detached: true,
      env: { PATH, LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" },
      ...request.user,
    });
    let output = Buffer.alloc(0);
    let timedOut = false;
    let isOver = false;
    const take = (bytes: Buffer): void => {
      output = Buffer.concat([output, bytes]).subarray(-kept);
    };
    const endAll = (): void => {
      try {
        if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
      }
    };
    const timer = setTimeout(() => {
      timedOut = true;
      endAll();
    }, request.timeoutMs);
    const finish = (outcome: Omit<CommandOutcome, "timedOut" | "output">): void => {
      if (isOver) return;
      isOver = true;
      clearTimeout(timer);
      child.stdout.destroy();
      child.stderr.destroy();
      resolve({ ...outcome, timedOut, output: output.toString("utf8") });
    };
    child.stdout.on("data", take);
    child.stderr.on("data", take);
    child.once("error", (error) => finish({ failed: error.message }));
    // What it started may hold the output open after its end: wait a moment for the last bytes.
    child.once("exit", (status, signal) => {
      const outcome = { ...(status !== null && { status }), ...(signal !== null && { signal }) };
      child.once("close", () => finish(outcome));
      setTimeout(() => finish(outcome), 200).unref();
    });
  });
