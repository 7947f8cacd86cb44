/** A copy of a channel for a reader that has no network of its own. */
import type { Fetch } from "../client/client.ts";
import type { RepositoryFiles } from "./repository-files.ts";

/**
 * Fetches, and keeps each file that came below the same path.
 *
 * Whoever reads the copy with `folderFetch` verifies everything again: what fills it need not be
 * trusted. Nothing is removed, so every root stays for readers that begin with an old one.
 */
export const mirroringFetch =
  (fetch: Fetch, files: Pick<RepositoryFiles, "write">): Fetch =>
  async (path, bytesMax) => {
    const bytes = await fetch(path, bytesMax);
    if (bytes !== undefined) await files.write(path, bytes);
    return bytes;
  };
