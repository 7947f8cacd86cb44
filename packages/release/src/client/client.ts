/**
 * The client of a release channel: brings its trusted metadata up to date, and hands out a catalog
 * and the verified bytes of single targets.
 *
 * It follows section 5 of the TUF specification. Each file is kept as soon as it is trusted, in
 * one atomic write, root first; so a client that is killed anywhere goes on from the last file it
 * trusted. It keeps nothing that did not pass.
 *
 * Two things go beyond the text of the specification. A kept timestamp and snapshot count only
 * while both are signed by keys that the root names now: that is its recovery from a fast-forward
 * (5.3.11), and needs no memory of what was to be deleted when. And a product whose metadata is
 * wrong or expired is left out of the catalog with its reason, while the others stay.
 */
import assert from "node:assert/strict";
import { ReleaseError } from "../errors.ts";
import { CLIENT_LIMITS, type ClientLimits } from "../limits.ts";
import { sha256Of } from "../metadata/canonical.ts";
import { momentText } from "../metadata/fields.ts";
import {
  type ChannelSigned,
  type FileMeta,
  metadataPath,
  type ProductSigned,
  type SnapshotSigned,
  targetPath,
} from "../metadata/metadata.ts";
import { buildCatalog, type Catalog, type CatalogProduct, type QualityUpdate } from "./catalog.ts";
import { type TrustedMetadata, trustRoot } from "./trusted-metadata.ts";

/** Where a client keeps what it trusts. Names are `root.json`, `product.redis.json` and such. */
export interface ClientStorage {
  readonly read: (name: string) => Promise<Uint8Array | undefined>;
  /** Atomic and durable: after a crash there is the old content or the new. */
  readonly write: (name: string, bytes: Uint8Array) => Promise<void>;
}

/**
 * Reads one file of the channel: `metadata/timestamp.json`, `targets/redis/2026-10/…`.
 *
 * Gives at most `bytesMax` bytes, `undefined` where there is no such file, and throws ReleaseError
 * `unreachable` or `metadata-too-large` otherwise.
 */
export type Fetch = (path: string, bytesMax: number) => Promise<Uint8Array | undefined>;

export interface ReleaseClientOptions {
  /** The root pinned at enrolment, the only thing that is trusted without a signature. */
  readonly root: Uint8Array;
  readonly storage: ClientStorage;
  readonly fetch: Fetch;
  readonly now: () => Date;
  readonly limits?: Partial<ClientLimits>;
}

export interface ReleaseClient {
  /** Verifies the whole channel as it is now. One at a time. Throws ReleaseError. */
  readonly update: () => Promise<Catalog>;
  /** The bytes of a target of the catalog of the last update. Throws ReleaseError. */
  readonly download: (target: string) => Promise<Uint8Array>;
}

/** A client on its storage. Reads and fetches nothing before it is asked to. */
export function openReleaseClient(options: ReleaseClientOptions): ReleaseClient {
  const limits = { ...CLIENT_LIMITS, ...options.limits };
  const parts = { ...options, limits };
  let catalog: Catalog | undefined;
  let isUpdating = false;
  return {
    async update() {
      assert(!isUpdating, "one update at a time");
      isUpdating = true;
      try {
        catalog = undefined;
        catalog = await updateCatalog(parts);
        return catalog;
      } finally {
        isUpdating = false;
      }
    },
    async download(target) {
      assert(catalog !== undefined, "a successful update comes before a download");
      return await downloadTarget(parts, updateNamed(catalog, target, options.now()));
    },
  };
}

interface Parts extends ReleaseClientOptions {
  readonly limits: ClientLimits;
}

