/**
 * Sources that a build compiles from copies.
 *
 * Some packages copy their sources to where they build (nginx: all of src/ to
 * debian/build-bin/src/), so that what is compiled is not what a fix changes. Once the tree is
 * built, such copies become links to what they are copies of. A fix that is put into the original
 * is then in both, for make as for whoever asks which units contain a changed file; and the
 * compiler, which looks for headers beside the name that it was given, sees no difference.
 */
import { lstat, readFile, rm, symlink } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import type { UnitDependencies } from "../changed-units.ts";
import { isBelow } from "./build-dependencies.ts";

/**
 * Replaces the files of units that are copies by links, and gives the units with the originals.
 *
 * A copy is a regular file below `root` that the unpacked source in `tree` does not have, while it
 * has one with the same bytes whose path is the end of the copy's: the longest such path counts.
 */
export async function linkCopies(
  units: readonly UnitDependencies[],
  { root, tree }: { readonly root: string; readonly tree: string },
): Promise<readonly UnitDependencies[]> {
  const originals = new Map<string, string>();
  for (const file of new Set(units.flatMap(({ files }) => files))) {
    const original = await originalOf(file, { root, tree });
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

async function originalOf(
  file: string,
  { root, tree }: { readonly root: string; readonly tree: string },
): Promise<string | undefined> {
  if (!isBelow(file, root)) return undefined;
  const parts = relative(root, file).split(sep);
  if (await isFile(join(tree, ...parts))) return undefined;
  for (let start = 1; start < parts.length; start += 1) {
    const path = join(...parts.slice(start));
    if (!(await isFile(join(tree, path))) || !(await isFile(join(root, path)))) continue;
    const [copy, original] = await Promise.all([readFile(file), readFile(join(root, path))]);
    return copy.equals(original) ? join(root, path) : undefined;
  }
  return undefined;
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
