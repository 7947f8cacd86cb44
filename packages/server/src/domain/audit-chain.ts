/**
 * The audit log as a chain: each record holds the digest of the one before.
 *
 * The digest of a record is the SHA-256 of its canonical JSON (RFC 8785) without the digest itself.
 * Whoever changes, removes or inserts a record must make all later ones anew. What the chain alone
 * cannot show is that its end was cut off, or that all of it was made anew: for that, keep a head
 * (index and digest) elsewhere and verify against it. (The construction is that of Schneier and
 * Kelsey, Secure Audit Logs to Support Computer Forensics, 1999, without its keys.)
 */
import { createHash } from "node:crypto";
import { type AuditRecord, type AuditVerification, canonicalJson } from "@suture/contract";

/** What the first record has for a digest before it. */
export const AUDIT_GENESIS = "0".repeat(64);

/** Index of the first record. */
export const AUDIT_FIRST_INDEX = 1;

export interface AuditHead {
  readonly index: number;
  readonly digest: string;
}

export interface AuditEntry {
  /** Milliseconds since 1970, UTC. */
  readonly at: number;
  /** An account, an API token, a device or the server itself. */
  readonly who: string;
  /** `rollout.approve` */
  readonly action: string;
  /** `rollout 0b6c…` */
  readonly object: string;
  readonly reason?: string;
  /** Anything that JSON has. */
  readonly detail?: unknown;
}

/** The next record after the head; the first one, where there is no head. */
export function appendToChain(head: AuditHead | undefined, entry: AuditEntry): AuditRecord {
  const { at, who, action, object, reason, detail } = entry;
  const record = {
    index: head === undefined ? AUDIT_FIRST_INDEX : head.index + 1,
    at: new Date(at).toISOString(),
    who,
    action,
    object,
    ...(reason !== undefined && { reason }),
    detail: detail ?? {},
    previous: head?.digest ?? AUDIT_GENESIS,
  };
  return { ...record, digest: digestOf(record) };
}

const digestOf = (record: Omit<AuditRecord, "digest">): string =>
  createHash("sha256").update(canonicalJson(record)).digest("hex");

export interface VerifyOptions {
  /** The record before the first one given, when only a part of the chain is verified. */
  readonly after?: AuditHead;
  /** What the chain must reach and contain, kept elsewhere. */
  readonly expected?: AuditHead;
}

/**
 * Whether the records, in their order, are one unbroken chain; or the index at which the first one
 * stands or should stand that does not fit. Records without JSON for their detail do not fit.
 */
export function verifyChain(
  records: Iterable<AuditRecord>,
  { after, expected }: VerifyOptions = {},
): AuditVerification {
  let head = after;
  let count = 0;
  for (const record of records) {
    count++;
    const index = head === undefined ? AUDIT_FIRST_INDEX : head.index + 1;
    const fits =
      record.index === index &&
      record.previous === (head?.digest ?? AUDIT_GENESIS) &&
      (expected?.index !== index || expected.digest === record.digest) &&
      isIntact(record);
    if (!fits) return brokenAt(index, count, head);
    head = { index, digest: record.digest };
  }
  const reached = head?.index ?? AUDIT_FIRST_INDEX - 1;
  if (expected !== undefined && reached < expected.index) return brokenAt(reached + 1, count, head);
  return { records: count, intact: true, head: head?.digest ?? AUDIT_GENESIS };
}

const brokenAt = (
  index: number,
  records: number,
  head: AuditHead | undefined,
): AuditVerification => ({
  records,
  intact: false,
  brokenAt: index,
  head: head?.digest ?? AUDIT_GENESIS,
});

function isIntact({ digest, ...record }: AuditRecord): boolean {
  try {
    return digestOf(record) === digest;
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) return false;
    throw error;
  }
}