async function updateCatalog(parts: Parts): Promise<Catalog> {
  // 5.1: one moment for the whole update.
  const now = parts.now();
  // 5.2: the root that is trusted already.
  const trusted = await beginTrust(parts, now);
  // 5.3: every newer root, one after the other.
  await updateRoot(parts, trusted);
  // 5.4 and 5.5: the timestamp, and the snapshot that it signs for.
  const keptSnapshot = await keptSnapshotOf(parts, trusted);
  await updateTimestamp(parts, trusted, keptSnapshot);
  const snapshot = await updateSnapshot(parts, trusted, keptSnapshot);
  // 5.6: the targets, then each product that they delegate to.
  const channel = await updateChannel(parts, trusted, snapshot);
  const products = [];
  for (const { name } of channel.delegations.roles) {
    products.push(await updateProduct(parts, trusted, { snapshot, name }));
  }
  const root = trusted.root();
  const timestamp = trusted.timestamp();
  return buildCatalog({
    versions: {
      root: root.version,
      timestamp: timestamp.version,
      snapshot: snapshot.version,
      targets: channel.version,
    },
    expires: [root.expires, timestamp.expires, snapshot.expires, channel.expires],
    channel,
    products,
  });
}

/** From the kept root, unless it is gone, damaged, or older than the one that was pinned since. */
async function beginTrust({ root, storage, limits }: Parts, now: Date): Promise<TrustedMetadata> {
  const pinned = trustRoot(root, { now, limits });
  const bytes = await storage.read("root.json");
  if (bytes === undefined) return pinned;
  const kept = await acceptable(async () => trustRoot(bytes, { now, limits }));
  return kept !== undefined && kept.root().version >= pinned.root().version ? kept : pinned;
}

async function updateRoot({ fetch, storage, limits }: Parts, trusted: TrustedMetadata) {
  for (let count = 0; count < limits.rootRotationsMax; count += 1) {
    const path = metadataPath("root", trusted.root().version + 1);
    const bytes = await fetch(path, limits.rootBytesMax);
    if (bytes === undefined) return;
    trusted.updateRoot(bytes);
    await storage.write("root.json", bytes);
  }
}

/** The kept snapshot, where the keys of today's root have signed it. */
async function keptSnapshotOf(
  { storage }: Parts,
  trusted: TrustedMetadata,
): Promise<Uint8Array | "none" | "of-other-keys"> {
  const bytes = await storage.read("snapshot.json");
  if (bytes === undefined) return "none";
  const isTrusted = await acceptable(async () => trusted.isSnapshotOfRoot(bytes));
  return isTrusted === true ? bytes : "of-other-keys";
}

async function updateTimestamp(
  { fetch, storage, limits }: Parts,
  trusted: TrustedMetadata,
  keptSnapshot: Uint8Array | "none" | "of-other-keys",
): Promise<void> {
  const kept = await storage.read("timestamp.json");
  if (kept !== undefined && keptSnapshot !== "of-other-keys") {
    await acceptable(async () => trusted.updateTimestamp(kept));
  }
  const path = metadataPath("timestamp", 0);
  const bytes = await required(fetch, path, limits.timestampBytesMax);
  if (trusted.updateTimestamp(bytes) !== undefined) await storage.write("timestamp.json", bytes);
}

async function updateSnapshot(
  parts: Parts,
  trusted: TrustedMetadata,
  kept: Uint8Array | "none" | "of-other-keys",
): Promise<SnapshotSigned> {
  if (typeof kept !== "string") {
    const snapshot = await acceptable(async () => trusted.updateSnapshot(kept, "own"));
    if (snapshot !== undefined) return snapshot;
  }
  const meta = trusted.timestamp().meta["snapshot.json"];
  const bytes = await fetchMetadata(parts, {
    role: "snapshot",
    meta,
    bytesMax: parts.limits.snapshotBytesMax,
  });
  const snapshot = trusted.updateSnapshot(bytes, "channel");
  await parts.storage.write("snapshot.json", bytes);
  return snapshot;
}

async function updateChannel(
  parts: Parts,
  trusted: TrustedMetadata,
  { meta }: SnapshotSigned,
): Promise<ChannelSigned> {
  const file = meta["targets.json"];
  assert(file !== undefined, "the parser of snapshots asks for targets.json");
  return await updateTargets(parts, { role: "targets", file, kept: "targets.json" }, (bytes) =>
    trusted.updateChannel(bytes),
  );
}

