/** Runs other programs: no shell, output captured, failures as values. */
import { spawn } from "node:child_process";
import type { BuildRoot } from "./build-root.ts";
import { failureLinesShown, outputKeptMax } from "./limits.ts";

export interface CommandOptions {
  /** As it is named where the command runs. */
  readonly cwd?: string;
  /** Where the command runs; on the machine itself unless given. */
  readonly buildRoot?: BuildRoot | undefined;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly timeoutMs?: number;
  /** Called with each line of output, for progress on long work. */
  readonly onLine?: (line: string) => void;
}

export interface CommandResult {
  /** The exit code; undefined when the program could not start or was ended by a signal. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** `ENOENT` when there is no such program. */
  readonly spawnError?: string;
}

/** Runs `argv` to its end. Never throws for a program that is missing or fails. */
export async function runCommand(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { buildRoot, cwd } = options;
  const [program = "", ...args] = buildRoot?.enter(argv, { cwd: cwd ?? "/" }) ?? argv;
  const { promise, resolve } = Promise.withResolvers<CommandResult>();
  const child = spawn(program, args, {
    stdio: ["ignore", "pipe", "pipe"],
    ...(cwd !== undefined && buildRoot === undefined && { cwd }),
    env: { ...(options.env ?? process.env) },
    ...(options.timeoutMs !== undefined && { timeout: options.timeoutMs }),
    // unshare(1) ignores gentler signals, and takes its namespace with it.
    killSignal: buildRoot === undefined ? "SIGTERM" : "SIGKILL",
  });
  const stdout = collect(child.stdout, options.onLine);
  const stderr = collect(child.stderr, options.onLine);
  child.once("error", (error: NodeJS.ErrnoException) => {
    resolve({ code: undefined, stdout: "", stderr: error.message, spawnError: error.code ?? "" });
  });
  child.once("close", (code) => {
    resolve({ code: code ?? undefined, stdout: stdout.text(), stderr: stderr.text() });
  });
  return promise;
}

/** The end of what a failed program said, one line after the other, for an error's detail. */
export function failureText(result: CommandResult): string {
  const lines = `${result.stdout}\n${result.stderr}`
    .split("\n")
    .filter((line) => line.trim() !== "");
  const ended = result.code === undefined ? "did not finish" : `exit code ${result.code}`;
  return [ended, ...lines.slice(-failureLinesShown)].join("\n");
}

interface Collected {
  readonly text: () => string;
}

function collect(stream: NodeJS.ReadableStream, onLine?: (line: string) => void): Collected {
  const chunks: string[] = [];
  let kept = 0;
  let partial = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    chunks.push(chunk);
    kept += chunk.length;
    while (kept > outputKeptMax && chunks.length > 1) kept -= chunks.shift()?.length ?? 0;
    if (onLine === undefined) return;
    const lines = (partial + chunk).split("\n");
    partial = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
  return { text: () => chunks.join("") };
}
