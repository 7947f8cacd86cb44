/** Fields that many schemas have. Everything has a limit: bad input is refused before it is kept. */
import { Type } from "typebox";

/** RFC 3339, UTC: `2026-11-22T10:00:00.000Z`. */
export const Moment = Type.String({
  pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\\.[0-9]{1,3})?Z$",
});

/** `2026-11-22`. */
export const Day = Type.String({ pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" });

/** Made by the server: a UUID. */
export const Id = Type.String({
  pattern: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
});

/** What people call a thing: no control characters. */
export const Name = Type.String({ minLength: 1, maxLength: 100, pattern: "^[^\\u0000-\\u001f]+$" });
export const Text = Type.String({
  maxLength: 2000,
  pattern: "^[^\\u0000-\\u0008\\u000b-\\u001f]*$",
});
/** Why somebody did something that others will ask about. */
export const Reason = Type.String({
  minLength: 3,
  maxLength: 500,
  pattern: "^[^\\u0000-\\u001f]+$",
});

export const Cve = Type.String({ pattern: "^CVE-[0-9]{4}-[0-9]{4,12}$" });
export const Sha256 = Type.String({ pattern: "^[0-9a-f]{64}$" });
export const BuildId = Type.String({ pattern: "^(?:[0-9a-f]{2}){8,64}$" });
/** Of a target in the release channel (docs/release-channel.md). */
export const TargetPath = Type.String({
  maxLength: 300,
  pattern:
    "^[a-z0-9][a-z0-9.+-]{0,63}/[0-9A-Za-z][0-9A-Za-z.+~_-]{0,63}/(?:baseline\\.json|[0-9a-f]{16,128}\\.[1-9][0-9]{0,8}\\.hotpatch)$",
});
export const Tag = Type.String({ pattern: "^[a-z0-9][a-z0-9.:=/-]{0,62}$" });
/** Raw 32 bytes of an Ed25519 public key, base64url without padding. */
export const Ed25519PublicKey = Type.String({ pattern: "^[A-Za-z0-9_-]{43}$" });
/** 64 bytes, base64url without padding. */
export const Ed25519Signature = Type.String({ pattern: "^[A-Za-z0-9_-]{86}$" });

export const Count = Type.Integer({ minimum: 0, maximum: 1_000_000_000 });
export const Serial = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** Between 0 and 1. */
export const Ratio = Type.Number({ minimum: 0, maximum: 1 });

/** One of a fixed set of words. */
export const oneOf = <const Words extends Record<string, string>>(words: Words) =>
  Type.Enum(Object.values(words) as Words[keyof Words][]);

export const DEVICES_MAX = 1_000_000;
export const TAGS_MAX = 50;
export const LIST_MAX = 1000;
