import { type FileAddr, fileAddr } from "../bytes/address.ts";
import type { ByteCursor } from "../bytes/cursor.ts";
import { FormatError } from "../bytes/format-error.ts";
import { DW_EH_PE } from "./constants.ts";

/**
 * A pointer in one of the encodings of LSB 10.5.1, read at the cursor.
 *
 * `sectionAddress` is where the cursor's bytes begin, for DW_EH_PE_pcrel; `dataAddress` is the
 * base of DW_EH_PE_datarel. Throws FormatError for bases that x86-64 toolchains do not emit
 * (textrel, funcrel, aligned), for DW_EH_PE_indirect, and for a result below zero.
 */
export function parsePointer(
  cursor: ByteCursor,
  encoding: number,
  base: { readonly sectionAddress: number; readonly dataAddress?: number },
): FileAddr {
  const at = cursor.offset;
  const value = parsePointerValue(cursor, encoding);
  const address = value + pointerBase(encoding, { ...base, at });
  if (Number.isSafeInteger(address) && address >= 0) return fileAddr(address);
  throw unsupported(at, encoding, "an address");
}

/** The number of an encoded pointer without its base: a size, or a pointer to be skipped. */
export function parsePointerValue(cursor: ByteCursor, encoding: number): number {
  switch (encoding & 0x0f) {
    case DW_EH_PE.DW_EH_PE_absptr:
    case DW_EH_PE.DW_EH_PE_udata8:
      return cursor.u64();
    case DW_EH_PE.DW_EH_PE_uleb128:
      return cursor.uleb();
    case DW_EH_PE.DW_EH_PE_udata2:
      return cursor.u16();
    case DW_EH_PE.DW_EH_PE_udata4:
      return cursor.u32();
    case DW_EH_PE.DW_EH_PE_sleb128:
      return cursor.sleb();
    case DW_EH_PE.DW_EH_PE_sdata2:
      return cursor.i16();
    case DW_EH_PE.DW_EH_PE_sdata4:
      return cursor.i32();
    case DW_EH_PE.DW_EH_PE_sdata8:
      return cursor.i64();
    default:
      throw unsupported(cursor.offset, encoding, "a pointer format");
  }
}

function pointerBase(
  encoding: number,
  base: { sectionAddress: number; dataAddress?: number; at: number },
): number {
  switch (encoding & 0xf0) {
    case 0:
      return 0;
    case DW_EH_PE.DW_EH_PE_pcrel:
      return base.sectionAddress + base.at;
    case DW_EH_PE.DW_EH_PE_datarel:
      if (base.dataAddress !== undefined) return base.dataAddress;
      throw unsupported(base.at, encoding, "no data-relative pointer");
    default:
      throw unsupported(base.at, encoding, "a pc-relative or absolute pointer");
  }
}

const unsupported = (offset: number, encoding: number, expected: string): FormatError =>
  new FormatError({
    what: "encoded pointer",
    offset,
    expected,
    found: `encoding 0x${encoding.toString(16)}`,
  });
