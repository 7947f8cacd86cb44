/** Folders as repositories, as channels to fetch from, and as what a client keeps. */
import { constants } from "node:fs";
import { mkdir, open, readdir, rename, rm, unlink } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import type { ClientStorage, Fetch } from "../client/client.ts";
import { ReleaseError } from "../errors.ts";
import type { RepositoryFiles } from "./repository-files.ts";

/** The longest file of a repository that its publisher reads at once. */
const ownBytesMax = 256 * 1024 * 1024;
const temporarySuffix = ".suture-new";

/** A folder as a repository. Readers never see a half-written file. */
export function folderFiles(folder: string): RepositoryFiles {
  return {
    read: async (path) => await readRegularFile(join(folder, path), ownBytesMax),
    write: async (path, bytes) => await writeAtomically(join(folder, path), bytes, 0o644),
    remove: async (path) => await removeFile(join(folder, path)),
    list: async (path) => await listFiles(folder, path),
  };
}

/** What a client keeps, in a folder of its own that only its user can read. */
export function folderStorage(folder: string): ClientStorage {
  return {
    read: async (name) => await readRegularFile(join(folder, name), ownBytesMax),
    write: async (name, bytes) => await writeAtomically(join(folder, name), bytes, 0o600),
  };
}

/** A channel that is a folder on this machine. Reads regular files only, and never waits. */
export function folderFetch(folder: string): Fetch {
  return async (path, bytesMax) => {
    try {
      return await readRegularFile(join(folder, path), bytesMax);
    } catch (error) {
      if (!isSystemError(error)) throw error;
      throw new ReleaseError("unreachable", path, error.message, { cause: error });
    }
  };
}

/**
 * Reads a file of at most `bytesMax` bytes; `undefined` where there is none.
 *
 * Symbolic links, pipes and devices are refused: whoever may write to the folder must not make a
 * more powerful reader open something else, or wait for ever.
 */
async function readRegularFile(path: string, bytesMax: number): Promise<Uint8Array | undefined> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((error: unknown) => {
    if (isSystemError(error) && (error.code === "ENOENT" || error.code === "ENOTDIR")) return;
    throw error;
  });
  if (file === undefined) return undefined;
  try {
    const { size } = await file.stat().then((stat) => {
      if (!stat.isFile()) throw new ReleaseError("unreachable", path, "not a regular file");
      return stat;
    });
    if (size > bytesMax) {
      throw new ReleaseError("metadata-too-large", path, `${size} bytes, at most ${bytesMax}`);
    }
    // One byte more than allowed, for a file that grows while it is read.
    const buffer = Buffer.alloc(Math.min(size, bytesMax) + 1);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, length);
      length += bytesRead;
      if (bytesRead === 0 || length === buffer.length) break;
    }
    if (length > size) throw new ReleaseError("unreachable", path, "it grew while it was read");
    return new Uint8Array(buffer.subarray(0, length));
  } finally {
    await file.close();
  }
}

/** Writes beside the file, makes it durable, and puts it in place in one step. */
export async function writeAtomically(
  path: string,
  bytes: Uint8Array,
  mode: number,
): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true });
  const temporary = `${path}${temporarySuffix}`;
  try {
    const file = await open(temporary, "w", mode);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    // On a full disk, half a file would take the room that is missing.
    await rm(temporary, { force: true });
    throw error;
  }
  const directory = await open(folder, "r");
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

async function removeFile(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (isSystemError(error) && error.code === "ENOENT") return;
    throw error;
  });
}

async function listFiles(folder: string, path: string): Promise<string[]> {
  const options = { recursive: true, withFileTypes: true } as const;
  const entries = await readdir(join(folder, path), options).catch((error: unknown) => {
    if (isSystemError(error) && error.code === "ENOENT") return [];
    throw error;
  });
  return entries
    .filter((entry) => entry.isFile() && !entry.name.endsWith(temporarySuffix))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .map((name) => name.split(sep).join("/"))
    .sort();
}

const isSystemError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && "code" in error && "syscall" in error;
