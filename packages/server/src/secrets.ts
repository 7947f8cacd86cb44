/** Secrets that people and programs show: made here, kept as digests only. */
import { createHash, scrypt, timingSafeEqual } from "node:crypto";
import { PASSWORD_CHECKS_MAX, PASSWORD_QUEUE_MAX } from "./limits.ts";

export type RandomBytes = (length: number) => Uint8Array;

export const sha256 = (text: string | Uint8Array): string =>
  createHash("sha256").update(text).digest("hex");

/** 256 bits, base64url. */
export const newSecret = (random: RandomBytes): string =>
  Buffer.from(random(32)).toString("base64url");

/** A version 4 UUID (RFC 9562, 5.4). */
export function newId(random: RandomBytes): string {
  const bytes = Buffer.from(random(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  const part = (from: number, to: number): string => hex.slice(from, to);
  return `${part(0, 8)}-${part(8, 12)}-${part(12, 16)}-${part(16, 20)}-${part(20, 32)}`;
}

/** 64 MiB a guess (OWASP's advice for scrypt: N 2^16, r 8, p 2 or stronger memory). */
interface Cost {
  readonly N: number;
  readonly r: number;
  readonly p: number;
}
const COST: Cost = { N: 65_536, r: 8, p: 2 };
const HASH_BYTES = 32;
const MEMORY_MAX = 256 * COST.N * COST.r;

/** What is kept of a password: `scrypt$N$r$p$SALT$HASH`, salt and hash base64url. */
export async function hashPassword(
  password: string,
  random: RandomBytes,
  cost: Cost = COST,
): Promise<string> {
  const salt = random(16);
  const hash = await derive(password, salt, cost);
  const texts = [salt, hash].map((bytes) => Buffer.from(bytes).toString("base64url"));
  return ["scrypt", cost.N, cost.r, cost.p, ...texts].join("$");
}

async function verifyPassword(password: string, kept: string): Promise<boolean> {
  const [kind, N, r, p, salt = "", hash = ""] = kept.split("$");
  if (kind !== "scrypt") return false;
  const cost = { N: Number(N), r: Number(r), p: Number(p) };
  const expected = Buffer.from(hash, "base64url");
  const derived = await derive(password, Buffer.from(salt, "base64url"), cost);
  return expected.length === derived.length && timingSafeEqual(expected, derived);
}

const derive = (password: string, salt: Uint8Array, cost: Cost): Promise<Buffer> =>
  new Promise((resolve, reject) => {
    const options = { ...cost, maxmem: MEMORY_MAX };
    scrypt(password.normalize("NFKC"), salt, HASH_BYTES, options, (error, key) => {
      if (error) reject(error);
      else resolve(key);
    });
  });

/** For a login that does not exist, so that its answer takes as long. */
const NOBODY = `scrypt$${COST.N}$${COST.r}$${COST.p}$${"A".repeat(22)}$${"A".repeat(43)}`;

/**
 * Compares passwords with what is kept of them, a few at a time for their memory's sake.
 * Gives "busy" where too many wait.
 */
export function createPasswordCheck(): (
  password: string,
  kept: string | undefined,
) => Promise<boolean | "busy"> {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (password, kept) => {
    if (running >= PASSWORD_CHECKS_MAX) {
      if (waiting.length >= PASSWORD_QUEUE_MAX) return "busy";
      await new Promise<void>((resolve) => waiting.push(resolve));
    }
    running += 1;
    try {
      const matches = await verifyPassword(password, kept ?? NOBODY);
      return matches && kept !== undefined;
    } finally {
      running -= 1;
      waiting.shift()?.();
    }
  };
}
