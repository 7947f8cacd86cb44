/**
 * The release channel as the executor sees it: a folder that the network half fills, and a client
 * of its own that believes nothing in it.
 *
 * What was verified once stays until it expires, whatever the folder holds later. After a restart
 * the client's own kept files are enough: the network half can withhold what is new, and cannot
 * take back what was there.
 */
import { join } from "node:path";
import {
  type Catalog,
  type ClientStorage,
  type Fetch,
  folderFetch,
  folderStorage,
  openReleaseClient,
  RELEASE_PROBLEMS,
  type ReleaseClient,
  ReleaseError,
} from "@suture/release";
import { printable } from "../fields.ts";
import type { ChannelState } from "../messages.ts";

export interface Channel {
  /** Verifies what the folder holds now. Never rejects for what it holds: the state tells. */
  readonly update: () => Promise<ChannelState>;
  readonly state: () => ChannelState;
  /** What was verified last, until it expires. */
  readonly catalog: () => Catalog | undefined;
  /** The same, also when it has expired: to know what things are, and not to begin anything. */
  readonly lastCatalog: () => Catalog | undefined;
  /** Verified bytes of a target of the catalog. Throws ReleaseError. */
  readonly download: (target: string) => Promise<Uint8Array>;
}

export interface ChannelOptions {
  /** The pinned root; without it nothing is ever verified. */
  readonly root: Uint8Array | undefined;
  readonly spool: string;
  /** Where the client keeps what it trusts. */
  readonly folder: string;
  readonly now: () => Date;
}

/** Reads nothing before the first update. */
export function openChannel({ root, spool, folder, now }: ChannelOptions): Channel {
  const storage = folderStorage(join(folder, "trusted"));
  const clientOn = (fetch: Fetch): ReleaseClient | undefined =>
    root === undefined ? undefined : openReleaseClient({ root, storage, fetch, now });
  const ofSpool = clientOn(folderFetch(spool));
  const ofKept = clientOn(keptFetch(storage, spool));
  let catalog: Catalog | undefined;
  let downloader: ReleaseClient | undefined;
  let state: ChannelState = {};
  const take = async (client: ReleaseClient): Promise<void> => {
    catalog = await client.update();
    downloader = client;
    const { versions, expires } = catalog;
    state = { versions, verifiedAt: now().toISOString(), expires };
  };
  return {
    update: async () => {
      if (ofSpool === undefined || ofKept === undefined) {
        const detail = "no root of the channel is pinned on this device";
        state = { problem: { code: "channel-missing", detail } };
        return state;
      }
      try {
        await take(ofSpool);
      } catch (error) {
        const problem = problemOf(error);
        if (catalog === undefined) await acceptKept(() => take(ofKept));
        state = { ...state, problem };
      }
      return state;
    },
    state: () => state,
    lastCatalog: () => catalog,
    catalog: () => (catalog === undefined || isExpired(catalog, now()) ? undefined : catalog),
    download: async (target) => {
      if (downloader === undefined) {
        throw new ReleaseError("target-unknown", target, "no channel was verified yet");
      }
      return await downloader.download(target);
    },
  };
}

const isExpired = ({ expires }: Catalog, now: Date): boolean => now >= new Date(expires);

/** Kept metadata instead of the folder's; targets, which carry their own digests, from the folder. */
function keptFetch(storage: ClientStorage, spool: string): Fetch {
  const fetch = folderFetch(spool);
  return async (path, bytesMax) => {
    if (path.startsWith("targets/")) return await fetch(path, bytesMax);
    return path === "metadata/timestamp.json" ? await storage.read("timestamp.json") : undefined;
  };
}

async function acceptKept(take: () => Promise<void>): Promise<void> {
  try {
    await take();
  } catch (error) {
    // Nothing was kept, or it has expired: then there is no catalog.
    if (!(error instanceof ReleaseError)) throw error;
  }
}

export function problemOf(error: unknown): { code: string; detail: string } {
  if (!(error instanceof ReleaseError)) throw error;
  return { code: error.code, detail: printable(error.message) };
}

export const nextOfProblem = (code: string): string =>
  Object.hasOwn(RELEASE_PROBLEMS, code)
    ? RELEASE_PROBLEMS[code as keyof typeof RELEASE_PROBLEMS].next
    : "look at: suture readiness";
