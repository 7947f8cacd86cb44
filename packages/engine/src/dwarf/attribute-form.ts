/** Values of attributes by their form (DWARF 5, section 7.5.6). */
import type { ByteCursor } from "../bytes/cursor.ts";
import { FormatError } from "../bytes/format-error.ts";
import type { AttributeShape } from "./abbreviation.ts";
import { DW_FORM as F } from "./debug-constants.ts";

/** What the encoding of a unit's attributes depends on. */
export interface UnitEncoding {
  readonly version: number;
  readonly addressSize: number;
  /** 4, or 8 in the 64-bit format. */
  readonly offsetSize: number;
}

/** An integer of up to 64 bits: a bigint only where a number cannot hold it exactly. */
export type DebugNumber = number | bigint;

/** How a value is meant, beyond its number: an offset or an index of something. */
export type AttributeValue =
  | { readonly kind: "number"; readonly value: DebugNumber }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array }
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "string-offset"; readonly offset: number; readonly line: boolean }
  | { readonly kind: "string-index"; readonly index: number }
  /** Of an entry, from the start of the unit. */
  | { readonly kind: "in-unit"; readonly offset: number }
  /** Of an entry, from the start of the section. */
  | { readonly kind: "in-section"; readonly offset: number }
  | { readonly kind: "signature"; readonly signature: bigint }
  /** Something that only other files or sections explain. */
  | { readonly kind: "elsewhere" };

const ELSEWHERE: AttributeValue = { kind: "elsewhere" };

/** Reads one value. Throws FormatError for unknown forms, whose size nobody can tell. */
export function readAttribute(
  cursor: ByteCursor,
  { form, implicit }: Omit<AttributeShape, "name">,
  unit: UnitEncoding,
): AttributeValue {
  switch (form) {
    case F.DW_FORM_data1:
    case F.DW_FORM_flag:
      return numberOf(cursor.u8());
    case F.DW_FORM_data2:
      return numberOf(cursor.u16());
    case F.DW_FORM_data4:
      return numberOf(cursor.u32());
    case F.DW_FORM_data8:
      return numberOf(narrow(readU64(cursor)));
    case F.DW_FORM_udata:
      return numberOf(readLeb(cursor, false));
    case F.DW_FORM_sdata:
      return numberOf(readLeb(cursor, true));
    case F.DW_FORM_implicit_const:
      return numberOf(implicit);
    case F.DW_FORM_flag_present:
      return numberOf(1);
    case F.DW_FORM_string:
      return { kind: "text", text: cursor.cstring() };
    case F.DW_FORM_strp:
      return { kind: "string-offset", offset: readOffset(cursor, unit), line: false };
    case F.DW_FORM_line_strp:
      return { kind: "string-offset", offset: readOffset(cursor, unit), line: true };
    case F.DW_FORM_exprloc:
    case F.DW_FORM_block:
      return { kind: "bytes", bytes: cursor.bytes(cursor.uleb()) };
    case F.DW_FORM_block1:
      return { kind: "bytes", bytes: cursor.bytes(cursor.u8()) };
    case F.DW_FORM_block2:
      return { kind: "bytes", bytes: cursor.bytes(cursor.u16()) };
    case F.DW_FORM_block4:
      return { kind: "bytes", bytes: cursor.bytes(cursor.u32()) };
    case F.DW_FORM_ref1:
      return { kind: "in-unit", offset: cursor.u8() };
    case F.DW_FORM_ref2:
      return { kind: "in-unit", offset: cursor.u16() };
    case F.DW_FORM_ref4:
      return { kind: "in-unit", offset: cursor.u32() };
    case F.DW_FORM_ref8:
      return { kind: "in-unit", offset: cursor.u64() };
    case F.DW_FORM_ref_udata:
      return { kind: "in-unit", offset: cursor.uleb() };
    case F.DW_FORM_ref_addr:
      // In DWARF 2 it had the size of an address (DWARF 5, 7.5.6 and DWARF 2, 7.5.4).
      return {
        kind: "in-section",
        offset: unit.version < 3 ? readSized(cursor, unit.addressSize) : readOffset(cursor, unit),
      };
    case F.DW_FORM_ref_sig8:
      return { kind: "signature", signature: readU64(cursor) };
    case F.DW_FORM_indirect:
      return readIndirect(cursor, unit);
    default:
      return stringIndex(cursor, form) ?? skip(cursor, form, unit);
  }
}

const numberOf = (value: DebugNumber): AttributeValue => ({ kind: "number", value });

