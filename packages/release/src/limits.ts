/** The largest manifest that is read: a build with a thousand fixes stays under a megabyte. */
export const manifestBytesMax = 4 * 1024 * 1024;

/** Items in any list of a manifest: more than all units of the largest packages. */
export const manifestListMax = 20_000;

/** Characters in any text of a manifest: a path or a sentence. */
export const manifestTextMax = 4096;

/** Signatures of one metadata file, and keys of one role: more signers than any team has. */
export const signersMax = 64;

/** The highest version number: one a second lasts for 68 years. */
export const versionMax = 2 ** 31 - 1;

/** Delegated products of one channel. */
export const productsMax = 1024;

/**
 * Targets of one product: 12 updates a year with 10 components each, for 16 years.
 *
 * tuf-js copies the list for each of its entries, so that time grows with the square at least:
 * 500 targets take 0.1 s to verify, 2,000 take 2 s, 5,000 more than 20 s (measured).
 */
export const targetsMax = 2000;

/** Keys of all roles of a root, and of all products of a channel; for the same reason. */
export const rootKeysMax = 4 * signersMax;
export const productKeysMax = 2000;

/** Items in a list of one update: its components, its CVEs, what is left out. */
export const updateListMax = 1000;

/** What a client accepts before it gives up. All lengths are in bytes. */
export interface ClientLimits {
  readonly rootBytesMax: number;
  readonly timestampBytesMax: number;
  readonly snapshotBytesMax: number;
  readonly targetsBytesMax: number;
  /** One hotpatch file; it is held in memory. */
  readonly downloadBytesMax: number;
  /** New roots in one update. A client that missed more needs a further update. */
  readonly rootRotationsMax: number;
}

/** Root and timestamp are small whatever the channel's size; the others grow with its products. */
export const CLIENT_LIMITS: ClientLimits = {
  rootBytesMax: 512 * 1024,
  timestampBytesMax: 16 * 1024,
  snapshotBytesMax: 2 * 1024 * 1024,
  targetsBytesMax: 16 * 1024 * 1024,
  downloadBytesMax: 64 * 1024 * 1024,
  rootRotationsMax: 256,
};

/** How long a signature is believed, in days, unless the publisher says otherwise. */
export const EXPIRY_DAYS = {
  root: 365,
  targets: 180,
  product: 90,
  snapshot: 30,
  timestamp: 7,
} as const;
