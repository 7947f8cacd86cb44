/** Which commands compiled which sources: from a compile_commands.json or from a recording. */
import { isAbsolute, resolve } from "node:path";
import { type CompileCommand, parseArguments } from "./compiler-arguments.ts";
import { responseDepthMax } from "./limits.ts";
import { type BuildRefusal, refuseBuild } from "./refusals.ts";
import { splitResponseFile } from "./response-file.ts";
import { splitShellWords } from "./shell-words.ts";

/** One run of a compiler as the wrapper saw it. */
export interface RecordedRun {
  readonly directory: string;
  /** The compiler's name and its arguments. */
  readonly argv: readonly string[];
  /** Variables that the compiler heeds, where the build sets them. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * The compile commands of a recording, one for each source, sorted and each once.
 *
 * `exists` tells whether a file is still there: configure's tests compile files that are gone
 * when the build ends. A response file that nobody could read is refused by its name: there may
 * be sources in it.
 */
export function commandsOfRuns(
  runs: readonly RecordedRun[],
  exists: (path: string) => boolean,
): readonly CompileCommand[] | BuildRefusal {
  const commands: CompileCommand[] = [];
  for (const { directory, argv, env } of runs) {
    const [compiler = "", ...args] = argv;
    const parsed = parseArguments(args);
    if (!parsed.compiles) continue;
    const responseFile = parsed.responseFiles[0];
    if (responseFile !== undefined) return refuseResponseFile(responseFile, directory);
    for (const { file, language } of parsed.sources) {
      if (!exists(resolve(directory, file))) continue;
      const output = parsed.links ? undefined : (parsed.output ?? objectName(file));
      commands.push({
        directory,
        file,
        compiler,
        options: parsed.options,
        language,
        ...(env !== undefined && { env }),
        ...(output !== undefined && { output }),
      });
    }
  }
  return distinct(commands);
}

/** The absolute paths of what the recorded runs linked. */
export function linkedFiles(runs: readonly RecordedRun[]): readonly string[] {
  const files = runs.flatMap(({ directory, argv }) => {
    const { links, output } = parseArguments(argv.slice(1));
    return links ? [resolve(directory, output ?? "a.out")] : [];
  });
  return [...new Set(files)].sort();
}

/**
 * Reads a compile_commands.json (clang's "JSON Compilation Database Format Specification").
 *
 * Paths in it are relative to each entry's own directory, and that to `base`.
 */
export function parseCompileCommands(
  text: string,
  options: {
    readonly base: string;
    readonly exists: (path: string) => boolean;
    /** Reads a response file; undefined where there is none. */
    readonly read?: (path: string) => string | undefined;
  },
): readonly CompileCommand[] | BuildRefusal {
  let entries: unknown;
  try {
    entries = JSON.parse(text);
  } catch (error) {
    return refuseDatabase(error instanceof Error ? error.message : String(error));
  }
  if (!Array.isArray(entries)) return refuseDatabase("it is not a list");
  const runs: RecordedRun[] = [];
  for (const [index, entry] of entries.entries()) {
    const run = runOfEntry(entry, options.base);
    if (run === undefined) return refuseDatabase(`entry ${index} has no directory and command`);
    runs.push(withResponses(run, options.read ?? (() => undefined)));
  }
  return commandsOfRuns(runs, options.exists);
}

/** The same commands in the form that other tools read. */
export function formatCompileCommands(commands: readonly CompileCommand[]): string {
  const entries = commands.map(({ directory, file, compiler, options, output }) => ({
    directory,
    file,
    arguments: [compiler, ...options, "-c", file, ...(output === undefined ? [] : ["-o", output])],
    ...(output !== undefined && { output }),
  }));
  return `${JSON.stringify(entries, null, 1)}\n`;
}

/** A response file may name others: gcc follows them too, up to a limit against circles. */
function withResponses(
  run: RecordedRun,
  read: (path: string) => string | undefined,
  depth = responseDepthMax,
): RecordedRun {
  let found = false;
  const argv = run.argv.flatMap((word) => {
    const text = word.startsWith("@") ? read(resolve(run.directory, word.slice(1))) : undefined;
    found ||= text !== undefined;
    return text === undefined ? [word] : splitResponseFile(text);
  });
  return found && depth > 1 ? withResponses({ ...run, argv }, read, depth - 1) : { ...run, argv };
}

function runOfEntry(entry: unknown, base: string): RecordedRun | undefined {
  if (typeof entry !== "object" || entry === null) return undefined;
  const fields = entry as Readonly<Record<string, unknown>>;
  if (typeof fields.directory !== "string") return undefined;
  const directory = isAbsolute(fields.directory)
    ? fields.directory
    : resolve(base, fields.directory);
  const list = fields.arguments;
  if (Array.isArray(list) && list.every((argument) => typeof argument === "string")) {
    return { directory, argv: list };
  }
  if (typeof fields.command !== "string") return undefined;
  return { directory, argv: splitShellWords(fields.command) };
}

function distinct(commands: readonly CompileCommand[]): readonly CompileCommand[] {
  const byKey = new Map(commands.map((command) => [JSON.stringify(command), command]));
  return [...byKey.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, command]) => command);
}

/** Where a compiler puts the object of `-c` without `-o`. */
const objectName = (file: string): string =>
  file.slice(file.lastIndexOf("/") + 1).replace(/\.[^.]*$/, ".o");

const refuseResponseFile = (name: string, directory: string): BuildRefusal =>
  refuseBuild("bad-compile-commands", {
    name: `@${name}`,
    detail: `a command in ${directory} takes its arguments from the response file ${name}, which is gone`,
    next: "make the build pass its arguments on the command line, or keep its response files",
  });

const refuseDatabase = (detail: string): BuildRefusal =>
  refuseBuild("bad-compile-commands", {
    name: "compile_commands.json",
    detail,
    next: "write it again with the build tool, or give a build command to record instead",
  });
