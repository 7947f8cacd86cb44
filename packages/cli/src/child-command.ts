/** The suture command as a child process, for what runs as another user. */
import { spawn } from "node:child_process";

export interface ChildOptions {
  /** Written to its standard input; without it, the child has none. */
  readonly input?: string;
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Its standard output is read, not shown. */
  readonly reads?: boolean;
}

export interface CommandChild {
  readonly pid: number | undefined;
  /** How it ended, once it has: `exit 1` or `SIGKILL`, and what was read of its output. */
  readonly ended: Promise<{ readonly how: string; readonly output: string }>;
  readonly kill: (signal: "SIGTERM" | "SIGKILL") => void;
}

const outputBytesMax = 256 * 1024;

/** Starts a program that dies with this one's terminal at the latest. */
export function startChild(
  [program = "", ...args]: readonly string[],
  { input, env, reads = false }: ChildOptions = {},
): CommandChild {
  const child = spawn(program, args, {
    stdio: [input === undefined ? "ignore" : "pipe", reads ? "pipe" : "inherit", "inherit"],
    cwd: "/",
    env: { ...process.env, ...env },
  });
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    output += text;
    if (output.length > outputBytesMax) child.kill("SIGKILL");
  });
  // A child that ended early does not read; its ending tells.
  child.stdin?.on("error", () => undefined);
  child.stdin?.end(input);
  const ended = new Promise<{ how: string; output: string }>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      resolve({ how: signal ?? `exit ${code}`, output });
    });
  });
  return { pid: child.pid, ended, kill: (signal) => void child.kill(signal) };
}
