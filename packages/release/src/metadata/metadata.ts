/**
 * The metadata of a TUF repository, as the specification (1.0, section 4) lays it out and as far
 * as this channel uses it: Ed25519 keys, SHA-256, consistent snapshots, one delegation a product.
 */
import type { Calendar } from "./calendar.ts";
import type { UpdateEntry } from "./update-entry.ts";

export const SPEC_VERSION = "1.0.31";

export const TopRole = {
  root: "root",
  targets: "targets",
  snapshot: "snapshot",
  timestamp: "timestamp",
} as const;
export type TopRole = (typeof TopRole)[keyof typeof TopRole];

export interface PublicKey {
  readonly keytype: "ed25519";
  readonly scheme: "ed25519";
  /** 32 bytes in lower-case hexadecimal. */
  readonly keyval: { readonly public: string };
}

/** By key id: the SHA-256 of the key's canonical JSON, so that a key has one id only. */
export type Keys = Readonly<Record<string, PublicKey>>;

export interface Role {
  readonly keyids: readonly string[];
  readonly threshold: number;
}

/** The role of one product. Its name is the product's. */
export interface ProductRole extends Role {
  readonly name: string;
  readonly terminating: true;
  /** Always `PRODUCT/*` + `/*`: its own targets and no others. */
  readonly paths: readonly string[];
}

interface Signed<Type extends TopRole> {
  readonly _type: Type;
  readonly spec_version: string;
  readonly version: number;
  readonly expires: string;
}

export interface RootSigned extends Signed<"root"> {
  readonly consistent_snapshot: true;
  readonly keys: Keys;
  readonly roles: Readonly<Record<TopRole, Role>>;
}

/** What a parent says of a file: which version, and its very bytes. */
export interface FileMeta {
  readonly version: number;
  readonly length: number;
  readonly hashes: { readonly sha256: string };
}

export interface TimestampSigned extends Signed<"timestamp"> {
  readonly meta: { readonly "snapshot.json": FileMeta };
}

export interface SnapshotSigned extends Signed<"snapshot"> {
  /** `targets.json` and one `PRODUCT.json` each. */
  readonly meta: Readonly<Record<string, FileMeta>>;
}

export interface TargetMeta<Custom> {
  readonly length: number;
  readonly hashes: { readonly sha256: string };
  readonly custom: Custom;
}

/** The top-level targets: the calendar, and which product has which keys. */
export interface ChannelSigned extends Signed<"targets"> {
  readonly targets: { readonly [CALENDAR_TARGET]: TargetMeta<Calendar> };
  readonly delegations: { readonly keys: Keys; readonly roles: readonly ProductRole[] };
}

/** The targets of one product: its baselines and hotpatches. */
export interface ProductSigned extends Signed<"targets"> {
  readonly targets: Readonly<Record<string, TargetMeta<UpdateEntry>>>;
}

export const CALENDAR_TARGET = "calendar.json";

export interface Signature {
  readonly keyid: string;
  /** 64 bytes in lower-case hexadecimal, over the canonical JSON of `signed`. */
  readonly sig: string;
}

export interface Envelope<Content> {
  readonly signatures: readonly Signature[];
  readonly signed: Content;
}

/** The only paths that a product may sign for. */
export const pathsOfProduct = (product: string): readonly string[] => [`${product}/*/*`];

/** The file of a role in the folder of metadata: `3.redis.json`; the timestamp has no version. */
export const metadataPath = (role: string, version: number): string =>
  role === TopRole.timestamp ? "metadata/timestamp.json" : `metadata/${version}.${role}.json`;

/** The file of a target in the folder of targets: its digest stands before its last name. */
export function targetPath(target: string, sha256: string): string {
  const slash = target.lastIndexOf("/") + 1;
  return `targets/${target.slice(0, slash)}${sha256}.${target.slice(slash)}`;
}
