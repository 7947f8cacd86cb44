/** What attackers on the tests' channels can do: serve other files, and sign with stolen keys. */
import { randomUUID } from "node:crypto";
import { envelopeBytes, fileMetaOf, type SigningKey, signatureOf } from "../metadata/canonical.ts";
import {
  type ChannelSigned,
  metadataPath,
  type ProductSigned,
  type RootSigned,
  type SnapshotSigned,
  type TimestampSigned,
} from "../metadata/metadata.ts";
import { readRepository } from "../publish/repository.ts";
import { publicOf, start, type TestChannel } from "./channel-fixture.ts";
import type { Fetch } from "./client.ts";

/** A copy of all that the channel serves now, which may be changed and served by `mirrorFetch`. */
export async function copyOf({ files }: TestChannel): Promise<Map<string, Uint8Array>> {
  const copy = new Map<string, Uint8Array>();
  for (const path of await files.list("public")) {
    const bytes = await files.read(path);
    if (bytes !== undefined) copy.set(path.slice("public/".length), bytes);
  }
  return copy;
}

export const mirrorFetch =
  (copy: ReadonlyMap<string, Uint8Array>): Fetch =>
  async (path) =>
    copy.get(path);

/** A client that has seen the channel as it is, and then meets this mirror. */
export async function meet(
  channel: TestChannel,
  copy: ReadonlyMap<string, Uint8Array>,
  { now = start, name = randomUUID() }: { readonly now?: Date; readonly name?: string } = {},
) {
  await channel.client({ name }).update();
  return await channel.client({ name, fetch: mirrorFetch(copy), now }).update();
}

export interface Contents {
  readonly root: RootSigned;
  readonly timestamp: TimestampSigned;
  readonly snapshot: SnapshotSigned;
  readonly channel: ChannelSigned;
  readonly redis: ProductSigned;
}

/** What is published, to make other things of. */
export async function contentsOf({ files }: TestChannel): Promise<Contents> {
  const { published } = await readRepository(files);
  const redis = published?.products.get("redis");
  if (published === undefined || redis === undefined) throw new Error("nothing is published");
  return {
    root: published.root.signed,
    timestamp: published.timestamp.signed,
    snapshot: published.snapshot.signed,
    channel: published.channel.signed,
    redis: redis.signed,
  };
}

/** A metadata file signed by whatever keys are given; nothing about it is checked. */
export const forge = (signed: object, keys: readonly SigningKey[]): Uint8Array =>
  envelopeBytes({ signatures: keys.map((key) => signatureOf(key, signed)), signed });

/** A root that lists these keys for a role; it says the version that it said before. */
export const withRoleKeys = (
  root: RootSigned,
  role: keyof RootSigned["roles"],
  keys: readonly SigningKey[],
  threshold = 1,
): RootSigned => ({
  ...root,
  keys: { ...root.keys, ...Object.fromEntries(keys.map((key) => [key.keyid, publicOf(key)])) },
  roles: { ...root.roles, [role]: { keyids: keys.map(({ keyid }) => keyid), threshold } },
});

export interface Forgery {
  /** By role: the bytes of its new file and their version. */
  readonly roles?: Readonly<
    Record<string, { readonly bytes: Uint8Array; readonly version: number }>
  >;
  readonly snapshot?: Partial<SnapshotSigned>;
  readonly timestamp?: Partial<TimestampSigned>;
  /** Who signs the snapshot and the timestamp; the channel's own online keys, unless given. */
  readonly keys?: {
    readonly snapshot?: readonly SigningKey[];
    readonly timestamp?: readonly SigningKey[];
  };
}

/**
 * A mirror whose owner also stole the online keys: its snapshot and timestamp are signed rightly
 * and lead, one version up, to whatever role files are given.
 */
export async function forgedMirror(
  channel: TestChannel,
  { roles = {}, snapshot, timestamp, keys }: Forgery,
): Promise<Map<string, Uint8Array>> {
  const copy = await copyOf(channel);
  const contents = await contentsOf(channel);
  const metas = Object.entries(roles).map(([role, { bytes, version }]) => {
    copy.set(metadataPath(role, version), bytes);
    return [`${role}.json`, fileMetaOf(bytes, version)] as const;
  });
  const snapshotSigned = {
    ...contents.snapshot,
    version: contents.snapshot.version + 1,
    meta: { ...contents.snapshot.meta, ...Object.fromEntries(metas) },
    ...snapshot,
  };
  const snapshotBytes = forge(snapshotSigned, keys?.snapshot ?? channel.keys.snapshot);
  copy.set(metadataPath("snapshot", snapshotSigned.version), snapshotBytes);
  const timestampSigned = {
    ...contents.timestamp,
    version: contents.timestamp.version + 1,
    meta: { "snapshot.json": fileMetaOf(snapshotBytes, snapshotSigned.version) },
    ...timestamp,
  };
  copy.set(
    "metadata/timestamp.json",
    forge(timestampSigned, keys?.timestamp ?? channel.keys.timestamp),
  );
  return copy;
}
