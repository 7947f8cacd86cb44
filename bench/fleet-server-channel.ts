/** A small release channel for the measurement: one product, one hotpatch that can be published. */
import { generateKeyPairSync, sign } from "node:crypto";
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

export interface MeasuredChannel {
  /** Publishes a hotpatch for this Build-ID; gives its target. */
  readonly publishHotpatch: (buildId: string) => Promise<string>;
}

const PRODUCT = "measured";
const BASELINE = "2026-10";

/** Made and published in this folder, with the baseline of one program. */
export async function openMeasuredChannel(
  folder: string,
  buildId: string,
): Promise<MeasuredChannel> {
  const files = folderFiles(folder);
  const [root, targets, snapshot, timestamp, product] = Array.from({ length: 5 }, newKey) as [
    SigningKey,
    SigningKey,
    SigningKey,
    SigningKey,
    SigningKey,
  ];
  const signers = ({ publicKey }: SigningKey) => ({ keys: [publicKey], threshold: 1 });
  const release = async (): Promise<void> => {
    for (const key of [root, targets, product]) await signIfWanted(key);
    await publish({ files, now: new Date(), keys: [snapshot, timestamp] });
  };
  const signIfWanted = async (key: SigningKey): Promise<void> => {
    try {
      await signMetadata({ files, key });
    } catch (error) {
      const isUnwanted = error instanceof Error && "code" in error;
      if (!isUnwanted || error.code !== "key-not-listed") throw error;
    }
  };
  await createRepository({
    files,
    now: new Date(),
    roles: {
      root: signers(root),
      targets: signers(targets),
      snapshot: signers(snapshot),
      timestamp: signers(timestamp),
    },
  });
  await addProduct({ files, now: new Date(), product: PRODUCT, signers: signers(product) });
  const baseline = entryOf(buildId, { kind: "baseline", sequence: 0, restartNeeded: true });
  await addTarget({ files, now: new Date(), product: PRODUCT, entry: baseline });
  await release();
  let sequence = 0;
  return {
    async publishHotpatch(of) {
      sequence += 1;
      const entry = entryOf(of, { kind: "hotpatch", sequence, restartNeeded: false });
      const payload = new TextEncoder().encode(`no hotpatch: simulated devices apply nothing`);
      const target = await addTarget({ files, now: new Date(), product: PRODUCT, entry, payload });
      await release();
      return target;
    },
  };
}

function entryOf(
  buildId: string,
  about: Pick<UpdateEntry, "kind" | "sequence" | "restartNeeded">,
): UpdateEntry {
  return {
    format: 1,
    id: `${PRODUCT}-${BASELINE}-${about.sequence}`,
    baseline: BASELINE,
    components: [{ file: "program-0", buildId, package: PRODUCT, version: "1.0-1" }],
    cves: about.sequence === 0 ? [] : [`CVE-2026-${1000 + about.sequence}`],
    severity: "important",
    supersedes: [],
    leftOut: [],
    released: new Date().toISOString().slice(0, 10),
    ...about,
  };
}

/** A key that is kept in memory alone. */
function newKey(): SigningKey {
  const { publicKey: pair, privateKey } = generateKeyPairSync("ed25519");
  const raw = pair.export({ format: "der", type: "spki" }).subarray(-32);
  const publicKey: PublicKey = {
    keytype: "ed25519",
    scheme: "ed25519",
    keyval: { public: raw.toString("hex") },
  };
  return { publicKey, keyid: keyIdOf(publicKey), sign: (bytes) => sign(null, bytes, privateKey) };
}
