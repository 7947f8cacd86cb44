/**
 * Records what a build compiles, without knowing the build system.
 *
 * A folder of tiny shell scripts named like compilers comes first on the PATH of the build
 * command. Each writes its directory and arguments to a file of its own (parallel builds would mix
 * lines of one file) and then becomes the real compiler further down PATH, with the PATH that the
 * build had before: a compiler that is a script itself must not find the wrapper again. Only
 * programs that are there get a wrapper, for configure scripts choose by what they find.
 *
 *     gcc -c @args a.c          a compiler. Response files are copied: they may be gone later
 *     ccache gcc -c a.c         a launcher: the compiler is its first argument, and the launcher
 *                               may not even call it
 *     ar, ranlib, ld            what makes libraries of objects
 *     make, ninja               the outermost one of each step, with its environment; those that
 *                               it calls itself, and all that a compiler calls, are not recorded
 */
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { RecordedRun } from "./compile-commands.ts";
import { parseArguments } from "./compiler-arguments.ts";
import { splitResponseFile } from "./response-file.ts";
import { type CommandOptions, runCommand } from "./run-command.ts";
import { quoteWord } from "./shell-words.ts";

/** gcc-12, x86_64-linux-gnu-g++, c99-gcc, musl-gcc ... and no gcc-ar. */
const compilerName =
  /^(?:(?:x86_64(?:-[\w.]+)+|musl|c89|c99)-)?(?:cc|gcc|g\+\+|c\+\+|c89|c99|clang|clang\+\+)(?:-[0-9.]+)?$/;
const archiverName = /^(?:x86_64(?:-[\w.]+)+-)?(?:(?:gcc-|llvm-)?(?:ar|ranlib)|ld)(?:-[0-9.]+)?$/;
const launcherName = /^(?:ccache|sccache|distcc|icecc)$/;
const makeName = /^(?:make|gmake|ninja|ninja-build|samu)$/;

const kinds = {
  compiler: compilerName,
  archiver: archiverName,
  launcher: launcherName,
  make: makeName,
} as const;

type Kind = keyof typeof kinds;

/** One run of a make program by the build command or one of its scripts. */
export interface MakeRun extends RecordedRun {
  /** Variables that the build set on the way to it, or changed. */
  readonly env: Readonly<Record<string, string>>;
}

export interface CompilerWrapper {
  /** Environment variables for the build command. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What was compiled and linked by compilers so far, in the order of their starts. */
  readonly readRuns: () => Promise<readonly RecordedRun[]>;
  /** Runs of compilers that linked, and of ar, ranlib and ld, in that order too. */
  readonly readLinkRuns: () => Promise<readonly RecordedRun[]>;
  /** The outermost makes, without those that only asked it something. */
  readonly readMakeRuns: () => Promise<readonly MakeRun[]>;
}

/**
 * Makes the wrapper in `folder`, which is emptied first. `env` is what the build would have, and
 * `buildRoot` where it runs, in which the folder has the same path.
 */
export async function createCompilerWrapper(
  folder: string,
  build: Pick<CommandOptions, "env" | "buildRoot">,
): Promise<CompilerWrapper> {
  const env = build.env ?? {};
  await rm(folder, { recursive: true, force: true });
  const programs = join(folder, "bin");
  await mkdir(programs, { recursive: true });
  const path = env.PATH ?? "/usr/local/bin:/usr/bin:/bin";
  const names = await programsOn(path, build);
  for (const kind of ["compiler", "archiver", "launcher", "make"] as const) {
    const records = join(folder, kind);
    await mkdir(records);
    const script = wrapperScript(kind, { programs, records });
    for (const name of names.filter((candidate) => kinds[kind].test(candidate))) {
      await writeFile(join(programs, name), script, { mode: 0o755 });
    }
  }
  // make calls others by the path it was called by itself: with this, by their name.
  const wrapped = { MAKE: "make", ...env, PATH: `${programs}${delimiter}${path}` };
  const read = (...from: readonly Kind[]): Promise<readonly MakeRun[]> =>
    readRecords(
      from.map((kind) => join(folder, kind)),
      { programs, env: wrapped },
    );
  return {
    env: wrapped,
    readRuns: async () => (await read("compiler")).map(withoutEmpty),
    readLinkRuns: async () => (await read("compiler", "archiver")).filter(links).map(withoutEmpty),
    readMakeRuns: async () => (await read("make")).filter(({ argv }) => !argv.some(onlyAsks)),
  };
}

/** Listed by a shell, for the folders on the path of a build root are not those of the machine. */
async function programsOn(
  path: string,
  options: Pick<CommandOptions, "env" | "buildRoot">,
): Promise<readonly string[]> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
  const script = 'for folder do for file in "$folder"/*; do echo "${file##*/}"; done; done';
  const argv = ["/bin/sh", "-c", script, "sh", ...path.split(delimiter)];
  const { stdout } = await runCommand(argv, options);
  return [...new Set(stdout.split("\n"))];
}

/** debhelper asks make which targets there are (`make -Rrnpsf debian/rules x`). */
const onlyAsks = (word: string): boolean =>
  /^-[BbdeikLmpRrsStw]*[nqv]/.test(word) ||
  /^--(?:dry-run|just-print|recon|question|version)$/.test(word);

const withoutEmpty = ({ directory, argv, env }: MakeRun): RecordedRun =>
  Object.keys(env).length > 0 ? { directory, argv, env } : { directory, argv };

/** Not those that only tell their version. */
function links({ argv: [program = "", ...args] }: RecordedRun): boolean {
  if (archiverName.test(program)) return args.length > 0;
  return parseArguments(args).links && args.some((word) => !word.startsWith("-"));
}