async function updateProduct(
  parts: Parts,
  trusted: TrustedMetadata,
  { snapshot, name }: { readonly snapshot: SnapshotSigned; readonly name: string },
): Promise<CatalogProduct & { readonly signed?: ProductSigned }> {
  try {
    const file = snapshot.meta[`${name}.json`];
    if (file === undefined) {
      throw new ReleaseError("file-missing", `${name}.json`, "the snapshot does not list it");
    }
    const place = { role: name, file, kept: `product.${name}.json` };
    const signed = await updateTargets(parts, place, (bytes) => trusted.updateProduct(bytes, name));
    return { name, signed };
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    return { name, problem: { reason: error.code, detail: error.message } };
  }
}

/** The kept file where it is still the one signed for, else the channel's. */
async function updateTargets<Signed>(
  parts: Parts,
  place: { readonly role: string; readonly file: FileMeta; readonly kept: string },
  take: (bytes: Uint8Array) => Signed,
): Promise<Signed> {
  const kept = await parts.storage.read(place.kept);
  if (kept !== undefined && sha256Of(kept) === place.file.hashes.sha256) return take(kept);
  const bytes = await fetchMetadata(parts, {
    role: place.role,
    meta: place.file,
    bytesMax: parts.limits.targetsBytesMax,
  });
  const signed = take(bytes);
  await parts.storage.write(place.kept, bytes);
  return signed;
}

/** A metadata file whose length is signed for: not a byte more is read. */
async function fetchMetadata(
  { fetch }: Parts,
  file: { readonly role: string; readonly meta: FileMeta; readonly bytesMax: number },
): Promise<Uint8Array> {
  const { role, meta, bytesMax } = file;
  const path = metadataPath(role, meta.version);
  if (meta.length > bytesMax) {
    throw new ReleaseError("metadata-too-large", path, `${meta.length} bytes are signed for`);
  }
  return await required(fetch, path, meta.length);
}

async function required(fetch: Fetch, path: string, bytesMax: number): Promise<Uint8Array> {
  const bytes = await fetch(path, bytesMax);
  if (bytes === undefined) throw new ReleaseError("file-missing", path, "no such file");
  // A fetch that gives more than it was asked for is not believed either.
  if (bytes.length > bytesMax) {
    throw new ReleaseError("metadata-too-large", path, `more than ${bytesMax} bytes`);
  }
  return bytes;
}

/** The update of that name, while the catalog is valid. Throws ReleaseError. */
function updateNamed(catalog: Catalog, target: string, now: Date): QualityUpdate {
  if (momentText(now) >= catalog.expires) {
    throw new ReleaseError("expired", "catalog", `valid until ${catalog.expires}`);
  }
  const update = catalog.updates.find((candidate) => candidate.target === target);
  if (update === undefined) throw new ReleaseError("target-unknown", target, "not in the catalog");
  if (update.withdrawn !== undefined) {
    const { date, reason } = update.withdrawn;
    throw new ReleaseError("target-withdrawn", target, `${date}: ${reason}`);
  }
  return update;
}

async function downloadTarget(
  { fetch, limits }: Parts,
  { target, length, sha256 }: QualityUpdate,
): Promise<Uint8Array> {
  if (length > limits.downloadBytesMax) {
    throw new ReleaseError("wrong-content", target, `${length} bytes are too many to download`);
  }
  const bytes = await required(fetch, targetPath(target, sha256), length);
  if (bytes.length !== length) {
    throw new ReleaseError("wrong-content", target, `${bytes.length} bytes, not ${length}`);
  }
  const digest = sha256Of(bytes);
  if (digest !== sha256) throw new ReleaseError("wrong-content", target, `SHA-256 ${digest}`);
  return bytes;
}

/** Undefined for what was kept and is of no use any more; it is fetched anew. */
async function acceptable<Value>(act: () => Promise<Value>): Promise<Value | undefined> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof ReleaseError) return undefined;
    throw error;
  }
}
