/** Where files of this machine stand for a process that runs in a build root, or in none. */
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";

export interface Placement {
  /** A folder of the process's own, as this machine sees it. */
  readonly folder: string;
  /** The same, as the process sees it. */
  readonly ownFolder: string;
  /** A file, as the process sees it; one that lies outside of the root is copied into it. */
  readonly place: (path: string) => string;
  /** A copy of a file, as the process sees it: without setuid bits, owned by us. */
  readonly copy: (path: string) => string;
  /** Folders, as the process sees them; those outside of the root are mounted into it. */
  readonly placeFolders: (paths: readonly string[]) => readonly string[];
  /** The words before a command that lead into the root; empty where there is none. */
  readonly entrance: () => readonly string[];
  readonly remove: () => void;
}

const FOLDER_NAME = "suture-verify-";
const READ_EXECUTE = 0o755;

/** Prepares a folder for one process. `remove` takes it away with everything in it. */
export function createPlacement(root?: string): Placement {
  return root === undefined ? placeOnMachine() : placeInRoot(realpathSync(root));
}

function placeOnMachine(): Placement {
  const folder = mkdtempSync(join(tmpdir(), FOLDER_NAME));
  return {
    folder,
    ownFolder: folder,
    place: (path) => realpathSync(path),
    copy: (path) => copyInto(folder, path),
    placeFolders: (paths) => paths,
    entrance: () => [],
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function placeInRoot(root: string): Placement {
  mkdirSync(join(root, "tmp"), { recursive: true });
  const folder = mkdtempSync(join(root, "tmp", FOLDER_NAME));
  const inside = (path: string): string => path.slice(root === "/" ? 0 : root.length);
  const isInside = (path: string): boolean => path.startsWith(`${root}/`) || path === root;
  const mounts: string[] = [];
  return {
    folder,
    ownFolder: inside(folder),
    place: (path) => {
      const real = realpathSync(path);
      return isInside(real) ? inside(real) : inside(copyInto(folder, real));
    },
    copy: (path) => inside(copyInto(folder, path)),
    placeFolders: (paths) =>
      paths.map((path) => {
        const real = realpathSync(path);
        if (isInside(real)) return inside(real) || "/";
        const point = mkdtempSync(join(folder, "libraries-"));
        mounts.push(real, point);
        return inside(point);
      }),
    entrance: () => [
      ...["unshare", "--mount", "--propagation", "private", "sh", "-c", ENTER, root],
      ...[String(mounts.length / 2), ...mounts],
    ],
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Mounts pairs of folders, then becomes the rest of its arguments within the root. */
const ENTER = `count=$1; shift
while [ "$count" -gt 0 ]; do
  mount --bind "$1" "$2" || exit 125
  shift 2; count=$((count - 1))
done
exec chroot "$0" "$@"`;

/** Copies of files keep their name; two of one name lie in folders of their own. */
function copyInto(folder: string, path: string): string {
  const name = basename(path);
  const taken = existsSync(join(folder, name));
  const copy = join(taken ? mkdtempSync(join(folder, "copy-")) : folder, name);
  copyFileSync(path, copy, constants.COPYFILE_FICLONE);
  chmodSync(copy, READ_EXECUTE);
  return copy;
}

/** Whether the kernel would run the file as somebody else, who ignores what is preloaded. */
export function isSetuid(path: string): boolean {
  const { mode } = statSync(path);
  return (mode & ~READ_EXECUTE & 0o6000) !== 0;
}
