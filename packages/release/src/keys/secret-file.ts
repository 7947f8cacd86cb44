/** Files with secrets: only their owner may have access to them, and only the owner reads them. */
import { constants } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { dirname } from "node:path";
import { ReleaseError } from "../errors.ts";

export interface SecretFileOptions {
  /** The user who reads: the file has to be its own. */
  readonly userId: number;
  readonly bytesMax: number;
}

/**
 * Reads a key file or passphrase file.
 *
 * Throws ReleaseError `key-file-access` for a file of another user, one that group or others have
 * any access to, a symbolic link, or anything but a regular file.
 */
export async function readSecretFile(
  path: string,
  { userId, bytesMax }: SecretFileOptions,
): Promise<Uint8Array> {
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
  const file = await open(path, flags).catch((error: unknown) => {
    const isLink = error instanceof Error && "code" in error && error.code === "ELOOP";
    if (isLink) throw new ReleaseError("key-file-access", path, "a symbolic link");
    throw error;
  });
  try {
    const { mode, uid, size, ...stat } = await file.stat();
    const access = `mode ${(mode & 0o7777).toString(8)}, user ${uid}`;
    const isRegular = (mode & constants.S_IFMT) === constants.S_IFREG;
    if (!isRegular || stat.nlink !== 1) {
      throw new ReleaseError("key-file-access", path, "not one regular file");
    }
    if ((mode & 0o077) !== 0 || uid !== userId) {
      throw new ReleaseError("key-file-access", path, access);
    }
    if (size > bytesMax) throw new ReleaseError("key-file", path, `${size} bytes`);
    return new Uint8Array(await file.readFile());
  } finally {
    await file.close();
  }
}

/** Writes a new secret file, mode 600, in a folder of mode 700. An existing file is left alone. */
export async function writeSecretFile(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(path, "wx", 0o600).catch((error: unknown) => {
    const isThere = error instanceof Error && "code" in error && error.code === "EEXIST";
    if (isThere) throw new ReleaseError("key-file", path, "it exists; it is not overwritten");
    throw error;
  });
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
