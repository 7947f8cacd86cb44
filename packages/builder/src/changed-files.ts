/** Which files differ between two source trees. */
import { createHash } from "node:crypto";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

export interface ChangedFile {
  /** Relative to both trees. */
  readonly path: string;
  readonly change: "changed" | "added" | "removed";
}

/**
 * The regular files and symbolic links that differ in content, sorted by path.
 *
 * `skip` leaves out whole folders and files by their path relative to the trees.
 */
export async function compareTrees(
  before: string,
  after: string,
  skip: (path: string) => boolean,
): Promise<readonly ChangedFile[]> {
  const [beforePaths, afterPaths] = await Promise.all([
    listTree(before, skip),
    listTree(after, skip),
  ]);
  const inAfter = new Set(afterPaths);
  const inBefore = new Set(beforePaths);
  const changes: ChangedFile[] = [];
  for (const path of beforePaths) {
    if (!inAfter.has(path)) changes.push({ path, change: "removed" });
    else if (!(await sameContent(join(before, path), join(after, path)))) {
      changes.push({ path, change: "changed" });
    }
  }
  for (const path of afterPaths) {
    if (!inBefore.has(path)) changes.push({ path, change: "added" });
  }
  return changes.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** A digest of changes and of the content that they have in the tree after. */
export async function digestChanges(
  changes: readonly ChangedFile[],
  after: string,
): Promise<string> {
  const hash = createHash("sha256");
  for (const { path, change } of changes) {
    hash.update(JSON.stringify([path, change]));
    const file = join(after, path);
    if (change === "removed") continue;
    const isLink = (await lstat(file)).isSymbolicLink();
    hash.update(isLink ? await readlink(file) : await readFile(file));
  }
  return hash.digest("hex");
}

/** The paths of all files and links below a folder, relative to it. */
async function listTree(root: string, skip: (path: string) => boolean): Promise<readonly string[]> {
  const paths: string[] = [];
  const folders = [""];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    for (const entry of await readdir(join(root, folder), { withFileTypes: true })) {
      const path = folder === "" ? entry.name : `${folder}/${entry.name}`;
      if (skip(path)) continue;
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile() || entry.isSymbolicLink()) paths.push(path);
    }
  }
  return paths;
}

/** Times say nothing: a patch may be applied in the same tick as its file was copied. */
async function sameContent(before: string, after: string): Promise<boolean> {
  const [was, is] = await Promise.all([lstat(before), lstat(after)]);
  if (was.isSymbolicLink() || is.isSymbolicLink()) {
    if (!(was.isSymbolicLink() && is.isSymbolicLink())) return false;
    return (await readlink(before)) === (await readlink(after));
  }
  if (was.size !== is.size) return false;
  const [wasBytes, isBytes] = await Promise.all([readFile(before), readFile(after)]);
  return wasBytes.equals(isBytes);
}
