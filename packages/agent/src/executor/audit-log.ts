/**
 * The audit log of this machine: one JSON object a line, each with the hash of the one before.
 *
 * Whoever changes, removes or inserts a record must change every hash after it, so a copy of one
 * hash kept elsewhere (the check-in carries the newest) proves all that came before. The hash is
 * over the canonical JSON (RFC 8785) of the record without its own hash.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  createReadStream,
  fdatasyncSync,
  fstatSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { canonicalJson } from "@suture/contract";
import { AgentError } from "../errors.ts";
import { isObject } from "../fields.ts";
import { eventsAnswerMax, recordBytesMax } from "../limits.ts";
import type { AuditRecord, AuditVerifyAnswer, HistoryRequest } from "../messages.ts";
import { asDiskFull } from "./journal.ts";

export interface AuditEntry {
  readonly who: string;
  readonly what: string;
  readonly detail: Readonly<Record<string, unknown>>;
}

export interface AuditLog {
  /** Durable when it returns. Throws AgentError `disk-full`; nothing is written then. */
  readonly append: (entry: AuditEntry, now: Date) => AuditRecord;
  /** Index and hash of the newest record; index -1 and 64 zeros before the first. */
  readonly head: () => { readonly index: number; readonly hash: string };
  readonly read: (request: HistoryRequest) => Promise<readonly AuditRecord[]>;
  /** Reads the whole log and follows the hashes. */
  readonly verify: () => Promise<AuditVerifyAnswer>;
  readonly close: () => void;
}

const noHash = "0".repeat(64);

/** Opens the log, or begins one. A torn last line is cut off; a wrong one is for `verify` to tell. */
export function openAuditLog(path: string): AuditLog {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const file = openSync(path, "a+", 0o600);
  let size = wholeLines(file);
  ftruncateSync(file, size);
  let head = headOf(file, size);
  return {
    append: (entry, now) => {
      const { who, what, detail } = entry;
      const at = now.toISOString();
      const chained = { index: head.index + 1, at, who, what, detail, previous: head.hash };
      const record: AuditRecord = { ...chained, hash: hashOf(chained) };
      const bytes = Buffer.from(`${JSON.stringify(record)}\n`);
      if (bytes.length > recordBytesMax) throw new TypeError("an audit record that is too long");
      try {
        for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
        fdatasyncSync(file);
      } catch (cause) {
        ftruncateSync(file, size);
        throw asDiskFull(cause, path);
      }
      size += bytes.length;
      head = { index: record.index, hash: record.hash };
      return record;
    },
    head: () => head,
    read: async ({ after, countMax = 100 }) => {
      const count = Math.min(countMax, eventsAnswerMax);
      const first = after === undefined ? head.index - count : after;
      const records: AuditRecord[] = [];
      for await (const line of linesOf(path)) {
        const record = parseRecord(line);
        if (record !== undefined && record.index > first) records.push(record);
        if (records.length === count) break;
      }
      return records;
    },
    verify: async () => await verifyLines(linesOf(path), head),
    close: () => closeSync(file),
  };
}

async function verifyLines(
  lines: AsyncIterable<string>,
  head: { readonly index: number; readonly hash: string },
): Promise<AuditVerifyAnswer> {
  let index = 0;
  let previous = noHash;
  for await (const line of lines) {
    const found = problemOf(parseRecord(line), index, previous);
    if (typeof found === "string") {
      return { records: index, head: previous, problem: { index, found } };
    }
    previous = found.hash;
    index += 1;
  }
  const answer = { records: index, head: previous };
  if (previous === head.hash && index === head.index + 1) return answer;
  const found = `it ends here, but the newest record is ${head.index}`;
  return { ...answer, problem: { index, found } };
}

function problemOf(
  record: AuditRecord | undefined,
  index: number,
  previous: string,
): AuditRecord | string {
  if (record === undefined) return "the line is no record";
  const { hash, ...chained } = record;
  if (record.index !== index) return `a record with index ${record.index}`;
  if (record.previous !== previous) return "it does not follow the record before";
  if (hash !== hashOf(chained)) return "its content does not have its hash";
  return record;
}

const hashOf = (chained: Omit<AuditRecord, "hash">): string =>
  createHash("sha256").update(canonicalJson(chained)).digest("hex");

/** Undefined for a line that has not the fields of a record, and no others. */
function parseRecord(line: string): AuditRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  if (!isObject(value)) return undefined;
  const { index, at, who, what, detail, previous, hash } = value;
  const texts = [at, who, what, previous, hash];
  if (!texts.every((text) => typeof text === "string")) return undefined;
  if (!Number.isSafeInteger(index) || !isObject(detail)) return undefined;
  if (Object.keys(value).length !== 7) return undefined;
  return value as unknown as AuditRecord;
}

const linesOf = (path: string): AsyncIterable<string> =>
  createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY });

/** Where the last line ends that is whole. */
function wholeLines(file: number): number {
  const { size } = fstatSync(file);
  const { bytes, begin } = tailOf(file, size);
  const end = bytes.lastIndexOf(10) + 1;
  if (end === 0 && begin > 0) throw new AgentError("audit-damaged", "audit log", "a line too long");
  return begin + end;
}

function headOf(file: number, size: number): { index: number; hash: string } {
  if (size === 0) return { index: -1, hash: noHash };
  const { bytes } = tailOf(file, size);
  const text = bytes.toString("utf8", bytes.lastIndexOf(10, bytes.length - 2) + 1);
  const record = parseRecord(text);
  if (record === undefined) {
    throw new AgentError("audit-damaged", "audit log", "the last line is no record");
  }
  return { index: record.index, hash: record.hash };
}

function tailOf(file: number, size: number): { bytes: Buffer; begin: number } {
  const begin = Math.max(0, size - 2 * recordBytesMax);
  const bytes = Buffer.alloc(size - begin);
  const count = readSync(file, bytes, 0, bytes.length, begin);
  return { bytes: bytes.subarray(0, count), begin };
}
