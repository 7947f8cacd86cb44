/** A process that was started to be verified, and how it ends: always. */
import { type ChildProcess, spawn } from "node:child_process";

/** The end of what a program said, in characters. */
const OUTPUT_KEPT = 4000;
/** A process that is asked to end, or killed, is waited for this long, in milliseconds. */
const END_MS = 5000;

export interface LiveProcess {
  /** The process that maps the program or library. */
  readonly pid: number;
  /** True where the program itself works meanwhile; false where it waits before its main. */
  readonly runs: boolean;
  /** How it ended: `SIGSEGV`, `exit code 1`; undefined while it lives. */
  readonly ending: () => string | undefined;
  /** Lets it go and waits for its end; gives what was wrong with that, or undefined. */
  readonly finish: () => Promise<string | undefined>;
  /** Ends it on every path. Never throws. */
  readonly kill: () => Promise<void>;
}

/** A started program whose output is kept and read by lines. */
export interface Started {
  readonly child: ChildProcess;
  /** The first line of standard output of this form; undefined when the program ended before. */
  readonly lineOf: (form: RegExp) => Promise<string | undefined>;
  /** The end of what it said, for messages. */
  readonly said: () => string;
  readonly ending: () => string | undefined;
  readonly ended: Promise<void>;
  /** Sends SIGKILL to it, or to its process group where it leads one, and waits for its end. */
  readonly kill: () => Promise<void>;
}

/** Starts a program. One that cannot be started ends at once and says why. */
export function start(
  argv: readonly string[],
  options: {
    readonly cwd: string;
    readonly env: Readonly<Record<string, string | undefined>>;
    /** In a session and process group of its own, all of which `kill` ends. */
    readonly group?: boolean;
  },
): Started {
  const [program = "", ...args] = argv;
  const group = options.group === true;
  const child = spawn(program, args, {
    cwd: options.cwd,
    env: { ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
    detached: group,
  });
  let text = "";
  let lines: string[] = [];
  let partial = "";
  let closed = false;
  let waiting: { readonly form: RegExp; readonly take: (line?: string) => void } | undefined;
  const offer = (): void => {
    const found = waiting && lines.find((line) => waiting?.form.test(line));
    if (waiting === undefined || (found === undefined && !closed)) return;
    const { take } = waiting;
    waiting = undefined;
    take(found);
  };
  const keep = (chunk: string): void => {
    text = (text + chunk).slice(-OUTPUT_KEPT);
  };
  child.stdin.on("error", () => {}); // It may have ended before it reads.
  child.stderr.setEncoding("utf8").on("data", keep);
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    keep(chunk);
    const parts = (partial + chunk).split("\n");
    partial = (parts.pop() ?? "").slice(-OUTPUT_KEPT);
    lines = [...lines, ...parts].slice(-100);
    offer();
  });
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      closed = true;
      offer();
      resolve();
    };
    child.once("exit", () => setImmediate(end)); // Its last words come first.
    child.once("error", (error) => {
      keep(error.message);
      end();
    });
  });
  const ending = (): string | undefined => {
    if (child.signalCode !== null) return child.signalCode;
    if (child.exitCode !== null) return `exit code ${child.exitCode}`;
    return child.pid === undefined && closed ? "it did not start" : undefined;
  };
  return {
    child,
    lineOf: (form) =>
      new Promise((take) => {
        waiting = { form, take };
        offer();
      }),
    said: () => text.replace(/^suture: (paused|failed: |ended .*)\n?/gm, "").trim(),
    ending,
    ended,
    kill: async () => {
      if (group && child.pid !== undefined) killGroup(child.pid);
      else if (ending() === undefined) child.kill("SIGKILL");
      await within(END_MS, ended);
      for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
    },
  };
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** What `work` gives, or undefined when the time is over. The timer keeps no program alive. */
export async function within<T>(milliseconds: number, work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), milliseconds);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Waits for the end of a process that was asked to end. */
export const awaitEnd = async ({ ended, ending }: Started): Promise<string | undefined> => {
  await within(END_MS, ended);
  return ending();
};
