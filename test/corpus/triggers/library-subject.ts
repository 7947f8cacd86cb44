/** A small program in C that has a library loaded and shows its fault when it is asked. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { runCommand } from "../../../packages/builder/src/run-command.ts";
import type { Answer, Subject } from "./behaviour.ts";
import type { Place } from "./trigger.ts";

/** Longer than the limit of trigger.h. */
const ANSWER_TIMEOUT_MS = 30_000;

interface Compilation {
  /** Folders with headers. */
  readonly includes: readonly string[];
  /** File names of further libraries whose functions the trigger calls. */
  readonly libraries?: readonly string[];
}

/**
 * Compiles a trigger against the library and starts it. Throws an Error with the compiler's words
 * where that fails.
 */
export async function startLibrarySubject(
  source: string,
  { file, folder, libraryPath, includes, libraries = [] }: Place & Compilation,
): Promise<Subject> {
  const program = join(folder, "trigger");
  const search = includes.map((path) => `-I${path}`);
  const argv = ["gcc", "-O1", "-w", ...search, "-o", program, source, file];
  const further = libraries.map((name) => `-l:${name}`);
  const folders = libraryPath.map((path) => `-L${path}`);
  const linking = [...folders, ...further, "-Wl,--allow-shlib-undefined"];
  const result = await runCommand([...argv, ...linking], { cwd: folder, env: process.env });
  if (result.code !== 0) throw new Error(`${source}: ${result.stderr.slice(-500)}`);
  // The library is loaded by its file; the loader then knows it by the name that programs need.
  const env = { ...process.env, LD_PRELOAD: file, LD_LIBRARY_PATH: libraryPath.join(":") };
  const child = spawn(program, { cwd: folder, env, stdio: ["pipe", "pipe", "ignore"] });
  const ended = once(child, "exit");
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<string> => {
    const timer = setTimeout(() => child.kill("SIGKILL"), ANSWER_TIMEOUT_MS);
    const { value, done } = await lines.next();
    clearTimeout(timer);
    if (done) throw new Error("the process of the trigger ended, or did not answer in time");
    return value;
  };
  const stop = async (): Promise<void> => {
    child.kill("SIGKILL");
    await ended;
  };
  try {
    await next();
  } catch (error) {
    await stop();
    throw error;
  }
  const ask = async (): Promise<Answer> => {
    child.stdin.write("ask\n");
    return parseAnswer(await next());
  };
  return { pid: child.pid ?? 0, ask, stop };
}

function parseAnswer(line: string): Answer {
  const [word, detail = ""] = line.split(": ");
  if (word !== "right" && word !== "wrong") return { word: "unable", detail };
  return { word, detail };
}
