/** A release channel with one product, for tests and measurements: a real folder, keys in memory. */
import { generateKeyPairSync, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  addProduct,
  addTarget,
  type Component,
  createRepository,
  folderFiles,
  keyIdOf,
  type PublicKey,
  publish,
  type SigningKey,
  signMetadata,
  type UpdateEntry,
  withdraw,
} from "@suture/release";

export interface ProductChannel {
  /** The first root, which clients are given. */
  readonly root: Uint8Array;
  /** Adds a hotpatch and signs for it; gives its target. */
  readonly add: (entry: UpdateEntry, payload: Uint8Array) => Promise<string>;
  readonly withdraw: (target: string) => Promise<void>;
  /** Clients see what was added and withdrawn from here on. */
  readonly publish: () => Promise<void>;
}

export interface ProductChannelRequest {
  readonly folder: string;
  readonly product: string;
  readonly baseline: UpdateEntry;
  readonly now: () => Date;
}

export const BASELINE = "2026-10";

/** Makes the channel below `folder` and publishes it with the product's baseline. */
export async function createProductChannel({
  folder,
  product,
  baseline,
  now,
}: ProductChannelRequest): Promise<ProductChannel> {
  const files = folderFiles(folder);
  const [root, targets, own] = [testKey(), testKey(), testKey()];
  const [snapshot, timestamp] = [testKey(), testKey()];
  const signers = ({ publicKey }: SigningKey) => ({ keys: [publicKey], threshold: 1 });
  const publishAll = async (): Promise<void> => {
    await publish({ files, now: now(), keys: [snapshot, timestamp] });
  };
  await createRepository({
    files,
    now: now(),
    roles: {
      root: signers(root),
      targets: signers(targets),
      snapshot: signers(snapshot),
      timestamp: signers(timestamp),
    },
  });
  await addProduct({ files, now: now(), product, signers: signers(own) });
  await addTarget({ files, now: now(), product, entry: baseline });
  for (const key of [root, targets, own]) await signMetadata({ files, key });
  await publishAll();
  return {
    root: readFileSync(join(folder, "public/metadata/1.root.json")),
    add: async (entry, payload) => {
      const target = await addTarget({ files, now: now(), product, entry, payload });
      await signMetadata({ files, key: own });
      return target;
    },
    withdraw: async (target) => {
      await withdraw({ files, now: now(), target, reason: "it does harm" });
      await signMetadata({ files, key: own });
    },
    publish: publishAll,
  };
}

export interface EntryRequest {
  readonly id: string;
  /** 0 is the baseline's. */
  readonly sequence: number;
  readonly component: Component;
  readonly released?: string;
}

/** The entry of a baseline or a hotpatch for one program. */
export const entryOf = ({
  id,
  sequence,
  component,
  released = "2026-10-13",
}: EntryRequest): UpdateEntry => ({
  format: 1,
  kind: sequence === 0 ? "baseline" : "hotpatch",
  id,
  baseline: BASELINE,
  sequence,
  components: [component],
  cves: sequence === 0 ? [] : [`CVE-2026-${1000 + sequence}`],
  severity: "important",
  supersedes: [],
  restartNeeded: sequence === 0,
  leftOut: [],
  released,
});

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
