/**
 * Records what a build compiles, without knowing the build system.
 *
 * A folder of tiny shell scripts named like compilers comes first on the PATH of the build
 * command. Each writes its directory and arguments to a file of its own (parallel builds would mix
 * lines of one file) and then becomes the real compiler further down PATH, with the PATH that the
 * build had before: a compiler that is a script itself (ccache) must not find the wrapper again.
 * Only compilers that are there get a wrapper, for configure scripts choose by what they find.
 */
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import type { RecordedRun } from "./compile-commands.ts";
import { type CommandOptions, runCommand } from "./run-command.ts";

const compilerName =
  /^(?:x86_64-linux-gnu-)?(?:cc|gcc|g\+\+|c\+\+|c89|c99|clang|clang\+\+)(?:-[0-9]+)?$/;

export interface CompilerWrapper {
  /** Environment variables for the build command. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What was compiled so far, in no particular order. */
  readonly readRuns: () => Promise<readonly RecordedRun[]>;
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
  const records = join(folder, "runs");
  await mkdir(programs, { recursive: true });
  await mkdir(records);
  const script = wrapperScript({ programs, records });
  const path = env.PATH ?? "/usr/local/bin:/usr/bin:/bin";
  for (const name of await compilersOn(path, build)) {
    await writeFile(join(programs, name), script, { mode: 0o755 });
  }
  return {
    env: { ...env, PATH: `${programs}${delimiter}${path}` },
    readRuns: () => readRuns(records),
  };
}

/** Listed by a shell, for the folders on the path of a build root are not those of the machine. */
async function compilersOn(
  path: string,
  options: Pick<CommandOptions, "env" | "buildRoot">,
): Promise<ReadonlySet<string>> {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
  const script = 'for folder do for file in "$folder"/*; do echo "${file##*/}"; done; done';
  const argv = ["/bin/sh", "-c", script, "sh", ...path.split(delimiter)];
  const { stdout } = await runCommand(argv, options);
  return new Set(stdout.split("\n").filter((name) => compilerName.test(name)));
}

/**
 * Runs whose file is incomplete (the build was ended) are left out: each file ends in an empty
 * word behind the last argument's NUL.
 */
async function readRuns(records: string): Promise<readonly RecordedRun[]> {
  const runs: RecordedRun[] = [];
  for (const name of await readdir(records)) {
    const words = (await readFile(join(records, name), "utf8")).split("\0");
    const [directory, ...argv] = words.slice(0, -2);
    if (words.at(-1) === "" && words.at(-2) === "" && directory !== undefined && argv.length > 0) {
      runs.push({ directory, argv });
    }
  }
  return runs;
}

function wrapperScript(folders: { readonly programs: string; readonly records: string }): string {
  const programs = quote(folders.programs);
  return `#!/bin/sh
name=\${0##*/}
here=${programs}
old_ifs=$IFS
IFS=:
set -f
rest=
found=
for folder in $PATH; do
  [ "$folder" = "$here" ] && continue
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
fi
record=$(mktemp ${quote(folders.records)}/XXXXXXXXXXXX) || exit 1
printf '%s\\0' "$(pwd -P)" "$name" "$@" '' >"$record"
PATH=$rest
export PATH
exec "$found" "$@"
`;
}

const quote = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
