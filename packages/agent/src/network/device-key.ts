/** The device's own key: made on the device, and never leaves it. */
import { createPrivateKey, createPublicKey, type KeyObject, sign } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { folderStorage, readSecretFile } from "@suture/release";
import { NetworkError } from "./errors.ts";
import { keyFileBytesMax } from "./limits.ts";

export interface DeviceKey {
  /** Raw 32 bytes, base64url. */
  readonly publicKey: string;
  /** The raw 64 bytes of the signature, base64. */
  readonly sign: (text: string) => string;
}

export interface DeviceKeyOptions {
  /** The network half's folder. */
  readonly folder: string;
  readonly userId: number;
  readonly randomBytes: (length: number) => Uint8Array;
}

const fileName = "device.key";
/** What stands before the 32 bytes of an Ed25519 seed in PKCS #8 (RFC 8410, section 7). */
const pkcs8Prefix = Buffer.from("302e020100300506032b657004220420", "hex");

/** The key of the folder; one is made, mode 600, where there is none. Throws NetworkError. */
export async function openDeviceKey(options: DeviceKeyOptions): Promise<DeviceKey> {
  const { folder, randomBytes } = options;
  const kept = await readDeviceKey(options);
  if (kept !== undefined) return kept;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const der = Buffer.concat([pkcs8Prefix, randomBytes(32)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  const pem = key.export({ format: "pem", type: "pkcs8" });
  await folderStorage(folder).write(fileName, Buffer.from(pem));
  return deviceKeyOf(key);
}

/** The key of the folder, or undefined where there is none. Throws NetworkError `key-file`. */
export async function readDeviceKey({
  folder,
  userId,
}: Pick<DeviceKeyOptions, "folder" | "userId">): Promise<DeviceKey | undefined> {
  const file = join(folder, fileName);
  try {
    const pem = await readSecretFile(file, { userId, bytesMax: keyFileBytesMax });
    const key = createPrivateKey({ key: Buffer.from(pem), format: "pem" });
    if (key.asymmetricKeyType !== "ed25519") throw new NetworkError("key-file", file);
    return deviceKeyOf(key);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    if (error instanceof NetworkError) throw error;
    // Messages about keys may quote them; the file's name is enough.
    const found =
      error instanceof Error && error.name === "ReleaseError" ? error.message : dirname(file);
    throw new NetworkError("key-file", found, { cause: error });
  }
}

function deviceKeyOf(key: KeyObject): DeviceKey {
  const der = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    publicKey: der.subarray(-32).toString("base64url"),
    sign: (text) => sign(null, Buffer.from(text), key).toString("base64"),
  };
}
