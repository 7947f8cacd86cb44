/** Canonical JSON, key ids, digests and signatures: what is signed, byte for byte. */
import { createHash, createPublicKey, verify } from "node:crypto";
import { canonicalize } from "@tufjs/canonical-json";
import type { Envelope, FileMeta, PublicKey, Signature } from "./metadata.ts";

/** The bytes of a value that signatures are made over (specification, section 4.2.1). */
export const canonicalBytes = (value: unknown): Uint8Array =>
  new TextEncoder().encode(canonicalize(value));

export const sha256Of = (bytes: Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");

/** The id of a key: the SHA-256 of its canonical JSON, so that a key has exactly one. */
export const keyIdOf = ({ keytype, scheme, keyval }: PublicKey): string =>
  sha256Of(canonicalBytes({ keytype, scheme, keyval: { public: keyval.public } }));

/** Whoever signs: an opened key file, or a token that keeps its key to itself. */
export interface SigningKey {
  readonly keyid: string;
  readonly publicKey: PublicKey;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}

export const signatureOf = (key: SigningKey, signed: unknown): Signature => ({
  keyid: key.keyid,
  sig: Buffer.from(key.sign(canonicalBytes(signed))).toString("hex"),
});

/** Whether the signature is the key's over this content. Never throws for a well-formed key. */
export function isSignedBy(publicKey: PublicKey, signed: unknown, { sig }: Signature): boolean {
  const prefix = Buffer.from("302a300506032b6570032100", "hex");
  const der = Buffer.concat([prefix, Buffer.from(publicKey.keyval.public, "hex")]);
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  return verify(null, canonicalBytes(signed), key, Buffer.from(sig, "hex"));
}

/** A metadata file as it is written: indented, so that people and `diff` can read it. */
export const envelopeBytes = (envelope: Envelope<unknown>): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(envelope, undefined, 1)}\n`);

export const fileMetaOf = (bytes: Uint8Array, version: number): FileMeta => ({
  version,
  length: bytes.length,
  hashes: { sha256: sha256Of(bytes) },
});
