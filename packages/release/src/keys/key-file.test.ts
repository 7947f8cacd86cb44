import { createDecipheriv, createPublicKey, randomBytes, scryptSync, verify } from "node:crypto";
import { chmod, link, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ReleaseError, type ReleaseProblem } from "../errors.ts";
import {
  createKeyFile,
  openKey,
  parseKeyFile,
  parsePublicKeyFile,
  publicKeyFile,
} from "./key-file.ts";
import { readSecretFile, writeSecretFile } from "./secret-file.ts";

const passphrase = "correct horse battery";
const random = (length: number) => new Uint8Array(randomBytes(length));
const newKey = () =>
  createKeyFile({ label: "root-1", passphrase, randomBytes: random, cost: 1024 });

function problemOf(act: () => unknown): ReleaseProblem | "none" {
  try {
    act();
    return "none";
  } catch (error) {
    if (error instanceof ReleaseError) return error.code;
    throw error;
  }
}

const fieldsOf = (bytes: Uint8Array) => JSON.parse(new TextDecoder().decode(bytes));
const bytesOf = (value: unknown) => new TextEncoder().encode(JSON.stringify(value));

test("a key comes back with its passphrase, and signs", () => {
  const { bytes, key } = newKey();
  const opened = openKey(parseKeyFile(bytes, "a.key"), passphrase);
  expect(opened.keyid).toBe(key.keyid);
  const message = random(50);
  const der = Buffer.from(`302a300506032b6570032100${key.publicKey.keyval.public}`, "hex");
  const publicKey = createPublicKey({ key: der, format: "der", type: "spki" });
  expect(verify(null, message, publicKey, opened.sign(message))).toBe(true);
  expect(parsePublicKeyFile(publicKeyFile(key.publicKey), "a.pub")).toEqual(key.publicKey);
});

test("the file is what the documentation says: scrypt, AES-256-GCM, header as additional data", () => {
  const { bytes } = newKey();
  const { format, label, public: publicKey, kdf, cipher, secret } = fieldsOf(bytes);
  expect(kdf).toMatchObject({ name: "scrypt", N: 1024, r: 8, p: 1 });
  const key = scryptSync(passphrase, Buffer.from(kdf.salt, "hex"), 32, { N: 1024, r: 8, p: 1 });
  const decipher = createDecipheriv("aes-256-gcm", key, Buffer.from(cipher.nonce, "hex"));
  const { keytype, keyval, scheme } = publicKey;
  const header =
    `{"format":"${format}","kdf":{"N":1024,"name":"scrypt","p":1,"r":8,"salt":"${kdf.salt}"},` +
    `"label":"${label}","public":{"keytype":"${keytype}","keyval":{"public":"${keyval.public}"},` +
    `"scheme":"${scheme}"}}`;
  decipher.setAAD(Buffer.from(header)).setAuthTag(Buffer.from(cipher.tag, "hex"));
  const seed = Buffer.concat([decipher.update(Buffer.from(secret, "hex")), decipher.final()]);
  expect(seed).toHaveLength(32);
  expect(new TextDecoder().decode(bytes)).not.toContain(seed.toString("hex"));
});

test("a new key costs a guess 128 MiB, whoever asks for less in the file's name", () => {
  const { bytes } = createKeyFile({ label: "x", passphrase, randomBytes: random });
  expect(fieldsOf(bytes).kdf).toMatchObject({ N: 131072, r: 8, p: 1 });
  expect(openKey(parseKeyFile(bytes, "x.key"), passphrase).keyid).toHaveLength(64);
});

test("a wrong passphrase opens nothing, and is not repeated in the message", () => {
  const file = parseKeyFile(newKey().bytes, "a.key");
  try {
    openKey(file, "a secret I mistyped");
    expect.unreachable();
  } catch (error) {
    expect(error).toMatchObject({ code: "wrong-passphrase" });
    expect(String(error)).not.toContain("mistyped");
  }
});

