import { FormatError } from "./format-error.ts";
import { type ByteReader, createReader } from "./reader.ts";

/**
 * Reads values one after the other. The position moves only by reading and `seek`; reading
 * at or beyond `end` throws FormatError.
 */
export interface ByteCursor {
  readonly offset: number;
  readonly end: number;
  /** Continue at `offset`, and do not read beyond `end`. Both must lie within the bytes. */
  seek(offset: number, end?: number): void;
  u8(): number;
  u16(): number;
  u32(): number;
  u64(): number;
  i8(): number;
  i16(): number;
  i32(): number;
  i64(): number;
  /** An unsigned LEB128 number below 2^53 (DWARF 5, 7.6). */
  uleb(): number;
  /** A signed LEB128 number within +-2^53. */
  sleb(): number;
  /** A view of the next bytes. */
  bytes(size: number): Uint8Array;
  /** UTF-8 text up to the next zero byte, which is skipped. */
  cstring(): string;
}

/** A cursor over all of `bytes`, which errors call `what`. */
export function createCursor(bytes: Uint8Array, what: string): ByteCursor {
  const reader = createReader(bytes, what);
  let at = 0;
  let limit = bytes.length;
  /** Moves past `size` bytes and says where they begin. */
  const take = (size: number): number => {
    if (!(size >= 0) || at + size > limit) throw atEnd(what, { at, size, limit });
    const start = at;
    at += size;
    return start;
  };
  return {
    get offset() {
      return at;
    },
    get end() {
      return limit;
    },
    seek(offset, end = bytes.length) {
      if (!(offset >= 0 && offset <= end && end <= bytes.length)) {
        throw atEnd(what, { at: offset, size: 0, limit: Math.min(end, bytes.length) });
      }
      at = offset;
      limit = end;
    },
    u8: () => reader.u8(take(1)),
    u16: () => reader.u16(take(2)),
    u32: () => reader.u32(take(4)),
    u64: () => reader.u64(take(8)),
    i8: () => (reader.u8(take(1)) << 24) >> 24,
    i16: () => (reader.u16(take(2)) << 16) >> 16,
    i32: () => reader.i32(take(4)),
    i64: () => reader.i64(take(8)),
    uleb: () => leb(reader, take, { what, signed: false }),
    sleb: () => leb(reader, take, { what, signed: true }),
    bytes: (size) => reader.bytes(take(size), size),
    cstring() {
      const text = reader.cstring(at, limit);
      at = bytes.indexOf(0, at) + 1;
      return text;
    },
  };
}

/** Ten bytes hold 64 bits; more are padding that no assembler emits. */
const LEB_SIZE_MAX = 10;
/** Seven bytes hold 49 bits, which numbers add up exactly. */
const LEB_SIZE_EXACT = 7;

function leb(
  reader: ByteReader,
  take: (size: number) => number,
  { what, signed }: { what: string; signed: boolean },
): number {
  const start = take(0);
  let value = 0;
  let scale = 1;
  for (let size = 1; size <= LEB_SIZE_MAX; size++) {
    const byte = reader.u8(take(1));
    value += (byte & 0x7f) * scale;
    scale *= 128;
    if (byte >= 0x80) continue;
    if (size > LEB_SIZE_EXACT) return longLeb(reader, { what, signed, start, size });
    return signed && (byte & 0x40) !== 0 ? value - scale : value;
  }
  throw new FormatError({
    what,
    offset: start,
    expected: "at most 10 LEB128 bytes",
    found: "more",
  });
}

function longLeb(
  reader: ByteReader,
  at: { what: string; signed: boolean; start: number; size: number },
): number {
  let value = 0n;
  for (let index = 0; index < at.size; index++) {
    value |= BigInt(reader.u8(at.start + index) & 0x7f) << BigInt(7 * index);
  }
  const number = Number(at.signed ? BigInt.asIntN(Math.min(64, 7 * at.size), value) : value);
  if (Number.isSafeInteger(number)) return number;
  throw new FormatError({
    what: at.what,
    offset: at.start,
    expected: "a number within 2^53",
    found: `${value}`,
  });
}

const atEnd = (what: string, { at, size, limit }: { at: number; size: number; limit: number }) =>
  new FormatError({ what, offset: at, expected: `${size} bytes`, found: `an end at ${limit}` });
