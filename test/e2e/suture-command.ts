/** Runs the `suture` command as a person would, with `--json`, and reads its answer. */
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { environmentOf } from "./compiled-sources.ts";

const MAIN = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));

export interface CommandResult {
  readonly code: number | null;
  /** The JSON document. */
  readonly answer: Readonly<Record<string, unknown>> & { readonly ok: boolean };
  readonly seconds: number;
}

/** Runs one command; what it says of its progress goes to `onProgress`, line by line. */
export function runSuture(
  args: readonly string[],
  options: {
    readonly onProgress?: (line: string) => void;
    readonly env?: NodeJS.ProcessEnv;
    readonly signal?: AbortSignal;
  } = {},
): Promise<CommandResult> {
  const begin = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--single-threaded", MAIN, ...args, "--json"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: environmentOf({ ...process.env, ...options.env }),
      ...(options.signal && { signal: options.signal }),
    });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      stderr += chunk;
      const lines = stderr.split("\n");
      stderr = lines.pop() ?? "";
      for (const line of lines) options.onProgress?.(line);
    });
    child.on("error", reject);
    child.on("close", (code, signal) => {
      const seconds = (performance.now() - begin) / 1000;
      const answer = stdout === "" ? { ok: false, signal } : JSON.parse(stdout);
      resolve({ code, answer, seconds });
    });
  });
}

/** The problem of a refused or failed command, in one line. */
export function problemOf({ code, answer }: CommandResult): string {
  const { reason, detail, next } = (answer.error ?? {}) as Record<string, string>;
  return `exit code ${code}: ${reason ?? "no answer"}: ${detail ?? ""} (next: ${next ?? "-"})`;
}
