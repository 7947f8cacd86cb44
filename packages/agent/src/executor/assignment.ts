/**
 * Whether an assignment is believed.
 *
 * It comes through the network half, which may be an attacker's. So: the key's digest is the one
 * that root gave at enrolment, the key signed exactly these bytes, they are the one canonical text
 * of an Assignment, for this device, not older than what is in force, and not expired. The same
 * serial with another content is refused: a control plane changes nothing without counting.
 */
import { createHash, createPublicKey, verify } from "node:crypto";
import { Assignment, canonicalJson } from "@suture/contract";
import { Check } from "typebox/value";
import { AgentError } from "../errors.ts";
import type { AssignmentRequest } from "../messages.ts";

export interface Expected {
  readonly deviceId: string;
  /** SHA-256 of the raw public key, in hexadecimal. */
  readonly keyDigest: string;
  /** What is in force. */
  readonly inForce?: { readonly serial: number; readonly document: string };
  readonly now: Date;
}

/** The assignment. Throws AgentError with the `assignment-` code of the first thing that is wrong. */
export function verifyAssignment(request: AssignmentRequest, expected: Expected): Assignment {
  const assignment = readAssignment(request, expected.keyDigest);
  if (assignment.deviceId !== expected.deviceId) {
    throw new AgentError("assignment-device", "deviceId", assignment.deviceId);
  }
  const { serial, expiresAt } = assignment;
  const { inForce, now } = expected;
  if (inForce !== undefined) {
    const isOther = serial === inForce.serial && request.document !== inForce.document;
    if (serial < inForce.serial || isOther) {
      throw new AgentError("assignment-serial", "serial", `${serial} after ${inForce.serial}`);
    }
  }
  if (new Date(expiresAt) <= now)
    throw new AgentError("assignment-expired", "expiresAt", expiresAt);
  return assignment;
}

/** Checks key, signature and form alone: for the assignment that was kept. Throws AgentError. */
export function readAssignment(request: AssignmentRequest, keyDigest: string): Assignment {
  const { document, signature, controlKey } = request;
  const raw = Buffer.from(controlKey, "base64url");
  const digest = createHash("sha256").update(raw).digest("hex");
  if (raw.length !== 32 || digest !== keyDigest) {
    throw new AgentError("assignment-key", "controlKey", `SHA-256 ${digest}`);
  }
  const signed = Buffer.from(signature, "base64url");
  if (!verify(null, Buffer.from(document), publicKeyOf(raw), signed)) {
    throw new AgentError("assignment-signature", "signature", "not the key's over this document");
  }
  const value = parseJson(document);
  if (!Check(Assignment, value)) {
    throw new AgentError("assignment-field", "document", "not an assignment");
  }
  if (canonicalJson(value) !== document) {
    throw new AgentError("assignment-field", "document", "not canonical JSON");
  }
  const moments = [value.issuedAt, value.expiresAt, ...value.apply.map(({ deadline }) => deadline)];
  for (const moment of moments) {
    if (moment !== undefined && Number.isNaN(Date.parse(moment))) {
      throw new AgentError("assignment-field", "document", "no such moment");
    }
  }
  return value;
}

function parseJson(document: string): unknown {
  try {
    return JSON.parse(document);
  } catch (cause) {
    throw new AgentError("assignment-field", "document", "not JSON", { cause });
  }
}

/** SubjectPublicKeyInfo of an Ed25519 key: a fixed beginning and the raw key (RFC 8410, 4). */
const publicKeyOf = (raw: Uint8Array) =>
  createPublicKey({
    key: Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]),
    format: "der",
    type: "spki",
  });
