/**
 * Compiles one translation unit as it was compiled when it was recorded.
 *
 * The fixed source stands in a copy of the whole tree, so every path in the command that names
 * the tree names the copy instead, and -ffile-prefix-map puts the old name back where the compiler
 * writes paths into the code (__FILE__). The map comes first: of several that fit gcc takes the
 * last, and the build's own must win as it did before.
 *
 * -ffunction-sections and -fdata-sections give each function and variable a section of its own.
 * -g gives the differ the types; it changes no code.
 */
import { resolve } from "node:path";
import type { BuildRoot } from "./build-root.ts";
import type { CompileCommand } from "./compiler-arguments.ts";
import { compileTimeoutMs } from "./limits.ts";
import { type CommandOptions, type CommandResult, runCommand } from "./run-command.ts";

export interface CompilePlace {
  /** Where the tree stood when the command was recorded. */
  readonly recordedRoot: string;
  /** Where the tree to compile stands; may be the same. */
  readonly root: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where suture.h is, for compilers and as the build root names it. */
  readonly headers?: string;
  /** Where compilers run; on the machine itself unless given. */
  readonly buildRoot?: BuildRoot | undefined;
}

const sectionOptions = ["-ffunction-sections", "-fdata-sections", "-fno-lto", "-Wno-error", "-g"];

/** Compiles a unit to `object`. */
export async function compileUnit(
  command: CompileCommand,
  place: CompilePlace,
  object: string,
): Promise<CommandResult> {
  const moved = moveCommand(command, place);
  const argv = [
    moved.compiler,
    ...mapOptions(place),
    ...moved.options,
    ...sectionOptions,
    ...headerOptions(place),
    "-c",
    moved.file,
    "-o",
    object,
  ];
  return runCommand(argv, runOptions(moved, place));
}

/**
 * The files that a unit is made of, absolute, as `gcc -M` lists them (gcc manual, "Preprocessor
 * Options"); undefined when the preprocessor fails.
 */
export async function readDependencies(
  command: CompileCommand,
  place: CompilePlace,
): Promise<readonly string[] | undefined> {
  const moved = moveCommand(command, place);
  const own = headerOptions(place);
  const argv = [moved.compiler, ...moved.options, ...own, "-w", "-M", moved.file];
  const result = await runCommand(argv, runOptions(moved, place));
  if (result.code !== 0) return undefined;
  return parseMakeRule(result.stdout).map((path) => resolve(moved.directory, path));
}

/** Behind all other folders, so that it hides no header of the source. */
const headerOptions = ({ headers }: CompilePlace): readonly string[] =>
  headers === undefined ? [] : ["-idirafter", headers];

const runOptions = ({ directory, env }: CompileCommand, place: CompilePlace): CommandOptions => ({
  cwd: directory,
  env: { ...place.env, ...env },
  buildRoot: place.buildRoot,
  timeoutMs: compileTimeoutMs,
});

/** The prerequisites of one make rule: words behind the colon, with escaped blanks and `$$`. */
export function parseMakeRule(rule: string): readonly string[] {
  const joined = rule.replaceAll("\\\n", " ");
  const words = joined.slice(joined.indexOf(": ") + 2).match(/(?:\\.|[^\\\s])+/g) ?? [];
  return words.map((word) => word.replace(/\\(.)/g, "$1").replaceAll("$$", "$"));
}

function moveCommand(command: CompileCommand, place: CompilePlace): CompileCommand {
  const move = (text: string): string => movePath(text, place);
  return {
    ...command,
    directory: move(command.directory),
    file: move(command.file),
    options: command.options.map(move),
    ...(command.env !== undefined && {
      env: Object.fromEntries(
        Object.entries(command.env).map(([name, value]) => [name, move(value)]),
      ),
    }),
  };
}

/** Replaces the tree's old place in a text: only whole path names, `/src/a` is not in `/src/ab`. */
export function movePath(
  text: string,
  { recordedRoot, root }: Pick<CompilePlace, "recordedRoot" | "root">,
): string {
  if (recordedRoot === root) return text;
  let moved = "";
  let rest = text;
  for (let at = rest.indexOf(recordedRoot); at >= 0; at = rest.indexOf(recordedRoot)) {
    const end = at + recordedRoot.length;
    const whole = !/[\w.+-]/.test(rest.charAt(end));
    moved += rest.slice(0, at) + (whole ? root : recordedRoot);
    rest = rest.slice(end);
  }
  return moved + rest;
}

const mapOptions = ({ recordedRoot, root }: CompilePlace): readonly string[] =>
  recordedRoot === root ? [] : [`-ffile-prefix-map=${root}=${recordedRoot}`];

/** The first line of `CC --version`. */
export async function compilerVersion(
  compiler: string,
  { env, buildRoot }: Pick<CompilePlace, "env" | "buildRoot">,
): Promise<string> {
  const options = { env: { ...env, LC_ALL: "C" }, buildRoot };
  const { stdout } = await runCommand([compiler, "--version"], options);
  return stdout.split("\n")[0] || compiler;
}
