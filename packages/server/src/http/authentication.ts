/** Who asks: a session's cookie, an API token, or a device's signature. */
import { createHash, createPublicKey, type KeyObject, verify } from "node:crypto";
import { promisify } from "node:util";
import { permissionsOf, readClaim, SIGNATURE_AGE_MAX } from "@suture/contract";
import type { FastifyRequest } from "fastify";
import { RequestError } from "../errors.ts";
import { KEYS_MAX } from "../limits.ts";
import { sha256 } from "../secrets.ts";
import { tokenOf } from "../store/api-tokens.ts";
import { accountOfSession } from "../store/sessions.ts";
import type { Database } from "../store/store.ts";
import type { Principal, SigningDevice } from "./handler.ts";

export const SESSION_COOKIE = "suture_session";

const NOBODY: Principal = { kind: "nobody" };

/** An account or API token, or nobody. A token that is wrong is nobody's, whatever the cookie. */
export async function authenticatePerson(
  request: FastifyRequest,
  database: Database,
  now: Date,
): Promise<Principal> {
  const { authorization } = request.headers;
  if (authorization !== undefined) {
    const secret = /^Bearer (?<secret>[A-Za-z0-9_.-]{20,200})$/.exec(authorization)?.groups?.secret;
    if (secret === undefined) return NOBODY;
    const token = await tokenOf(database, sha256(secret), now);
    if (token === undefined) return NOBODY;
    const { id, name, roles, created_by: login } = token;
    const label = `${login} by token ${name}`;
    return { kind: "token", id, login, name, label, roles, permissions: permissionsOf(roles) };
  }
  const secret = cookieOf(request, SESSION_COOKIE);
  if (secret === undefined) return NOBODY;
  const account = await accountOfSession(database, sha256(secret), now);
  if (account === undefined) return NOBODY;
  const { id, login, name, roles } = account;
  const permissions = permissionsOf(roles);
  return { kind: "account", id, login, name, label: login, roles, permissions };
}

/** The value of a cookie of the request (RFC 6265, 4.2.1). */
export function cookieOf({ headers }: FastifyRequest, name: string): string | undefined {
  for (const pair of (headers.cookie ?? "").split(";")) {
    const [key, value] = pair.trim().split("=", 2);
    if (key === name && value !== undefined && value !== "") return value;
  }
  return undefined;
}

export interface DeviceAuthentication {
  /** Throws RequestError `signature-invalid`. */
  readonly authenticate: (request: FastifyRequest, body: Uint8Array) => Promise<SigningDevice>;
}

/** The fixed beginning of an Ed25519 public key in DER (RFC 8410, 4). */
const DER_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

export const publicKeyOf = (raw: string): KeyObject =>
  createPublicKey({
    key: Buffer.concat([DER_PREFIX, Buffer.from(raw, "base64url")]),
    format: "der",
    type: "spki",
  });

/** On a thread of the pool: a tenth of a millisecond that the one JavaScript thread does not pay. */
const verifyAside = promisify(verify);

/**
 * Verifies device signatures. Keys stay in memory: a device keeps its key for life, and whoever
 * uses the answer finds no row of a device that was removed.
 *
 * `keyOf` gives a device's key. Nonces are remembered by whoever answers the request.
 */
export function createDeviceAuthentication(
  keyOf: (id: string) => Promise<string | undefined>,
  now: () => number,
): DeviceAuthentication {
  const keys = new Map<string, KeyObject>();
  const loadKey = async (id: string): Promise<KeyObject> => {
    const kept = keys.get(id);
    if (kept !== undefined) return kept;
    const raw = await keyOf(id);
    if (raw === undefined) throw invalid("no device has this id");
    const key = publicKeyOf(raw);
    if (keys.size >= KEYS_MAX) {
      const [oldest = ""] = keys.keys();
      keys.delete(oldest);
    }
    keys.set(id, key);
    return key;
  };
  return {
    async authenticate(request, body) {
      const claim = claimOf(request, body);
      if (claim === undefined) throw invalid("no signature of the device's profile");
      if (Math.abs(now() / 1000 - claim.created) > SIGNATURE_AGE_MAX) {
        throw invalid(`its clock is off by more than ${SIGNATURE_AGE_MAX} seconds`);
      }
      const key = await loadKey(claim.keyId);
      const signature = Buffer.from(claim.signature, "base64");
      if (!(await verifyAside(null, Buffer.from(claim.base), key, signature))) {
        throw invalid("the signature is not that of the device's key");
      }
      return { kind: "device", id: claim.keyId, nonce: claim.nonce };
    },
  };
}

const invalid = (detail: string): RequestError => new RequestError("signature-invalid", detail);

function claimOf({ method, raw, headers }: FastifyRequest, body: Uint8Array) {
  const [path = "", query] = (raw.url ?? "").split(/\?(.*)/s, 2);
  const one = (name: string): string | undefined => {
    const value = headers[name];
    return typeof value === "string" ? value : undefined;
  };
  return readClaim(
    {
      method,
      path,
      query: `?${query ?? ""}`,
      ...(body.length > 0 && { bodyDigest: createHash("sha256").update(body).digest("base64") }),
    },
    {
      signatureInput: one("signature-input"),
      signature: one("signature"),
      contentDigest: one("content-digest"),
    },
  );
}
