/** Keeps the spool from growing: nothing that may still be read goes. */
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { QualityUpdate, RepositoryFiles } from "@suture/release";
import { spoolBytesMax, spoolVersionsMax } from "./limits.ts";

export interface PruneRequest {
  readonly files: RepositoryFiles;
  readonly spool: string;
  /** All of the catalog. */
  readonly offered: readonly QualityUpdate[];
  readonly wanted: readonly QualityUpdate[];
}

/** As in the channel: with consistent snapshots, the digest is part of the name. */
export function spoolPath({ target, sha256 }: Pick<QualityUpdate, "target" | "sha256">): string {
  const slash = target.lastIndexOf("/");
  return `targets/${target.slice(0, slash)}/${sha256}.${target.slice(slash + 1)}`;
}

/**
 * Removes targets that the catalog does not have any more, or that are not wanted where the spool
 * is too large; and of each metadata file all but the versions that were written last. Roots stay:
 * a reader may begin with the first.
 */
export async function pruneSpool(request: PruneRequest): Promise<void> {
  await pruneTargets(request);
  await pruneMetadata(request);
}

async function pruneTargets({ files, offered, wanted }: PruneRequest): Promise<void> {
  const lengths = new Map(offered.map((update) => [spoolPath(update), update.length]));
  const kept = new Set(wanted.map(spoolPath));
  let bytes = 0;
  for (const path of kept) bytes += lengths.get(path) ?? 0;
  for (const path of await files.list("targets")) {
    if (kept.has(path)) continue;
    const length = lengths.get(path);
    if (length !== undefined && bytes + length <= spoolBytesMax) bytes += length;
    else await files.remove(path);
  }
}

async function pruneMetadata({ files, spool }: PruneRequest): Promise<void> {
  const versions = new Map<string, string[]>();
  for (const path of await files.list("metadata")) {
    const role = /^metadata\/[0-9]+\.(.+)\.json$/.exec(path)?.[1];
    if (role === undefined || role === "root") continue;
    versions.set(role, [...(versions.get(role) ?? []), path]);
  }
  for (const paths of versions.values()) {
    if (paths.length <= spoolVersionsMax) continue;
    const written = await Promise.all(
      paths.map(async (path) => ({ path, at: (await stat(join(spool, path))).mtimeMs })),
    );
    written.sort((a, b) => b.at - a.at);
    for (const { path } of written.slice(spoolVersionsMax)) await rm(join(spool, path));
  }
}
