/** The control plane's own Ed25519 key. Devices learn its digest from their enrolment token. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";

export interface ControlKey {
  /** Raw 32 bytes, base64url. */
  readonly publicKey: string;
  /** SHA-256 of the raw 32 bytes, hexadecimal: the last part of an enrolment token. */
  readonly digest: string;
  /** 64 bytes, base64url. */
  readonly sign: (text: string) => string;
}

/** The fixed beginning of an Ed25519 private key in DER (RFC 8410, 7). */
const DER_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

/** The key of a 32-byte seed. */
export function controlKeyOf(seed: Uint8Array): ControlKey {
  const key = createPrivateKey({
    key: Buffer.concat([DER_PREFIX, seed]),
    format: "der",
    type: "pkcs8",
  });
  const raw = rawPublicKey(key);
  return {
    publicKey: raw.toString("base64url"),
    digest: createHash("sha256").update(raw).digest("hex"),
    sign: (text) => sign(null, Buffer.from(text), key).toString("base64url"),
  };
}

function rawPublicKey(key: KeyObject): Buffer {
  const der = createPublicKey(key).export({ format: "der", type: "spki" });
  return Buffer.from(der.subarray(-32));
}
