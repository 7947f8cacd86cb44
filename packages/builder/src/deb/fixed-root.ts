/** A copy of a built tree with a fix. */
import { existsSync } from "node:fs";
import { cp } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { ChangedFile } from "../changed-files.ts";
import { overlayChanges, relocateLinks, restoreLineNumbers } from "../fixed-tree.ts";

/** How trees are copied: times are kept, for make and for whoever compares them. */
export const treeCopyOptions = {
  recursive: true,
  preserveTimestamps: true,
  verbatimSymlinks: true,
} as const;

/** What packages a program but is not compiled into it. */
export const isPackaging = (path: string): boolean => /^(?:debian|\.pc|\.git)$/.test(path);

/**
 * Copies the built tree `root` to `fixedRoot`, with the changed files of `fixedSource` in it,
 * whose unchanged code keeps its line numbers. Objects and packaged files are left out; some
 * packages are compiled in a folder below debian, which is not.
 */
export async function makeFixedRoot(trees: {
  readonly root: string;
  readonly fixedRoot: string;
  readonly fixedSource: string;
  readonly changes: readonly ChangedFile[];
}): Promise<void> {
  const packaging = join(trees.root, "debian");
  const isPackaged = (path: string): boolean =>
    dirname(path) === packaging &&
    (/^(?:tmp|\.debhelper)$/.test(basename(path)) || existsSync(join(path, "DEBIAN")));
  const filter = (path: string): boolean => !isPackaged(path) && !/\.(?:o|lo|a)$/.test(path);
  await cp(trees.root, trees.fixedRoot, { ...treeCopyOptions, filter });
  await relocateLinks(trees.fixedRoot, [trees.root]);
  await overlayChanges(trees, trees.fixedSource);
  await restoreLineNumbers(trees);
}
