/** A `suture` command that goes on: a server, an agent. It ends with the job, and so do its children. */
import { type ChildProcess, spawn } from "node:child_process";
import { createWriteStream } from "node:fs";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

export interface BackgroundOptions {
  readonly args: readonly string[];
  /** All that it prints goes there. */
  readonly log: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Options of Node itself. */
  readonly nodeArgs?: readonly string[];
}

export interface BackgroundCommand {
  readonly pid: number;
  readonly isRunning: () => boolean;
  /** The first line that it prints, now or later, and that matches. Throws when it ends first. */
  readonly line: (pattern: RegExp, timeoutMs: number) => Promise<RegExpExecArray>;
  /** The last lines that it printed. */
  readonly said: () => string;
  /** Asks it to end, waits, and kills what is left of its group. */
  readonly end: () => Promise<void>;
  /** Ends the whole group at once. */
  readonly kill: () => void;
}

const END_TIMEOUT_MS = 15_000;

/** Starts it in a process group of its own: Ctrl-C is for the job, which then ends the group. */
export function startBackground(options: BackgroundOptions): BackgroundCommand {
  const { args, nodeArgs = [], env } = options;
  const child = spawn(process.execPath, [...nodeArgs, MAIN, ...args], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    cwd: "/",
    env: { ...process.env, ...env },
  });
  const output = collect(child, options.log);
  const name = args.slice(0, 2).join(" ");
  const isRunning = (): boolean => child.exitCode === null && child.signalCode === null;
  const killGroup = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-(child.pid ?? 0), signal);
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
    }
  };
  return {
    pid: child.pid ?? 0,
    isRunning,
    said: () => output.lines().slice(-SAID_LINES).join("\n"),
    kill: () => killGroup("SIGKILL"),
    async line(pattern, timeoutMs) {
      const found = await output.matching(pattern, timeoutMs);
      if (found !== undefined) return found;
      throw new Error(`suture ${name} did not say ${pattern}; it said:\n${this.said()}`);
    },
    async end() {
      if (isRunning()) {
        child.kill("SIGTERM");
        const timer = setTimeout(killGroup, END_TIMEOUT_MS, "SIGKILL");
        await new Promise<void>((resolve) => {
          if (!isRunning()) resolve();
          else child.once("exit", () => resolve());
        });
        clearTimeout(timer);
      }
      killGroup("SIGKILL");
    },
  };
}

const SAID_LINES = 8;
const LINES_MAX = 1000;

function collect(child: ChildProcess, log: string) {
  const file = createWriteStream(log, { flags: "a" });
  const lines: string[] = [];
  let waiting: (() => void)[] = [];
  let rest = "";
  const wake = (): void => {
    const woken = waiting;
    waiting = [];
    for (const resolve of woken) resolve();
  };
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      file.write(text);
      const parts = (rest + text).split("\n");
      rest = parts.pop() ?? "";
      lines.push(...parts);
      lines.splice(0, Math.max(0, lines.length - LINES_MAX));
      wake();
    });
  }
  let hasEnded = false;
  child.once("close", () => {
    hasEnded = true;
    file.end();
    wake();
  });
  const find = (pattern: RegExp): RegExpExecArray | undefined => {
    for (const line of lines) {
      const found = pattern.exec(line);
      if (found) return found;
    }
    return undefined;
  };
  return {
    lines: () => lines,
    async matching(pattern: RegExp, timeoutMs: number): Promise<RegExpExecArray | undefined> {
      const until = performance.now() + timeoutMs;
      for (;;) {
        const found = find(pattern);
        const leftMs = until - performance.now();
        if (found !== undefined || hasEnded || leftMs <= 0) return found;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, leftMs);
          waiting.push(() => {
            clearTimeout(timer);
            resolve();
          });
        });
      }
    },
  };
}
