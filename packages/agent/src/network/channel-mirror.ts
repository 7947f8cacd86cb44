/**
 * Copies the channel into the spool, from which the executor reads.
 *
 * The files go through a release client of the network half's own, so that a server which lies is
 * noticed before its files reach the disk; the executor verifies everything again and does not
 * rely on that. What was fetched is written only when the whole update was good, the timestamp
 * last, and only then does the client keep what it trusts: a network half that is killed anywhere
 * leaves a spool that has whatever its client believes it has.
 */
import { createHash } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import {
  type Catalog,
  type ClientStorage,
  folderFetch,
  folderFiles,
  folderStorage,
  type HttpRequest,
  httpFetch,
  mirroringFetch,
  openReleaseClient,
  type QualityUpdate,
  ReleaseError,
} from "@suture/release";
import { isDiskFull, NetworkError } from "./errors.ts";
import { downloadTimeoutMs } from "./limits.ts";
import { pruneSpool, spoolPath } from "./prune-spool.ts";

export interface ChannelMirrorOptions {
  /** A folder, or an http or https address. */
  readonly channel: string;
  readonly root: Uint8Array;
  readonly spool: string;
  /** The network half's folder, for what its release client keeps. */
  readonly folder: string;
  readonly fetch: HttpRequest;
  readonly now: () => Date;
  readonly faultPoint: (name: string) => void;
}

/** Which targets are to be in the spool, of a verified catalog. */
export type WantedTargets = (catalog: Catalog) => readonly QualityUpdate[];

export interface ChannelMirror {
  /**
   * Brings the spool up to date, and fetches the targets that are wanted and not there.
   *
   * Throws ReleaseError, and NetworkError `disk-full`; what was in the spool is there still.
   */
  readonly refresh: (wanted: WantedTargets) => Promise<{ readonly changed: boolean }>;
  /** Forgets what the client keeps, so that the next refresh fetches everything again. */
  readonly forget: () => Promise<void>;
}

export function openChannelMirror(options: ChannelMirrorOptions): ChannelMirror {
  const trustFolder = join(options.folder, "release");
  return {
    forget: async () => await rm(trustFolder, { recursive: true, force: true }),
    async refresh(wanted) {
      try {
        return await refresh(options, trustFolder, wanted);
      } catch (error) {
        if (!isDiskFull(error)) throw error;
        throw new NetworkError("disk-full", options.spool, { cause: error });
      }
    },
  };
}

async function refresh(
  { channel, root, spool, fetch, now, faultPoint }: ChannelMirrorOptions,
  trustFolder: string,
  wanted: WantedTargets,
): Promise<{ changed: boolean }> {
  const files = folderFiles(spool);
  const source = channel.startsWith("/")
    ? folderFetch(channel)
    : httpFetch({ baseUrl: channel, timeoutMs: downloadTimeoutMs, fetch });
  const metadata = new Map<string, Uint8Array>();
  const keepMetadata = async (path: string, bytes: Uint8Array): Promise<void> => {
    if (path.startsWith("metadata/")) metadata.set(path, bytes);
  };
  const trusted = bufferedStorage(folderStorage(trustFolder));
  const client = openReleaseClient({
    root,
    now,
    storage: trusted.storage,
    fetch: mirroringFetch(source, { write: keepMetadata }),
  });
  const catalog = await client.update();
  let changed = false;
  for (const [path, bytes] of timestampLast(metadata)) {
    if (await isSame(files, path, bytes)) continue;
    await files.write(path, bytes);
    changed = true;
    faultPoint(`spooled ${path.replace(/[0-9]+\./, "")}`);
  }
  await trusted.flush();
  faultPoint("channel-trusted");
  const updates = wanted(catalog);
  for (const update of updates) {
    const path = spoolPath(update);
    if (await hasTarget(spool, path, update)) continue;
    await files.write(path, await client.download(update.target));
    changed = true;
    faultPoint("spooled target");
  }
  await pruneSpool({ files, spool, offered: catalog.updates, wanted: updates });
  return { changed };
}

const timestampPath = "metadata/timestamp.json";

const timestampLast = (files: ReadonlyMap<string, Uint8Array>): [string, Uint8Array][] =>
  [...files].sort(([a], [b]) => Number(a === timestampPath) - Number(b === timestampPath));

async function isSame(
  files: ReturnType<typeof folderFiles>,
  path: string,
  bytes: Uint8Array,
): Promise<boolean> {
  const kept = await files.read(path).catch(unreadable);
  return kept !== undefined && Buffer.compare(kept, bytes) === 0;
}

async function hasTarget(
  spool: string,
  path: string,
  { length, sha256 }: QualityUpdate,
): Promise<boolean> {
  const bytes = await folderFetch(spool)(path, length).catch(unreadable);
  return bytes !== undefined && createHash("sha256").update(bytes).digest("hex") === sha256;
}

/** What cannot be read is written anew. */
function unreadable(error: unknown): undefined {
  if (error instanceof ReleaseError) return undefined;
  throw error;
}

/** Keeps in memory what the client writes, until all of it may be kept. */
function bufferedStorage(storage: ClientStorage): {
  readonly storage: ClientStorage;
  readonly flush: () => Promise<void>;
} {
  const written = new Map<string, Uint8Array>();
  return {
    storage: {
      read: async (name) => written.get(name) ?? (await storage.read(name)),
      write: async (name, bytes) => void written.set(name, bytes),
    },
    // In the order of writing: root first, as the client means it.
    flush: async () => {
      for (const [name, bytes] of written) await storage.write(name, bytes);
      written.clear();
    },
  };
}
