/**
 * What a process is, read from /proc with code of its own: a check that shares its reader with
 * what it checks would share its mistakes.
 */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** One line of /proc/PID/maps (proc_pid_maps(5)). */
export interface MappedRange {
  readonly line: string;
  readonly start: number;
  readonly end: number;
  /** Such as `r-xp`. */
  readonly permissions: string;
  readonly offset: number;
  readonly inode: number;
  readonly path: string;
}

/** A loaded program or library: where it stands, and what to add to its file's addresses. */
export interface MappedModule {
  readonly path: string;
  readonly bias: number;
}

/** How the kernel names memory of hotpatches. */
export const HOTPATCH_PATH = "/memfd:suture:";

const FORM = /^([0-9a-f]+)-([0-9a-f]+) (\S{4}) ([0-9a-f]+) \S+ (\d+) *(.*)$/;

/** The mappings in ascending order, without the vsyscall page; empty where the process has ended. */
export function readRanges(pid: number): MappedRange[] {
  const lines = readProcFile(`/proc/${pid}/maps`).split("\n");
  return lines.flatMap((line) => {
    const [, start = "", end = "", permissions = "", offset = "", inode = "", path = ""] =
      FORM.exec(line) ?? [];
    if (start === "" || path === "[vsyscall]") return [];
    return [
      {
        line,
        start: Number.parseInt(start, 16),
        end: Number.parseInt(end, 16),
        permissions,
        offset: Number.parseInt(offset, 16),
        inode: Number(inode),
        path,
      },
    ];
  });
}

/** A file of /proc as text; empty where the process has ended. */
export function readProcFile(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (error) {
    if (hasEnded(error)) return "";
    throw error;
  }
}

/** What the kernel says of a process that is no more. */
export const hasEnded = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH");

/** Reads the memory of one process. `close` gives the descriptor back. */
export interface MemoryReader {
  /** A copy, or undefined where not all of it can be read: unmapped, or the process has ended. */
  readonly read: (address: number, size: number) => Buffer | undefined;
  readonly close: () => void;
}

/** Opens /proc/PID/mem for reading; undefined where the process has ended. */
export function openMemory(pid: number): MemoryReader | undefined {
  let file: number;
  try {
    file = openSync(`/proc/${pid}/mem`, "r");
  } catch (error) {
    if (hasEnded(error)) return undefined;
    throw error;
  }
  return { read: (address, size) => readAll(file, address, size), close: () => closeSync(file) };
}

function readAll(file: number, address: number, size: number): Buffer | undefined {
  const bytes = Buffer.allocUnsafe(size);
  try {
    for (let at = 0; at < size; ) {
      const count = readSync(file, bytes, at, size - at, address + at);
      if (count === 0) return undefined;
      at += count;
    }
    return bytes;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EIO") return undefined;
    throw error;
  }
}

/** The file behind a range, also where it was deleted; empty where the process has ended. */
export function readMappedFile(pid: number, { start, end }: MappedRange): Uint8Array {
  try {
    return readFileSync(`/proc/${pid}/map_files/${start.toString(16)}-${end.toString(16)}`);
  } catch (error) {
    if (hasEnded(error)) return new Uint8Array();
    throw error;
  }
}

/** The module whose Build-ID, as its memory has it, is `buildId`. */
export function findModule(
  ranges: readonly MappedRange[],
  memory: MemoryReader,
  buildId: string,
): MappedModule | undefined {
  for (const { start, end, offset, inode, path } of ranges) {
    if (offset !== 0 || inode === 0 || path.startsWith(HOTPATCH_PATH)) continue;
    const found = readHeader({ start, end }, memory);
    if (found?.buildId === buildId) return { path: withoutMark(path), bias: found.bias };
  }
  return undefined;
}

/** The loaded file that an address lies in, with the range that begins it. */
export function moduleAt(
  ranges: readonly MappedRange[],
  memory: MemoryReader,
  address: number,
): (MappedModule & { readonly first: MappedRange }) | undefined {
  const index = ranges.findIndex(({ start, end }) => start <= address && address < end);
  if (ranges[index]?.path.startsWith("[")) return undefined; // The vdso, say: of no file.
  // What is zero at first stands behind the file's own ranges, without a file.
  const last = ranges.slice(0, index + 1).findLast(({ inode }) => inode !== 0);
  const first = ranges.slice(0, index + 1).findLast(({ inode, path, offset }) => {
    return inode === last?.inode && path === last.path && offset === 0;
  });
  const header = first && readHeader(first, memory);
  return header && first && { path: withoutMark(first.path), bias: header.bias, first };
}

const withoutMark = (path: string): string => path.replace(/ \(deleted\)$/, "");

/** Whether the process has a file with this Build-ID loaded; false where it has ended. */
export function mapsModule(pid: number, buildId: string): boolean {
  const memory = openMemory(pid);
  if (memory === undefined) return false;
  try {
    return findModule(readRanges(pid), memory, buildId) !== undefined;
  } finally {
    memory.close();
  }
}

/** A page: program headers stand at a file's beginning. */
const HEADER_SIZE = 4096;
const PAGE_SIZE = 4096;
const ELF_MAGIC = "7f454c460201";
const PT_LOAD = 1;
const PT_NOTE = 4;
const NT_GNU_BUILD_ID = 3;

/** Bias and Build-ID of the ELF file whose beginning is mapped there. */
function readHeader(
  { start, end }: { readonly start: number; readonly end: number },
  memory: MemoryReader,
): { readonly bias: number; readonly buildId?: string } | undefined {
  const header = memory.read(start, Math.min(end - start, HEADER_SIZE));
  if (header === undefined) return undefined;
  if (header.toString("hex", 0, 6) !== ELF_MAGIC || header.length < 64) return undefined;
  const table = Number(header.readBigUInt64LE(32));
  const count = header.readUInt16LE(56);
  if (table + count * 56 > header.length) return undefined;
  const segments = Array.from({ length: count }, (_, index) => {
    const at = table + index * 56;
    return {
      type: header.readUInt32LE(at),
      offset: Number(header.readBigUInt64LE(at + 8)),
      address: Number(header.readBigUInt64LE(at + 16)),
      size: Number(header.readBigUInt64LE(at + 32)),
    };
  });
  const first = segments.find(({ type, offset }) => type === PT_LOAD && offset < PAGE_SIZE);
  if (first === undefined) return undefined;
  const bias = start - (first.address - first.offset);
  for (const { type, address, size } of segments) {
    if (type !== PT_NOTE || size > HEADER_SIZE) continue;
    const notes = memory.read(bias + address, size);
    const buildId = notes && findBuildId(notes);
    if (buildId !== undefined) return { bias, buildId };
  }
  return { bias };
}

function findBuildId(notes: Buffer): string | undefined {
  const align = (value: number): number => Math.ceil(value / 4) * 4;
  for (let at = 0; at + 12 <= notes.length; ) {
    const nameSize = notes.readUInt32LE(at);
    const size = notes.readUInt32LE(at + 4);
    const content = align(at + 12 + nameSize);
    const isGnu = notes.toString("latin1", at + 12, at + 12 + nameSize) === "GNU\0";
    if (isGnu && notes.readUInt32LE(at + 8) === NT_GNU_BUILD_ID) {
      return notes.toString("hex", content, content + size);
    }
    at = align(content + size);
  }
  return undefined;
}
