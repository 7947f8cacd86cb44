/** A channel for tests: a real folder, real keys, one product, and a clock that stands. */
import { createPrivateKey, createPublicKey, randomBytes, sign } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { ReleaseError } from "../errors.ts";
import { folderFetch, folderFiles, folderStorage } from "../files/folder.ts";
import type { RepositoryFiles } from "../files/repository-files.ts";
import type { ClientLimits } from "../limits.ts";
import { keyIdOf, type SigningKey, sha256Of } from "../metadata/canonical.ts";
import type { PublicKey } from "../metadata/metadata.ts";
import type { UpdateEntry } from "../metadata/update-entry.ts";
import { addProduct, addTarget } from "../publish/add.ts";
import { createRepository } from "../publish/create.ts";
import { publish } from "../publish/publish.ts";
import { signMetadata } from "../publish/sign.ts";
import { type Fetch, openReleaseClient, type ReleaseClient } from "./client.ts";

/** A key that lies in memory. Real ones: keys/key-file.ts. */
export function testKey(): SigningKey {
  const seed = randomBytes(32);
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  const key = createPrivateKey({
    key: Buffer.concat([prefix, seed]),
    format: "der",
    type: "pkcs8",
  });
  const der = createPublicKey(key).export({ format: "der", type: "spki" });
  const publicKey: PublicKey = {
    keytype: "ed25519",
    scheme: "ed25519",
    keyval: { public: der.subarray(-32).toString("hex") },
  };
  return { keyid: keyIdOf(publicKey), publicKey, sign: (bytes) => sign(null, bytes, key) };
}

export interface TestKeys {
  readonly root: readonly SigningKey[];
  readonly targets: readonly SigningKey[];
  readonly redis: readonly SigningKey[];
  readonly snapshot: readonly SigningKey[];
  readonly timestamp: readonly SigningKey[];
}

export interface TestChannel {
  readonly folder: string;
  readonly files: RepositoryFiles;
  readonly keys: TestKeys;
  /** Those of snapshot and timestamp, which a publication needs. */
  readonly onlineKeys: readonly SigningKey[];
  readonly rootBytes: Uint8Array;
  readonly fetch: Fetch;
  /** A client with a folder of its own, new unless `name` was there before. */
  readonly client: (options?: ClientOptions) => ReleaseClient;
  readonly remove: () => Promise<void>;
}

export interface ClientOptions {
  readonly name?: string;
  readonly fetch?: Fetch;
  readonly now?: Date;
  readonly clock?: () => Date;
  readonly root?: Uint8Array;
  readonly limits?: Partial<ClientLimits>;
}

export const start = new Date("2026-10-13T08:00:00Z");
export const daysAfterStart = (days: number): Date =>
  new Date(start.getTime() + days * 24 * 60 * 60 * 1000);

export const buildId = "b2bcad6d23563e10222dc42e7a9b0e07f5c56033";
const component = {
  file: "redis-server",
  buildId,
  package: "redis",
  version: "5:7.0.15-1~deb12u7",
};

export const baselineEntry: UpdateEntry = {
  format: 1,
  kind: "baseline",
  id: "redis-2026-10",
  baseline: "2026-10",
  sequence: 0,
  components: [component],
  cves: [],
  severity: "important",
  supersedes: [],
  restartNeeded: true,
  leftOut: [],
  released: "2026-10-13",
};

export const hotpatchEntry = (sequence: number): UpdateEntry => ({
  ...baselineEntry,
  kind: "hotpatch",
  id: `redis-server-${sequence}`,
  sequence,
  cves: ["CVE-2026-66373"],
  restartNeeded: false,
  leftOut: [{ source: "debian/patches/x.patch", cves: ["CVE-2026-1000"], reason: "a new type" }],
});

export const hotpatchTarget = (sequence: number): string =>
  `redis/2026-10/${buildId}.${sequence}.hotpatch`;
export const hotpatchBytes = (sequence: number): Uint8Array =>
  new TextEncoder().encode(`hotpatch ${sequence}`);

/** What a product would sign for these bytes. */
export const targetMeta = (bytes: Uint8Array, sequence: number) => ({
  length: bytes.length,
  hashes: { sha256: sha256Of(bytes) },
  custom: hotpatchEntry(sequence),
});

/** Publishes version 1: two of three root keys, targets and product keys, one hotpatch. */
export async function createTestChannel(): Promise<TestChannel> {
  const home = await mkdtemp(join(tmpdir(), "suture-channel-"));
  const folder = join(home, "repository");
  const files = folderFiles(folder);
  const keys: TestKeys = {
    root: [testKey(), testKey(), testKey()],
    targets: [testKey(), testKey()],
    redis: [testKey()],
    snapshot: [testKey()],
    timestamp: [testKey()],
  };
  await createRepository({
    files,
    now: start,
    roles: {
      root: { keys: keys.root.map(publicOf), threshold: 2 },
      targets: { keys: keys.targets.map(publicOf), threshold: 2 },
      snapshot: { keys: keys.snapshot.map(publicOf), threshold: 1 },
      timestamp: { keys: keys.timestamp.map(publicOf), threshold: 1 },
    },
  });
  const signers = { keys: keys.redis.map(publicOf), threshold: 1 };
  await addProduct({ files, now: start, product: "redis", signers });
  await addTarget({ files, now: start, product: "redis", entry: baselineEntry });
  const payload = hotpatchBytes(1);
  await addTarget({ files, now: start, product: "redis", entry: hotpatchEntry(1), payload });
  for (const key of [...keys.root.slice(0, 2), ...keys.targets, ...keys.redis]) {
    await signMetadata({ files, key });
  }
  const onlineKeys = [...keys.snapshot, ...keys.timestamp];
  await publish({ files, now: start, keys: onlineKeys });
  const rootBytes = await files.read("public/metadata/1.root.json");
  if (rootBytes === undefined) throw new Error("the first root was not published");
  const fetch = folderFetch(join(folder, "public"));
  let clients = 0;
  return {
    folder,
    files,
    keys,
    onlineKeys,
    rootBytes,
    fetch,
    client: (options = {}) => {
      clients += 1;
      return openReleaseClient({
        root: options.root ?? rootBytes,
        storage: folderStorage(join(home, options.name ?? `client-${clients}`)),
        fetch: options.fetch ?? fetch,
        now: options.clock ?? (() => options.now ?? start),
        ...(options.limits && { limits: options.limits }),
      });
    },
    remove: async () => await rm(home, { recursive: true }),
  };
}

/** Gives each test of a file a new channel, which is removed afterwards. */
export function eachWithChannel(use: (channel: TestChannel) => void): void {
  let channel: TestChannel | undefined;
  beforeEach(async () => {
    channel = await createTestChannel();
    use(channel);
  });
  afterEach(async () => await channel?.remove());
}

/** The problem that an act ends with; an act that gets through is an error of the test. */
export async function problemOf(act: Promise<unknown>): Promise<ReleaseError> {
  try {
    await act;
  } catch (error) {
    if (error instanceof ReleaseError) return error;
    throw error;
  }
  throw new Error("it was accepted");
}

export const publicOf = ({ publicKey }: SigningKey): PublicKey => publicKey;

/** Adds hotpatch `sequence`, signs and publishes it. */
export async function publishHotpatch(
  { files, keys, onlineKeys }: TestChannel,
  sequence: number,
  now = start,
): Promise<void> {
  const entry = hotpatchEntry(sequence);
  await addTarget({ files, now, product: "redis", entry, payload: hotpatchBytes(sequence) });
  for (const key of keys.redis) await signMetadata({ files, key });
  await publish({ files, now, keys: onlineKeys });
}
