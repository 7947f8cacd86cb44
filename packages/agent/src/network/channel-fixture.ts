/** A release channel for tests: a real folder with one product, and keys in memory. */
import { generateKeyPairSync, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  addProduct,
  addTarget,
  createRepository,
  folderFiles,
  keyIdOf,
  type PublicKey,
  publish,
  type SigningKey,
  signMetadata,
  type UpdateEntry,
} from "@suture/release";

export interface TestChannel {
  /** What a web server would serve. */
  readonly folder: string;
  readonly root: Uint8Array;
  readonly targetOf: (sequence: number) => string;
  /** Adds, signs and publishes a hotpatch. */
  readonly publishHotpatch: (sequence: number, payload: Uint8Array) => Promise<void>;
}

export interface ChannelRequest {
  readonly folder: string;
  readonly buildId: string;
  readonly now: Date;
  /** Of which the program is called like it: `redis`. */
  readonly product?: string;
}

const baseline = "2026-10";

export async function createTestChannel({
  folder,
  buildId,
  now,
  product = "redis",
}: ChannelRequest): Promise<TestChannel> {
  const files = folderFiles(folder);
  const [root, targets, own, snapshot, timestamp] = [1, 2, 3, 4, 5].map(testKey) as [
    SigningKey,
    SigningKey,
    SigningKey,
    SigningKey,
    SigningKey,
  ];
  const signers = (key: SigningKey) => ({ keys: [key.publicKey], threshold: 1 });
  await createRepository({
    files,
    now,
    roles: {
      root: signers(root),
      targets: signers(targets),
      snapshot: signers(snapshot),
      timestamp: signers(timestamp),
    },
  });
  await addProduct({ files, now, product, signers: signers(own) });
  const entry = (sequence: number): UpdateEntry => ({
    format: 1,
    kind: sequence === 0 ? "baseline" : "hotpatch",
    id: sequence === 0 ? `${product}-${baseline}` : `${product}-${sequence}`,
    baseline,
    sequence,
    components: [{ file: product, buildId, package: product, version: "1" }],
    cves: [],
    severity: "important",
    supersedes: [],
    restartNeeded: sequence === 0,
    leftOut: [],
    released: "2026-10-13",
  });
  await addTarget({ files, now, product, entry: entry(0) });
  for (const key of [root, targets, own]) await signMetadata({ files, key });
  await publish({ files, now, keys: [snapshot, timestamp] });
  return {
    folder: join(folder, "public"),
    root: readFileSync(join(folder, "public/metadata/1.root.json")),
    targetOf: (sequence) => `${product}/${baseline}/${buildId}.${sequence}.hotpatch`,
    publishHotpatch: async (sequence, payload) => {
      await addTarget({ files, now, product, entry: entry(sequence), payload });
      await signMetadata({ files, key: own });
      await publish({ files, now, keys: [snapshot, timestamp] });
    },
  };
}

function testKey(): SigningKey {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const der = publicKey.export({ format: "der", type: "spki" });
  const key: PublicKey = {
    keytype: "ed25519",
    scheme: "ed25519",
    keyval: { public: der.subarray(-32).toString("hex") },
  };
  return { keyid: keyIdOf(key), publicKey: key, sign: (bytes) => sign(null, bytes, privateKey) };
}
