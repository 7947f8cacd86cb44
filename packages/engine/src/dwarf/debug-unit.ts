/** Headers of units in .debug_info and .debug_types (DWARF 5, section 7.5.1). */
import type { ByteCursor } from "../bytes/cursor.ts";
import { FormatError } from "../bytes/format-error.ts";
import type { UnitEncoding } from "./attribute-form.ts";
import { DW_UT } from "./debug-constants.ts";

export interface DebugUnit extends UnitEncoding {
  /** Which of the object's sections it is in. */
  readonly ordinal: number;
  /** Where the unit begins and ends in its section. */
  readonly start: number;
  readonly end: number;
  readonly abbreviationOffset: number;
  /** Of a type unit. */
  readonly signature: bigint | undefined;
  /** Where the type of a type unit is, from the start of the unit. */
  readonly typeOffset: number;
  /** DW_AT_str_offsets_base, known when the unit's own entry was read. */
  stringOffsetsBase: number | undefined;
}

/** Units end here in the 32-bit format; above are escapes (DWARF 5, section 7.4). */
const LENGTH_ESCAPE = 0xffff_ffff;

/**
 * Reads the header at the cursor, which then stands at the unit's first entry. The cursor may not
 * read beyond the unit afterwards. `holdsTypes` is true for .debug_types, where DWARF 4 puts type
 * units. Throws FormatError for versions other than 2 to 5.
 */
export function parseUnitHeader(
  cursor: ByteCursor,
  { ordinal, holdsTypes }: { readonly ordinal: number; readonly holdsTypes: boolean },
): DebugUnit {
  const start = cursor.offset;
  const short = cursor.u32();
  const offsetSize = short === LENGTH_ESCAPE ? 8 : 4;
  const length = short === LENGTH_ESCAPE ? cursor.u64() : short;
  const end = cursor.offset + length;
  cursor.seek(cursor.offset, end);
  const version = cursor.u16();
  if (version < 2 || version > 5) {
    throw new FormatError({
      what: ".debug_info",
      offset: start,
      expected: "DWARF version 2 to 5",
      found: `${version}`,
    });
  }
  const readOffset = (): number => (offsetSize === 8 ? cursor.u64() : cursor.u32());
  const readSignature = (): bigint => BigInt(cursor.u32()) + (BigInt(cursor.u32()) << 32n);
  const common = { ordinal, start, end, version, offsetSize, stringOffsetsBase: undefined };
  if (version < 5) {
    const abbreviationOffset = readOffset();
    const addressSize = cursor.u8();
    const unit = { ...common, addressSize, abbreviationOffset, ...NO_TYPE };
    return holdsTypes ? { ...unit, signature: readSignature(), typeOffset: readOffset() } : unit;
  }
  const kind = cursor.u8();
  const addressSize = cursor.u8();
  const abbreviationOffset = readOffset();
  const unit = { ...common, addressSize, abbreviationOffset, ...NO_TYPE };
  if (kind === DW_UT.DW_UT_type || kind === DW_UT.DW_UT_split_type) {
    return { ...unit, signature: readSignature(), typeOffset: readOffset() };
  }
  if (kind === DW_UT.DW_UT_skeleton || kind === DW_UT.DW_UT_split_compile) readSignature();
  return unit;
}

const NO_TYPE = { signature: undefined, typeOffset: 0 };
