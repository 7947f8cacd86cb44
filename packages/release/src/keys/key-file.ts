/**
 * The key file: one Ed25519 key, its secret part encrypted with a passphrase.
 *
 *     { "format": "suture-key-1",
 *       "label": "root of 2026",                what people call it
 *       "public": { keytype, scheme, keyval },  as in TUF metadata
 *       "kdf": { "name": "scrypt", "N": 131072, "r": 8, "p": 1, "salt": 16 bytes },
 *       "cipher": { "name": "aes-256-gcm", "nonce": 12 bytes, "tag": 16 bytes },
 *       "secret": 32 bytes }
 *
 * All bytes are lower-case hexadecimal. The secret is the key's seed (RFC 8032, 5.1.5) under
 * AES-256-GCM with the key that scrypt makes of the passphrase; the additional data is the
 * canonical JSON of `format`, `label`, `public` and `kdf`, so that none of them can be exchanged.
 */
import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  type KeyObject,
  scryptSync,
  sign,
} from "node:crypto";
import { ReleaseError } from "../errors.ts";
import { canonicalBytes, keyIdOf, type SigningKey } from "../metadata/canonical.ts";
import { integerOf, matching, objectOf, parseJson, textOf } from "../metadata/fields.ts";
import type { PublicKey } from "../metadata/metadata.ts";
import { parsePublicKey } from "../metadata/parse-metadata.ts";

export const KEY_FORMAT = "suture-key-1";
export const keyFileBytesMax = 64 * 1024;

/** Cost of a guess: 128 MiB and about half a second (OWASP's advice for scrypt, 2024). */
const SCRYPT_COST = { N: 2 ** 17, r: 8, p: 1 } as const;
const passphraseLengthMin = 12;

export interface KeyFile {
  readonly label: string;
  readonly publicKey: PublicKey;
  readonly kdf: Kdf;
  readonly nonce: string;
  readonly tag: string;
  readonly secret: string;
}

interface Kdf {
  readonly name: "scrypt";
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: string;
}

export interface NewKeyRequest {
  readonly label: string;
  readonly passphrase: string;
  readonly randomBytes: (length: number) => Uint8Array;
  /** The cost of scrypt, a power of two; only tests ask for less than the default. */
  readonly cost?: number;
}

export interface NewKey {
  /** The content of the key file. */
  readonly bytes: Uint8Array;
  /** The key, open, to sign with at once. */
  readonly key: SigningKey;
}

/** Makes a key. Throws ReleaseError for a passphrase of fewer than 12 characters. */
export function createKeyFile(request: NewKeyRequest): NewKey {
  const { label, passphrase, randomBytes, cost = SCRYPT_COST.N } = request;
  if (passphrase.length < passphraseLengthMin) {
    const found = `a passphrase of ${passphrase.length} characters, at least ${passphraseLengthMin}`;
    throw new ReleaseError("wrong-request", "passphrase", found);
  }
  const seed = Buffer.from(randomBytes(32));
  const privateKey = privateKeyOf(seed);
  const header = {
    label: textOf(label, "label"),
    publicKey: publicKeyOf(privateKey),
    kdf: { ...SCRYPT_COST, N: cost, name: "scrypt", salt: hexOf(randomBytes(16)) },
  } as const;
  const nonce = Buffer.from(randomBytes(12));
  const cipher = createCipheriv("aes-256-gcm", derive(passphrase, header.kdf), nonce);
  cipher.setAAD(additionalData(header));
  const secret = Buffer.concat([cipher.update(seed), cipher.final()]);
  const file = {
    format: KEY_FORMAT,
    label: header.label,
    public: header.publicKey,
    kdf: header.kdf,
    cipher: { name: "aes-256-gcm", nonce: hexOf(nonce), tag: hexOf(cipher.getAuthTag()) },
    secret: hexOf(secret),
  };
  seed.fill(0);
  return {
    bytes: new TextEncoder().encode(`${JSON.stringify(file, undefined, 1)}\n`),
    key: signingKeyOf(header.publicKey, privateKey),
  };
}

const signingKeyOf = (publicKey: PublicKey, key: KeyObject): SigningKey => ({
  keyid: keyIdOf(publicKey),
  publicKey,
  sign: (bytes) => sign(null, bytes, key),
});

/** The file that is handed to others: the public part of a key, as in TUF metadata. */
export const publicKeyFile = (publicKey: PublicKey): Uint8Array =>
  new TextEncoder().encode(`${JSON.stringify(publicKey)}\n`);

