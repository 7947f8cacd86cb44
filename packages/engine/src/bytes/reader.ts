import { FormatError } from "./format-error.ts";

/**
 * Bounds-checked little-endian reads. Every method throws FormatError instead of reading
 * outside the bytes; offsets that are no non-negative integers count as outside.
 */
export interface ByteReader {
  readonly size: number;
  u8(offset: number): number;
  u16(offset: number): number;
  u32(offset: number): number;
  i32(offset: number): number;
  /** Refuses values of 2^53 and more, which a number cannot hold exactly. */
  u64(offset: number): number;
  /** Refuses values outside +-2^53. */
  i64(offset: number): number;
  u64big(offset: number): bigint;
  /** A view of the same memory, not a copy. */
  bytes(offset: number, size: number): Uint8Array;
  /** The UTF-8 text up to the next zero byte, which must stand before `end`. */
  cstring(offset: number, end?: number): string;
}

const HIGH_MAX = 0x1f_ffff;
const HIGH_MIN = -0x20_0000;

/** Reads of `bytes`; `what` names the input in errors. */
export function createReader(bytes: Uint8Array, what: string): ByteReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = bytes.byteLength;
  const check = (offset: number, count: number): void => {
    if (!(Number.isSafeInteger(offset) && offset >= 0 && count >= 0 && offset + count <= size)) {
      throw outside(what, { offset, count, size });
    }
  };
  return {
    size,
    u8(offset) {
      check(offset, 1);
      return view.getUint8(offset);
    },
    u16(offset) {
      check(offset, 2);
      return view.getUint16(offset, true);
    },
    u32(offset) {
      check(offset, 4);
      return view.getUint32(offset, true);
    },
    i32(offset) {
      check(offset, 4);
      return view.getInt32(offset, true);
    },
    u64(offset) {
      check(offset, 8);
      const high = view.getUint32(offset + 4, true);
      if (high > HIGH_MAX) throw tooLarge(what, offset, view.getBigUint64(offset, true));
      return high * 0x1_0000_0000 + view.getUint32(offset, true);
    },
    i64(offset) {
      check(offset, 8);
      const high = view.getInt32(offset + 4, true);
      const value = high * 0x1_0000_0000 + view.getUint32(offset, true);
      if (high > HIGH_MAX || high < HIGH_MIN || !Number.isSafeInteger(value)) {
        throw tooLarge(what, offset, view.getBigInt64(offset, true));
      }
      return value;
    },
    u64big(offset) {
      check(offset, 8);
      return view.getBigUint64(offset, true);
    },
    bytes(offset, count) {
      check(offset, count);
      return bytes.subarray(offset, offset + count);
    },
    cstring(offset, end = size) {
      check(offset, 1);
      const stop = bytes.indexOf(0, offset);
      if (stop < 0 || stop >= end) {
        throw new FormatError({ what, offset, expected: "a string ended by 0", found: "no end" });
      }
      return decodeUtf8(bytes, offset, stop);
    },
  };
}

/** UTF-8 text of a range; bytes that are not UTF-8 become U+FFFD. */
export function decodeUtf8(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
}

const outside = (what: string, at: { offset: number; count: number; size: number }): FormatError =>
  new FormatError({
    what,
    offset: at.offset,
    expected: `${at.count} bytes`,
    found: `an end at ${at.size}`,
  });

const tooLarge = (what: string, offset: number, value: bigint): FormatError =>
  new FormatError({ what, offset, expected: "a number within 2^53", found: `${value}` });
