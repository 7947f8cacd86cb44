/**
 * A durable list of records in one file that only grows.
 *
 *     3f0a91c2 {"kind":"intent","number":7,...}
 *     CRC-32   one JSON object, one line
 *
 * A record is on the disk (fdatasync) when `append` returns. A crash in the middle of a write
 * leaves a torn last line, which the next opening cuts off: what it said had not happened yet.
 * Damage before the end is another matter: the disk or somebody changed the file. Then the file is
 * kept aside, every line that is whole is taken over, and the caller is told.
 *
 * Everything is synchronous: what comes after an intent must not begin before the intent stands.
 */
import {
  closeSync,
  copyFileSync,
  fdatasyncSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { crc32 } from "node:zlib";
import { AgentError } from "../errors.ts";
import { isObject } from "../fields.ts";
import { recordBytesMax } from "../limits.ts";

export interface Journal<Entry> {
  /**
   * Makes records durable, all or none. Throws AgentError `disk-full`; the file is then as before.
   */
  readonly append: (...entries: readonly Entry[]) => void;
  /** Replaces all records in one step. Throws AgentError `disk-full`. */
  readonly rewrite: (entries: readonly Entry[]) => void;
  readonly size: () => number;
  readonly close: () => void;
}

export interface OpenedJournal<Entry> {
  readonly journal: Journal<Entry>;
  /** The records that were there. */
  readonly entries: readonly Entry[];
  /** Where the damaged file was put, if the file was damaged before its end. */
  readonly setAside?: string;
}

export interface JournalOptions<Entry> {
  readonly path: string;
  /** Undefined for what is no entry. */
  readonly parse: (value: unknown) => Entry | undefined;
  readonly faultPoint?: (name: string) => void;
}

/** Opens the journal, or begins one. Only its user can read it. */
export function openJournal<Entry>(options: JournalOptions<Entry>): OpenedJournal<Entry> {
  const { path, parse } = options;
  const faultPoint = options.faultPoint ?? (() => {});
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const found = readRecords(path, parse);
  const setAside = found.isDamaged ? `${path}.damaged-${found.digest}` : undefined;
  if (setAside !== undefined) copyFileSync(path, setAside);
  let file = openSync(path, "a", 0o600);
  let size = found.goodBytes;
  ftruncateSync(file, size);
  const append = (entries: readonly Entry[]): void => {
    const bytes = Buffer.from(entries.map(lineOf).join(""));
    try {
      writeWhole(file, bytes);
      faultPoint("journal-written");
      fdatasyncSync(file);
    } catch (cause) {
      ftruncateSync(file, size);
      throw asDiskFull(cause, path);
    }
    size += bytes.length;
    faultPoint("journal-durable");
  };
  const rewrite = (entries: readonly Entry[]): void => {
    const bytes = Buffer.from(entries.map(lineOf).join(""));
    replaceFile(path, bytes);
    closeSync(file);
    file = openSync(path, "a", 0o600);
    size = bytes.length;
  };
  if (setAside !== undefined) rewrite(found.entries);
  return {
    entries: found.entries,
    ...(setAside !== undefined && { setAside }),
    journal: {
      append: (...entries) => append(entries),
      rewrite,
      size: () => size,
      close: () => closeSync(file),
    },
  };
}

interface FoundRecords<Entry> {
  readonly entries: readonly Entry[];
  readonly goodBytes: number;
  readonly isDamaged: boolean;
  readonly digest: string;
}

function readRecords<Entry>(
  path: string,
  parse: JournalOptions<Entry>["parse"],
): FoundRecords<Entry> {
  const bytes = readIfThere(path);
  const entries: Entry[] = [];
  let goodBytes = 0;
  let damagedLines = 0;
  for (let begin = 0; begin < bytes.length; ) {
    const end = bytes.indexOf(10, begin);
    // Torn: the newline is a record's last byte.
    if (end < 0) break;
    const entry = parseLine(bytes.toString("utf8", begin, end), parse);
    begin = end + 1;
    if (entry === undefined) {
      damagedLines += 1;
      continue;
    }
    entries.push(entry);
    goodBytes = begin;
  }
  // Bad lines with nothing good behind them: a torn write of several blocks.
  const lastNewline = bytes.lastIndexOf(10) + 1;
  const tornLines = bytes.toString("utf8", goodBytes, lastNewline).split("\n").length - 1;
  const isDamaged = damagedLines > tornLines;
  return { entries, goodBytes, isDamaged, digest: crc32(bytes).toString(16) };
}

function parseLine<Entry>(line: string, parse: (value: unknown) => Entry | undefined) {
  const json = line.slice(9);
  if (line.length > recordBytesMax || line.slice(0, 9) !== `${checksumOf(json)} `) return undefined;
  try {
    const value: unknown = JSON.parse(json);
    return isObject(value) ? parse(value) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function lineOf(entry: unknown): string {
  const json = JSON.stringify(entry);
  return `${checksumOf(json)} ${json}\n`;
}

const checksumOf = (text: string): string => crc32(text).toString(16).padStart(8, "0");

export function readIfThere(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") {
      return Buffer.alloc(0);
    }
    throw error;
  }
}

function writeWhole(file: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
}

/** Writes beside the file, makes it durable and puts it in place. Throws AgentError `disk-full`. */
export function replaceFile(path: string, bytes: Uint8Array): void {
  const temporary = `${path}.new`;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const file = openSync(temporary, "w", 0o600);
    try {
      writeWhole(file, bytes);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    const folder = openSync(dirname(path), "r");
    try {
      fsyncSync(folder);
    } finally {
      closeSync(folder);
    }
  } catch (cause) {
    throw asDiskFull(cause, path);
  }
}

const DISK_FULL: readonly unknown[] = ["ENOSPC", "EDQUOT", "EFBIG"];

/** AgentError `disk-full` for an error that says so; any other as it is. */
export function asDiskFull(cause: unknown, path: string): unknown {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (!DISK_FULL.includes(code)) return cause;
  return new AgentError("disk-full", path, String(code), { cause });
}
