/** The copy of the tree that holds the fix. */
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import type { ChangedFile } from "./changed-files.ts";
import { keepLineNumbers } from "./line-directives.ts";

export interface FixedTree {
  readonly root: string;
  readonly fixedRoot: string;
  readonly changes: readonly ChangedFile[];
}

/** Gives the unchanged code of changed C files in the fixed tree their old line numbers. */
export async function restoreLineNumbers({ root, fixedRoot, changes }: FixedTree): Promise<void> {
  for (const { path, change } of changes) {
    if (change !== "changed" || !isCSource(path)) continue;
    const fixedPath = join(fixedRoot, path);
    if ((await lstat(fixedPath)).isSymbolicLink()) continue;
    // Bytes are kept as they are: C sources come in every encoding.
    const [before, after] = await Promise.all(
      [join(root, path), fixedPath].map((file) => readFile(file, "latin1")),
    );
    await writeFile(fixedPath, keepLineNumbers(before ?? "", after ?? ""), "latin1");
  }
}

/**
 * Makes absolute links below `folder` relative that lead into one of `trees`, which it is a copy
 * of: a build may compile links, and those of a copy must lead to the copy's own sources.
 */
export async function relocateLinks(folder: string, trees: readonly string[]): Promise<void> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isSymbolicLink()) continue;
    const link = join(entry.parentPath, entry.name);
    const target = await readlink(link);
    const tree = trees.find((path) => target.startsWith(`${path}/`));
    if (tree === undefined) continue;
    const own = join(folder, target.slice(tree.length));
    await rm(link);
    await symlink(relative(dirname(link), own), link);
  }
}

/** Makes the changed files of `fixedRoot` those of another tree, whose files they are. */
export async function overlayChanges(tree: FixedTree, from: string): Promise<void> {
  for (const { path, change } of tree.changes) {
    const target = join(tree.fixedRoot, path);
    await rm(target, { force: true });
    if (change === "removed") continue;
    const source = join(from, path);
    await mkdir(dirname(target), { recursive: true });
    if ((await lstat(source)).isSymbolicLink()) await symlink(await readlink(source), target);
    else {
      await copyFile(source, target);
      await chmod(target, 0o644);
    }
  }
}

const isCSource = (path: string): boolean => /\.(?:c|h|inc|def|tbl|inl|hh?|cc|cpp)$/.test(path);
