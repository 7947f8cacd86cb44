/**
 * Sources that a build compiles from copies.
 *
 * Some packages copy their sources to where they build (nginx: all of src/ to
 * debian/build-bin/src/), so that what is compiled is not what a fix changes. Once the tree is
 * built, such copies become links to what they are copies of. A fix that is put into the original
 * is then in both, for make as for whoever asks which units contain a changed file; and the
 * compiler, which looks for headers beside the name that it was given, sees no difference.
 */
import { lstat, readdir, readFile, rm, symlink } from "node:fs/promises";
import { basename, dirname, join, relative, sep } from "node:path";
import type { UnitDependencies } from "../changed-units.ts";
import { isBelow } from "./build-dependencies.ts";

/**
 * Replaces the files of units that are copies by links, and gives the units with the originals.
 *
 * A copy is a regular file below `root` that the unpacked source in `tree` does not have, while it
 * has one of the same name with the same bytes. Of several, the one counts whose path ends in the
 * same folders for the longest; where two are equal in that, none does.
 */
export async function linkCopies(
  units: readonly UnitDependencies[],
  { root, tree }: { readonly root: string; readonly tree: string },
): Promise<readonly UnitDependencies[]> {
  const names = await namesInTree(tree);
  const originals = new Map<string, string>();
  for (const file of new Set(units.flatMap(({ files }) => files))) {
    const original = await originalOf(file, { root, tree, names });
    if (original === undefined) continue;
    originals.set(file, original);
    await rm(file);
    await symlink(relative(dirname(file), original), file);
  }
  return units.map(({ command, files }) => {
    const real = files.map((file) => originals.get(file) ?? file);
    return { command, files: [...new Set(real)].sort() };
  });
}

/** Paths of the regular files, relative to the tree, by their last part. */
async function namesInTree(tree: string): Promise<ReadonlyMap<string, readonly string[]>> {
  const names = new Map<string, string[]>();
  for (const entry of await readdir(tree, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = relative(tree, join(entry.parentPath, entry.name));
    if (/^\.(?:pc|git)\//.test(path)) continue; // What patches changed, as it was before them.
    const known = names.get(entry.name);
    if (known === undefined) names.set(entry.name, [path]);
    else known.push(path);
  }
  return names;
}

async function originalOf(
  file: string,
  place: {
    readonly root: string;
    readonly tree: string;
    readonly names: ReadonlyMap<string, readonly string[]>;
  },
): Promise<string | undefined> {
  const { root, tree, names } = place;
  if (!isBelow(file, root)) return undefined;
  const path = relative(root, file);
  if (await isFile(join(tree, path))) return undefined;
  const copy = await readFile(file);
  let best = 0;
  let found: string[] = [];
  for (const candidate of names.get(basename(path)) ?? []) {
    const shared = sharedEnd(path, candidate);
    if (shared < best || !(await isFile(join(root, candidate)))) continue;
    if (!copy.equals(await readFile(join(root, candidate)))) continue;
    found = shared === best ? [...found, candidate] : [candidate];
    best = shared;
  }
  const [original] = found;
  return found.length === 1 && original !== undefined ? join(root, original) : undefined;
}

/** How many parts at their ends two paths have in common. */
function sharedEnd(one: string, other: string): number {
  const parts = one.split(sep).toReversed();
  const others = other.split(sep).toReversed();
  const first = parts.findIndex((part, index) => part !== others[index]);
  return first < 0 ? parts.length : first;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await lstat(path)).isFile();
  } catch (error) {
    if (error instanceof Error && "code" in error && /^ENO(?:ENT|TDIR)$/.test(String(error.code))) {
      return false;
    }
    throw error;
  }
}
