/**
 * Which recorded units are not linked into a program or library, as the recorded links tell.
 *
 * A build compiles one source for several files (libtool with and without -fPIC, a library three
 * times with other options), and two sources of one name for different files (redis has an sds.c of
 * its own and one in its hiredis). Names and code alone cannot always tell which is in which file;
 * the arguments of the linker and of ar do.
 *
 * They are believed for a name only where they account for each unit of that name in the file: the
 * file's own symbol table has an STT_FILE for each. Where a build hides something (response files,
 * an archive that is taken apart and put together again), nothing is said.
 */
import { basename, resolve } from "node:path";
import { alikeKey, type UnitDependencies } from "../changed-units.ts";
import type { RecordedRun } from "../compile-commands.ts";
import { parseArguments } from "../compiler-arguments.ts";
import type { ModuleSymbols } from "../module-symbols.ts";

/**
 * The keys (`alikeKey`) of the units that are surely not in the file that was linked as `target`,
 * an absolute path.
 */
export function absentUnits(
  target: string,
  {
    units,
    links,
  }: {
    readonly units: readonly UnitDependencies[];
    readonly links: readonly RecordedRun[];
  },
  { complete, files }: Pick<ModuleSymbols, "complete" | "files">,
): ReadonlySet<string> {
  const linked = complete ? objectsOf(target, readLinks(links)) : undefined;
  if (linked === undefined) return new Set();
  const present = new Set<string>();
  const candidates = new Set<string>();
  const counts = new Map<string, number>();
  const counted = new Set<string>();
  for (const { command } of units) {
    if (command.output === undefined) continue;
    const object = resolve(command.directory, command.output);
    const key = alikeKey(command);
    (linked.has(object) ? present : candidates).add(key);
    if (!linked.has(object) || counted.has(object)) continue;
    counted.add(object);
    const name = basename(command.file);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const isKnown = ({ command }: UnitDependencies): boolean => {
    const name = basename(command.file);
    return counts.get(name) === files.get(name);
  };
  const absent = units.filter(isKnown).map(({ command }) => alikeKey(command));
  return new Set(absent.filter((key) => candidates.has(key) && !present.has(key)));
}

interface Link {
  /** Absolute paths of objects and archives; undefined where not all can be told. */
  readonly inputs: readonly string[] | undefined;
}

/** All runs that made a file, by its absolute path: ar may add to an archive several times. */
function readLinks(runs: readonly RecordedRun[]): ReadonlyMap<string, readonly Link[]> {
  const links = new Map<string, Link[]>();
  for (const { directory, argv } of runs) {
    const [program = "", ...args] = argv;
    const isArchiver = /(?:^|\/|-)ar$/.test(program);
    if (isArchiver && /^-?[a-z]*[tx]/.test(args[0] ?? "")) continue;
    const output = isArchiver
      ? args.slice(1).find((word) => word.endsWith(".a"))
      : (parseArguments(args).output ?? "a.out");
    if (output === undefined) continue;
    const words = args.filter((word) => !word.startsWith("-") && /\.[ao]$/.test(word));
    const isHidden = args.some((word) => word.startsWith("@") || /^-Wl,.*\.[ao](?:,|$)/.test(word));
    const path = resolve(directory, output);
    const inputs = words.map((word) => resolve(directory, word)).filter((word) => word !== path);
    const known = links.get(path) ?? [];
    links.set(path, [...known, { inputs: isHidden ? undefined : inputs }]);
  }
  return links;
}

/** The objects of a linked file, through archives; undefined where not all can be told. */
function objectsOf(
  target: string,
  links: ReadonlyMap<string, readonly Link[]>,
): ReadonlySet<string> | undefined {
  if (!links.has(target)) return undefined;
  const objects = new Set<string>();
  const seen = new Set<string>();
  const rest = [target];
  for (let path = rest.pop(); path !== undefined; path = rest.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    if (path.endsWith(".o")) objects.add(path);
    for (const { inputs } of links.get(path) ?? []) {
      if (inputs === undefined) return undefined;
      rest.push(...inputs);
    }
  }
  return objects;
}