/** Reads what `publicKeyFile` writes. Throws ReleaseError. */
export const parsePublicKeyFile = (bytes: Uint8Array, file: string): PublicKey =>
  parsePublicKey(parseJson(bytes, file, keyFileBytesMax), file);

/** Reads a key file, secret part unopened. Throws ReleaseError `key-file`. */
export function parseKeyFile(bytes: Uint8Array, file: string): KeyFile {
  try {
    const names = ["format", "label", "public", "kdf", "cipher", "secret"];
    const fields = objectOf(parseJson(bytes, file, keyFileBytesMax), file, names);
    const kdf = objectOf(fields.kdf, "kdf", ["name", "N", "r", "p", "salt"]);
    const cipher = objectOf(fields.cipher, "cipher", ["name", "nonce", "tag"]);
    matching(fields.format, "format", /^suture-key-1$/);
    matching(kdf.name, "kdf.name", /^scrypt$/);
    matching(cipher.name, "cipher.name", /^aes-256-gcm$/);
    const cost = integerOf(kdf.N, "kdf.N", { min: 2 ** 10, max: 2 ** 20 });
    if (!Number.isInteger(Math.log2(cost))) {
      throw new ReleaseError("key-file", "kdf.N", "not a power of two");
    }
    return {
      label: textOf(fields.label, "label"),
      publicKey: parsePublicKey(fields.public, "public"),
      kdf: {
        name: "scrypt",
        N: cost,
        r: integerOf(kdf.r, "kdf.r", { min: 8, max: 8 }),
        p: integerOf(kdf.p, "kdf.p", { min: 1, max: 1 }),
        salt: matching(kdf.salt, "kdf.salt", /^[0-9a-f]{32}$/),
      },
      nonce: matching(cipher.nonce, "cipher.nonce", /^[0-9a-f]{24}$/),
      tag: matching(cipher.tag, "cipher.tag", /^[0-9a-f]{32}$/),
      secret: matching(fields.secret, "secret", /^[0-9a-f]{64}$/),
    };
  } catch (error) {
    if (!(error instanceof ReleaseError)) throw error;
    throw new ReleaseError("key-file", file, error.message, { cause: error });
  }
}

/** Opens a key for signing. Throws ReleaseError `wrong-passphrase`. */
export function openKey(file: KeyFile, passphrase: string): SigningKey {
  const keyid = keyIdOf(file.publicKey);
  const key = privateKeyOf(decrypt(file, passphrase, keyid));
  const found = publicKeyOf(key);
  if (keyIdOf(found) !== keyid) {
    throw new ReleaseError("key-file", `key ${keyid}`, "its secret part belongs to another key");
  }
  return signingKeyOf(file.publicKey, key);
}

function decrypt(file: KeyFile, passphrase: string, keyid: string): Buffer {
  const { kdf, nonce, tag, secret } = file;
  const bytesOf = (hex: string) => Buffer.from(hex, "hex");
  const decipher = createDecipheriv("aes-256-gcm", derive(passphrase, kdf), bytesOf(nonce));
  decipher.setAAD(additionalData(file));
  decipher.setAuthTag(bytesOf(tag));
  const seed = decipher.update(bytesOf(secret));
  try {
    decipher.final();
  } catch {
    // OpenSSL says no more than that the tag does not fit, and nothing of it may be shown.
    throw new ReleaseError("wrong-passphrase", `key ${keyid}`, file.label);
  }
  return seed;
}

const additionalData = ({ label, publicKey, kdf }: Pick<KeyFile, "label" | "publicKey" | "kdf">) =>
  canonicalBytes({ format: KEY_FORMAT, label, public: publicKey, kdf });

const derive = (passphrase: string, { N, r, p, salt }: Kdf): Buffer =>
  scryptSync(passphrase.normalize("NFC"), Buffer.from(salt, "hex"), 32, {
    ...{ N, r, p },
    maxmem: 256 * N * r,
  });

function privateKeyOf(seed: Buffer): KeyObject {
  const prefix = Buffer.from("302e020100300506032b657004220420", "hex");
  return createPrivateKey({ key: Buffer.concat([prefix, seed]), format: "der", type: "pkcs8" });
}

function publicKeyOf(key: KeyObject): PublicKey {
  const der = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    keytype: "ed25519",
    scheme: "ed25519",
    keyval: { public: hexOf(der.subarray(der.length - 32)) },
  };
}

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
