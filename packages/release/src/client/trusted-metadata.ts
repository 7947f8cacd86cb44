/**
 * Which metadata is trusted: the client workflow of the specification (section 5), step by step.
 *
 * The decisions are those of tuf-js. In front of them stand our strict parsers, and the clock is
 * ours: tuf-js takes the time when its store is made, and tests and executors need to say it.
 */
import assert from "node:assert/strict";
import { Metadata, MetadataKind } from "@tufjs/models";
import { LengthOrHashMismatchError, UnsignedMetadataError } from "@tufjs/models/dist/error.js";
import { BadVersionError, EqualVersionError, ExpiredMetadataError } from "tuf-js/dist/error.js";
import { TrustedMetadataStore } from "tuf-js/dist/store.js";
import { ReleaseError, type ReleaseProblem } from "../errors.ts";
import type { ClientLimits } from "../limits.ts";
import type {
  ChannelSigned,
  Envelope,
  ProductSigned,
  RootSigned,
  SnapshotSigned,
  TimestampSigned,
} from "../metadata/metadata.ts";
import {
  parseChannel,
  parseProduct,
  parseRoot,
  parseSnapshot,
  parseTimestamp,
} from "../metadata/parse-metadata.ts";

export interface TrustedMetadata {
  readonly root: () => RootSigned;
  /** The next root, signed by a threshold of the root before and by a threshold of its own. */
  readonly updateRoot: (bytes: Uint8Array) => RootSigned;
  /** `undefined` where the version is the one that is trusted already: the file is left alone. */
  readonly updateTimestamp: (bytes: Uint8Array) => TimestampSigned | undefined;
  /** `own`: it was verified once and kept by us, so that its digest need not be the newest's. */
  readonly updateSnapshot: (bytes: Uint8Array, from: "own" | "channel") => SnapshotSigned;
  readonly updateChannel: (bytes: Uint8Array) => ChannelSigned;
  readonly updateProduct: (bytes: Uint8Array, product: string) => ProductSigned;
  /** Whether a kept snapshot is signed by the keys that the root names now. */
  readonly isSnapshotOfRoot: (bytes: Uint8Array) => boolean;
  readonly timestamp: () => TimestampSigned;
}

/** Begins from a root that is trusted already, whether it has expired or not. */
export function trustRoot(
  rootBytes: Uint8Array,
  { now, limits }: { readonly now: Date; readonly limits: ClientLimits },
): TrustedMetadata {
  const { rootBytesMax, timestampBytesMax, snapshotBytesMax, targetsBytesMax } = limits;
  const rootSource = { file: "root.json", bytesMax: rootBytesMax };
  const snapshotSource = { file: "snapshot.json", bytesMax: snapshotBytesMax };
  let root = parseRoot(rootBytes, rootSource).signed;
  let timestamp: TimestampSigned | undefined;
  const store = step("root.json", () => new TrustedMetadataStore(Buffer.from(rootBytes)));
  setReferenceTime(store, now);

  return {
    root: () => root,
    timestamp() {
      assert(timestamp !== undefined, "the timestamp is trusted before what it signs for");
      return timestamp;
    },
    updateRoot(bytes) {
      const next = parseRoot(bytes, rootSource).signed;
      step("root.json", () => store.updateRoot(Buffer.from(bytes)));
      root = next;
      return root;
    },
    updateTimestamp(bytes) {
      const source = { file: "timestamp.json", bytesMax: timestampBytesMax };
      const { signed } = parseTimestamp(bytes, source);
      try {
        return step(source.file, () => takeTimestamp(store, bytes)) ? signed : undefined;
      } finally {
        // One that has expired is refused in the end, but newer ones are still compared with it.
        const isTaken = store.timestamp?.signed.version === signed.version;
        if (isTaken && timestamp?.version !== signed.version) timestamp = signed;
      }
    },
    updateSnapshot(bytes, from) {
      const { signed } = parseSnapshot(bytes, snapshotSource);
      step(snapshotSource.file, () => store.updateSnapshot(Buffer.from(bytes), from === "own"));
      return signed;
    },
    isSnapshotOfRoot(bytes) {
      return isSignedForRole(store, "snapshot", parseSnapshot(bytes, snapshotSource));
    },
    updateChannel(bytes) {
      const source = { file: "targets.json", bytesMax: targetsBytesMax };
      const { signed } = parseChannel(bytes, source);
      step(source.file, () => store.updateDelegatedTargets(Buffer.from(bytes), "targets", "root"));
      return signed;
    },
    updateProduct(bytes, product) {
      const source = { file: `${product}.json`, bytesMax: targetsBytesMax };
      const { signed } = parseProduct(bytes, source, product);
      step(source.file, () => store.updateDelegatedTargets(Buffer.from(bytes), product, "targets"));
      checkOwnTargets(signed, product, source.file);
      return signed;
    },
  };
}

/** A product's keys say nothing about the targets of other products. */
function checkOwnTargets({ targets }: ProductSigned, product: string, file: string): void {
  const foreign = Object.keys(targets).find((target) => !target.startsWith(`${product}/`));
  if (foreign !== undefined) throw new ReleaseError("outside-delegation", file, foreign);
}

/** The time at which an update began, which tuf-js would otherwise read from the system. */
function setReferenceTime(store: TrustedMetadataStore, now: Date): void {
  const hasTime = Reflect.get(store, "referenceTime") instanceof Date;
  assert(hasTime, "tuf-js keeps the time of the update in its store");
  assert(Reflect.set(store, "referenceTime", now), "the time of the update can be set");
}

function takeTimestamp(store: TrustedMetadataStore, bytes: Uint8Array): boolean {
  try {
    store.updateTimestamp(Buffer.from(bytes));
    return true;
  } catch (error) {
    if (error instanceof EqualVersionError) return false;
    throw error;
  }
}

function isSignedForRole(
  store: TrustedMetadataStore,
  role: "snapshot",
  envelope: Envelope<SnapshotSigned>,
): boolean {
  try {
    const metadata = Metadata.fromJSON(MetadataKind.Snapshot, JSON.parse(JSON.stringify(envelope)));
    store.root.verifyDelegate(role, metadata);
    return true;
  } catch (error) {
    if (error instanceof UnsignedMetadataError) return false;
    throw error;
  }
}

/** What tuf-js throws, as a reason of ours. Anything it does not mean to throw is a bug. */
function step<Result>(file: string, act: () => Result): Result {
  try {
    return act();
  } catch (error) {
    const code = reasonOf(error);
    if (code === undefined || !(error instanceof Error)) throw error;
    throw new ReleaseError(code, file, error.message, { cause: error });
  }
}

function reasonOf(error: unknown): ReleaseProblem | undefined {
  if (error instanceof UnsignedMetadataError) return "too-few-signatures";
  if (error instanceof BadVersionError) return "wrong-version";
  if (error instanceof ExpiredMetadataError) return "expired";
  if (error instanceof LengthOrHashMismatchError) return "wrong-content";
  // A file that a snapshot lists no more, or a type that is another: tuf-js says what in words.
  if (error instanceof Error && error.constructor.name === "RepositoryError") {
    return "metadata-field";
  }
  return undefined;
}
