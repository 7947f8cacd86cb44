/** Memory before and after: what a hotpatch may not leave behind. */
import { createHash } from "node:crypto";
import { readdirSync, readlinkSync } from "node:fs";
import { formatAddress } from "../engine.ts";
import {
  HOTPATCH_PATH,
  hasEnded,
  type MappedRange,
  type MemoryReader,
  readRanges,
} from "./process-view.ts";

export interface MemoryState {
  readonly ranges: readonly MappedRange[];
  /** SHA-256 of each range that a process does not change, by its line. */
  readonly digests: ReadonlyMap<string, string>;
  readonly bytesRead: number;
}

/** Read at once: a whole library is not held in memory. */
const CHUNK_SIZE = 4 * 2 ** 20;

/** Code, whoever made it, and what is mapped of files and is not writable. */
const isCompared = ({ permissions, inode, path }: MappedRange): boolean =>
  permissions.startsWith("r") &&
  (permissions[2] === "x" || (inode !== 0 && permissions[1] !== "w")) &&
  !path.startsWith("[vvar");

/** The mappings, and the digests of those that stay as they are. */
export function readMemoryState(pid: number, memory: MemoryReader): MemoryState {
  const ranges = readRanges(pid);
  const digests = new Map<string, string>();
  let bytesRead = 0;
  for (const range of ranges) {
    if (!isCompared(range)) continue;
    digests.set(range.line, digestOf(range, memory));
    bytesRead += range.end - range.start;
  }
  return { ranges, digests, bytesRead };
}

function digestOf({ start, end }: MappedRange, memory: MemoryReader): string {
  const hash = createHash("sha256");
  for (let at = start; at < end; at += CHUNK_SIZE) {
    const bytes = memory.read(at, Math.min(CHUNK_SIZE, end - at));
    // Behind a file's end there are pages that nobody can read: they are alike before and after.
    if (bytes === undefined) return `${hash.digest("hex")} up to ${formatAddress(at)}`;
    hash.update(bytes);
  }
  return hash.digest("hex");
}

/**
 * The differences, each a sentence; none where memory is as it was.
 *
 * With `runs` the program itself works meanwhile, and may map and unmap what it likes: then only
 * the ranges whose content counts are compared, and memory of hotpatches is looked for.
 */
export function compareMemory(
  before: MemoryState,
  after: MemoryState,
  { runs }: { readonly runs: boolean },
): string[] {
  const earlier = new Set(before.ranges.map(({ line }) => line));
  const later = new Set(after.ranges.map(({ line }) => line));
  const left = after.ranges.filter(({ line, path }) => {
    return path.startsWith(HOTPATCH_PATH) && !earlier.has(line);
  });
  const gone = before.ranges.filter(({ line }) => {
    return !later.has(line) && (!runs || before.digests.has(line));
  });
  const added = after.ranges.filter(({ line, path }) => {
    return !earlier.has(line) && !runs && !path.startsWith(HOTPATCH_PATH);
  });
  const changed = [...before.digests].filter(([line, digest]) => {
    return later.has(line) && after.digests.get(line) !== digest;
  });
  return [
    ...left.map(({ line }) => `the hotpatch's memory is still mapped: ${line}`),
    ...gone.map(({ line }) => `a mapping is gone: ${line}`),
    ...added.map(({ line }) => `a mapping is new: ${line}`),
    ...changed.map(([line]) => `the content changed: ${line}`),
  ];
}

/** Files of hotpatches that the process holds open. */
export function openHotpatchFiles(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((descriptor) => {
      const path = linkOf(`/proc/${pid}/fd/${descriptor}`);
      return path.startsWith(HOTPATCH_PATH) ? [`descriptor ${descriptor} is open: ${path}`] : [];
    });
  } catch (error) {
    if (hasEnded(error)) return [];
    throw error;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch (error) {
    if (hasEnded(error)) return "";
    throw error;
  }
}