/** Variables by which gcc finds its parts and headers (gcc manual, "Environment Variables"). */
const compilerVariables = [
  "CPATH",
  "C_INCLUDE_PATH",
  "CPLUS_INCLUDE_PATH",
  "COMPILER_PATH",
  "GCC_EXEC_PREFIX",
];

/** Variables that say how the process was called, not what it is to do. */
const ofTheCall = /^(?:_|PWD|OLDPWD|SHLVL|MAKELEVEL|MAKEFLAGS|MFLAGS|SUTURE_RECORDED)$/;

async function readRecords(
  folders: readonly string[],
  wrapped: {
    readonly programs: string;
    readonly env: Readonly<Record<string, string | undefined>>;
  },
): Promise<readonly MakeRun[]> {
  const paths: string[] = [];
  for (const folder of folders) {
    const names = (await readdir(folder)).filter((name) => !name.includes("."));
    paths.push(...names.map((name) => join(folder, name)));
  }
  const records = await Promise.all(
    paths.map(async (path) => {
      const [bytes, { mtimeNs }] = await Promise.all([
        readFile(path, "utf8"),
        stat(path, { bigint: true }),
      ]);
      return { path, words: bytes.split("\0"), mtimeNs };
    }),
  );
  records.sort((a, b) => (a.mtimeNs < b.mtimeNs ? -1 : a.mtimeNs > b.mtimeNs ? 1 : 0));
  const runs = await Promise.all(records.map((record) => readRecord(record, wrapped)));
  return runs.flatMap((run) => run ?? []);
}

/**
 * The directory, variables up to an empty word, arguments, an empty word. A record without that
 * end is of a build that was killed while it wrote, and is left out.
 */
async function readRecord(
  { path, words }: { readonly path: string; readonly words: readonly string[] },
  wrapped: {
    readonly programs: string;
    readonly env: Readonly<Record<string, string | undefined>>;
  },
): Promise<MakeRun | undefined> {
  const middle = words.indexOf("");
  const [directory] = words;
  if (words.at(-1) !== "" || words.at(-2) !== "" || middle < 1 || middle > words.length - 4) {
    return undefined;
  }
  const env = words.slice(1, middle).map((entry) => {
    const equals = entry.indexOf("=");
    return [entry.slice(0, equals), entry.slice(equals + 1)] as const;
  });
  const added = env.filter(([name, value]) => !ofTheCall.test(name) && wrapped.env[name] !== value);
  const [program = "", ...args] = words.slice(middle + 1, -2);
  const argv = await Promise.all(
    args.map(async (word, index) =>
      word.startsWith("@") ? await expandResponse(word, `${path}.${index + 1}`) : [word],
    ),
  );
  const own = `${wrapped.programs}/`;
  const name = program.startsWith(own) ? program.slice(own.length) : program;
  return {
    directory: directory ?? "",
    argv: [name, ...argv.flat()],
    env: Object.fromEntries(added),
  };
}

/** What a response file said when the command ran; the word itself where there was no such file. */
async function expandResponse(word: string, copy: string): Promise<readonly string[]> {
  try {
    return splitResponseFile(await readFile(copy, "utf8"));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return [word];
    throw error;
  }
}

function wrapperScript(
  kind: Kind,
  folders: { readonly programs: string; readonly records: string },
): string {
  const isLauncher = kind === "launcher";
  const records = isLauncher ? folders.records.replace(/launcher$/, "compiler") : folders.records;
  const variables = compilerVariables.map(
    (name) => `[ -z "\${${name}+x}" ] || printf '%s\\0' "${name}=$${name}"`,
  );
  return `#!/bin/sh
name=\${0##*/}
${findProgram(folders.programs)}
if [ "\${SUTURE_RECORDED-}" = compiler ]${alsoUnrecorded[kind]}; then
  :
else
  record=$(mktemp ${quoteWord(records)}/XXXXXXXXXXXX) || exit 1
  word_number=${isLauncher ? 0 : 1}
  for word do
    case $word in
    @?*) [ ! -f "\${word#@}" ] || cp "\${word#@}" "$record.$word_number" ;;
    esac
    word_number=$((word_number + 1))
  done
  {
    printf '%s\\0' "$(pwd -P)"
    ${kind === "make" ? "env -0" : variables.join("\n    ")}
    printf '%s\\0' '' ${isLauncher ? "" : '"$name" '}"$@" ''
  } >"$record"
  SUTURE_RECORDED=${kind === "make" ? "make" : "compiler"}
  export SUTURE_RECORDED
fi
${kind === "make" ? "" : "PATH=$rest\nexport PATH"}
exec "$found" "$@"
`;
}

/** Further shell conditions under which a program only runs. */
const alsoUnrecorded: Readonly<Record<Kind, string>> = {
  compiler: "",
  archiver: "",
  launcher: ` || [ $# = 0 ] || [ "\${1#-}" != "$1" ]`,
  make: ` || [ -n "\${SUTURE_RECORDED-}" ]`,
};

/** Sets \`found\` to the program behind the wrapper and \`rest\` to PATH without it. */
const findProgram = (programs: string): string => `old_ifs=$IFS
IFS=:
set -f
rest=
found=
for folder in $PATH; do
  [ "$folder" = ${quoteWord(programs)} ] && continue
  rest=\${rest:+$rest:}$folder
  if [ -z "$found" ] && [ -x "$folder/$name" ] && [ ! -d "$folder/$name" ]; then
    found=$folder/$name
  fi
done
IFS=$old_ifs
set +f
if [ -z "$found" ]; then
  echo "$name: not found" >&2
  exit 127
fi`;