function readIndirect(cursor: ByteCursor, unit: UnitEncoding): AttributeValue {
  const at = cursor.offset;
  const form = cursor.uleb();
  // Neither of the two has a value in the entry (DWARF 5, 7.5.3).
  if (form === F.DW_FORM_indirect || form === F.DW_FORM_implicit_const) throw unknown(at, form);
  return readAttribute(cursor, { form, implicit: 0 }, unit);
}

function stringIndex(cursor: ByteCursor, form: number): AttributeValue | undefined {
  switch (form) {
    case F.DW_FORM_strx:
    case F.DW_FORM_GNU_str_index:
      return { kind: "string-index", index: cursor.uleb() };
    case F.DW_FORM_strx1:
      return { kind: "string-index", index: cursor.u8() };
    case F.DW_FORM_strx2:
      return { kind: "string-index", index: cursor.u16() };
    case F.DW_FORM_strx3:
      return { kind: "string-index", index: cursor.u16() + cursor.u8() * 0x1_0000 };
    case F.DW_FORM_strx4:
      return { kind: "string-index", index: cursor.u32() };
    default:
      return undefined;
  }
}

function skip(cursor: ByteCursor, form: number, unit: UnitEncoding): AttributeValue {
  const size = otherSize(form, unit);
  if (size !== undefined) cursor.bytes(size);
  else if (LEB_FORMS.has(form)) readLeb(cursor, false);
  else throw unknown(cursor.offset, form);
  return ELSEWHERE;
}

const LEB_FORMS: ReadonlySet<number> = new Set([
  F.DW_FORM_addrx,
  F.DW_FORM_loclistx,
  F.DW_FORM_rnglistx,
  F.DW_FORM_GNU_addr_index,
]);

function otherSize(form: number, { addressSize, offsetSize }: UnitEncoding): number | undefined {
  switch (form) {
    case F.DW_FORM_addr:
      return addressSize;
    case F.DW_FORM_sec_offset:
    case F.DW_FORM_strp_sup:
    case F.DW_FORM_GNU_ref_alt:
    case F.DW_FORM_GNU_strp_alt:
      return offsetSize;
    case F.DW_FORM_data16:
      return 16;
    case F.DW_FORM_ref_sup8:
      return 8;
    case F.DW_FORM_ref_sup4:
    case F.DW_FORM_addrx4:
      return 4;
    case F.DW_FORM_addrx3:
      return 3;
    case F.DW_FORM_addrx2:
      return 2;
    case F.DW_FORM_addrx1:
      return 1;
    default:
      return undefined;
  }
}

const readOffset = (cursor: ByteCursor, { offsetSize }: UnitEncoding): number =>
  offsetSize === 8 ? cursor.u64() : cursor.u32();

const readSized = (cursor: ByteCursor, size: number): number =>
  size === 8 ? cursor.u64() : cursor.u32();

const readU64 = (cursor: ByteCursor): bigint => {
  const low = cursor.u32();
  return BigInt(low) + (BigInt(cursor.u32()) << 32n);
};

const narrow = (value: bigint): DebugNumber => {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
};

/** Up to here the bits of a LEB128 number fit what JavaScript's operators shift. */
const LEB_BITS_FAST = 28;

/** A LEB128 number of any size up to 64 bits, which constants of the source may need. */
function readLeb(cursor: ByteCursor, signed: boolean): DebugNumber {
  const start = cursor.offset;
  let low = 0;
  let high = 0n;
  for (let bits = 7; bits <= 70; bits += 7) {
    const byte = cursor.u8();
    const negative = signed && (byte & 0x40) !== 0;
    if (bits <= LEB_BITS_FAST) low |= (byte & 0x7f) << (bits - 7);
    else high |= BigInt(byte & 0x7f) << BigInt(bits - 7);
    if (byte >= 0x80) continue;
    if (bits <= LEB_BITS_FAST) return negative ? low - 2 ** bits : low;
    const all = high | BigInt(low);
    return narrow(negative ? BigInt.asIntN(Math.min(64, bits), all) : BigInt.asUintN(64, all));
  }
  throw new FormatError({
    what: "debug entry",
    offset: start,
    expected: "at most 10 LEB128 bytes",
    found: "more",
  });
}

const unknown = (offset: number, form: number): FormatError =>
  new FormatError({
    what: "debug entry",
    offset,
    expected: "a known form",
    found: `DW_FORM 0x${form.toString(16)}`,
  });