describe("a changed key file is refused", () => {
  const other = newKey();
  const cases: [string, (fields: Record<string, unknown>) => unknown][] = [
    ["label", (fields) => ({ ...fields, label: "root-2" })],
    ["public key", (fields) => ({ ...fields, public: other.key.publicKey })],
    ["secret", (fields) => ({ ...fields, secret: "00".repeat(32) })],
    ["tag", (fields) => ({ ...fields, cipher: { ...fieldsOf(other.bytes).cipher } })],
    ["salt", (fields) => ({ ...fields, kdf: fieldsOf(other.bytes).kdf })],
  ];
  test.each(cases)("%s", (_, change) => {
    const bytes = bytesOf(change(fieldsOf(newKey().bytes)));
    expect(problemOf(() => openKey(parseKeyFile(bytes, "a.key"), passphrase))).toBe(
      "wrong-passphrase",
    );
  });

  test.each([2 ** 21, 1000, 512, -1, 1.5])("a cost of %d", (N) => {
    const fields = fieldsOf(newKey().bytes);
    const bytes = bytesOf({ ...fields, kdf: { ...fields.kdf, N } });
    expect(problemOf(() => parseKeyFile(bytes, "a.key"))).toBe("key-file");
  });

  test("any bytes give a key file or an error", () => {
    const { bytes } = newKey();
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.nat(255), fc.uint8Array(), (at, byte, anything) => {
        const changed = bytes.slice();
        changed[at] = byte;
        expect(["none", "key-file"]).toContain(problemOf(() => parseKeyFile(changed, "a.key")));
        expect(problemOf(() => parseKeyFile(anything, "a.key"))).toBe("key-file");
      }),
      { numRuns: 500 },
    );
  });
});

test("a short passphrase makes no key", () => {
  const request = { label: "x", passphrase: "eleven char", randomBytes: random };
  expect(problemOf(() => createKeyFile(request))).toBe("wrong-request");
});

describe("secret files", () => {
  let folder: string;
  let path: string;
  const options = { userId: process.getuid?.() ?? 0, bytesMax: 1000 };
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "suture-keys-"));
    path = join(folder, "new/a.key");
    await writeSecretFile(path, new Uint8Array([1, 2, 3]));
  });
  afterEach(async () => await rm(folder, { recursive: true }));

  const problemAt = async (file: string, user = options.userId) => {
    try {
      await readSecretFile(file, { ...options, userId: user });
      return "none";
    } catch (error) {
      if (error instanceof ReleaseError) return error.code;
      throw error;
    }
  };

  test("are written for their owner alone, and never over another", async () => {
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "new"))).mode & 0o777).toBe(0o700);
    expect(await readSecretFile(path, options)).toEqual(new Uint8Array([1, 2, 3]));
    await expect(writeSecretFile(path, new Uint8Array())).rejects.toMatchObject({
      code: "key-file",
    });
    expect(await readFile(path)).toHaveLength(3);
  });

  test.each([0o640, 0o604, 0o660, 0o610, 0o601])("of mode %o are refused", async (mode) => {
    await chmod(path, mode);
    expect(await problemAt(path)).toBe("key-file-access");
  });

  test("of mode 400 are fine", async () => {
    await chmod(path, 0o400);
    expect(await problemAt(path)).toBe("none");
  });

  test("of another user, behind links, or too long, are refused", async () => {
    expect(await problemAt(path, options.userId + 1)).toBe("key-file-access");
    await symlink(path, join(folder, "link"));
    expect(await problemAt(join(folder, "link"))).toBe("key-file-access");
    expect(await problemAt(folder)).toBe("key-file-access");
    await writeFile(path, Buffer.alloc(1001));
    expect(await problemAt(path)).toBe("key-file");
    await link(path, join(folder, "hard"));
    expect(await problemAt(path)).toBe("key-file-access");
  });
});
