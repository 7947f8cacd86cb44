/**
 * Units whose source the build itself makes from a file that a fix changes.
 *
 * The fixed tree is not built, only compared, so what a parser generator would make of a changed
 * grammar is not there. Such a unit is not compared with what is there instead, which would miss
 * a part of the fix: it is refused by name. Generators of C write `#line 12 "grammar.y"` into
 * what they make (C17 6.10.4), which tells what it was made from; and a source that is not in the
 * built tree what it is in the unpacked package was written by the build. So was a source that the
 * unpacked package does not have: with the name of a changed one, it counts as made from that.
 */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import type { ChangedFile } from "./changed-files.ts";
import type { ChangedUnit, UnitDependencies } from "./changed-units.ts";
import type { BuildRefusal, RefusalItem } from "./refusals.ts";

export interface GeneratedUnits {
  readonly units: readonly ChangedUnit[];
  readonly refused: readonly BuildRefusal[];
}

const grammar = /\.(?:y|yy|ypp|l|ll|lpp|rl|re|gperf)$/;
const source = /\.(?:c|h|inc)$/;

/** The units that are made from changed files. `original` is the package's source before. */
export async function findGeneratedUnits(
  units: readonly UnitDependencies[],
  changes: readonly ChangedFile[],
  place: { readonly root: string; readonly original: string },
): Promise<GeneratedUnits> {
  const grammars = changes.filter(({ path }) => grammar.test(path));
  const written: string[] = [];
  for (const { path, change } of changes) {
    if (change === "changed" && source.test(path) && !(await isAsUnpacked(path, place))) {
      written.push(join(place.root, path));
    }
  }
  const sources = changes.filter(({ path }) => path.endsWith(".c"));
  const found: ChangedUnit[] = [];
  const items: RefusalItem[] = [];
  for (const { command, files } of units) {
    const name = relative(place.root, resolve(command.directory, command.file));
    const own = files.filter((file) => file.startsWith(`${place.root}/`) && existsSync(file));
    const from = [
      ...own.filter((file) => written.includes(file)).map((file) => relative(place.root, file)),
      ...(await grammarsOf(own, grammars)),
      ...copiedFrom(name, files, sources, place),
    ];
    const [first] = from;
    if (first === undefined) continue;
    found.push({ name, command, changedFiles: [...new Set(from)] });
    const detail = `the build makes ${name} from ${first}, and was not run for the fix`;
    items.push({ name: first, unit: name, code: "generated-source", detail });
  }
  const next = "ship this fix as a traditional update";
  return {
    units: found,
    refused: items.length > 0 ? [{ refused: "not-patchable", items, next }] : [],
  };
}

async function isAsUnpacked(
  path: string,
  { root, original }: { readonly root: string; readonly original: string },
): Promise<boolean> {
  const [built, unpacked] = [join(root, path), join(original, path)];
  if (!existsSync(built) || !existsSync(unpacked)) return true;
  return (await readFile(built)).equals(await readFile(unpacked));
}

/** Changed sources of the unit's name, where the unit's own is none of the unpacked package. */
function copiedFrom(
  unit: string,
  files: readonly string[],
  sources: readonly ChangedFile[],
  { root, original }: { readonly root: string; readonly original: string },
): readonly string[] {
  if (unit.startsWith("..") || existsSync(join(original, unit))) return [];
  return sources.flatMap(({ path }) =>
    basename(path) === basename(unit) && !files.includes(join(root, path)) ? [path] : [],
  );
}

/** The changed grammars that `#line` directives of the files name. */
async function grammarsOf(
  files: readonly string[],
  grammars: readonly ChangedFile[],
): Promise<readonly string[]> {
  if (grammars.length === 0) return [];
  const names = new Set<string>();
  for (const file of files) {
    const text = await readFile(file, "latin1");
    for (const [, name = ""] of text.matchAll(/^#(?:line)? \d+ "([^"\n]+)"/gm)) {
      names.add(basename(name));
    }
  }
  return grammars.flatMap(({ path }) => (names.has(basename(path)) ? [path] : []));
}
