/** The Build-ID of a file, read from its notes alone: programs are large, and there are many. */
import { elfHeaderBytesMax } from "../limits.ts";

/** Reads `size` bytes at `offset`, or fewer where the file ends. */
export type ReadAt = (offset: number, size: number) => Uint8Array;

const PT_NOTE = 4;
const NT_GNU_BUILD_ID = 3;
const buildIdBytesMax = 64;

/**
 * The Build-ID (System V gABI, chapter 5, "Note Section"; NT_GNU_BUILD_ID of binutils) in
 * hexadecimal; undefined for what is no little-endian ELF64 file or has none.
 */
export function readBuildId(readAt: ReadAt): string | undefined {
  const header = viewOf(readAt(0, 64));
  if (header.byteLength < 64 || header.getUint32(0) !== 0x7f454c46) return undefined;
  if (header.getUint8(4) !== 2 || header.getUint8(5) !== 1) return undefined;
  const offset = offsetAt(header, 32);
  const entrySize = header.getUint16(54, true);
  const count = header.getUint16(56, true);
  const size = entrySize * count;
  if (offset === undefined || entrySize < 56 || size > elfHeaderBytesMax) return undefined;
  const table = viewOf(readAt(offset, size));
  for (let at = 0; at + 56 <= table.byteLength; at += entrySize) {
    if (table.getUint32(at, true) !== PT_NOTE) continue;
    const begin = offsetAt(table, at + 8);
    const length = offsetAt(table, at + 32);
    if (begin === undefined || length === undefined || length > elfHeaderBytesMax) continue;
    const found = buildIdIn(viewOf(readAt(begin, length)));
    if (found !== undefined) return found;
  }
  return undefined;
}

/** One note after the other: sizes of name and content, type, "GNU\0", content. */
function buildIdIn(notes: DataView): string | undefined {
  for (let at = 0; at + 12 <= notes.byteLength; ) {
    const nameSize = notes.getUint32(at, true);
    const contentSize = notes.getUint32(at + 4, true);
    const type = notes.getUint32(at + 8, true);
    const content = at + 12 + ((nameSize + 3) & ~3);
    if (nameSize > notes.byteLength || content + contentSize > notes.byteLength) return undefined;
    const isGnu = nameSize === 4 && notes.getUint32(at + 12) === 0x474e5500;
    if (isGnu && type === NT_GNU_BUILD_ID && contentSize >= 8 && contentSize <= buildIdBytesMax) {
      const bytes = new Uint8Array(notes.buffer, notes.byteOffset + content, contentSize);
      return Buffer.from(bytes).toString("hex");
    }
    at = content + ((contentSize + 3) & ~3);
  }
  return undefined;
}

function offsetAt(view: DataView, at: number): number | undefined {
  const value = view.getBigUint64(at, true);
  return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : undefined;
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
