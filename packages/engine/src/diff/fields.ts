/** The widths of relocated fields and what kinds of relocations mean. */
import { R_X86_64 } from "../elf/relocation.ts";

const EIGHT_BYTES: ReadonlySet<number> = new Set([
  R_X86_64.R_X86_64_64,
  R_X86_64.R_X86_64_PC64,
  R_X86_64.R_X86_64_GOTOFF64,
  R_X86_64.R_X86_64_DTPOFF64,
  R_X86_64.R_X86_64_TPOFF64,
  R_X86_64.R_X86_64_SIZE64,
]);

/** Bytes that a relocation overwrites (psABI, table 4.9). */
export function fieldSize(type: number): number {
  switch (type) {
    case R_X86_64.R_X86_64_NONE:
      return 0;
    case R_X86_64.R_X86_64_8:
    case R_X86_64.R_X86_64_PC8:
      return 1;
    case R_X86_64.R_X86_64_16:
    case R_X86_64.R_X86_64_PC16:
      return 2;
    default:
      return EIGHT_BYTES.has(type) ? 8 : 4;
  }
}

const PC_RELATIVE: ReadonlySet<number> = new Set([
  R_X86_64.R_X86_64_PC32,
  R_X86_64.R_X86_64_PLT32,
  R_X86_64.R_X86_64_GOTPCREL,
  R_X86_64.R_X86_64_GOTPCRELX,
  R_X86_64.R_X86_64_REX_GOTPCRELX,
  R_X86_64.R_X86_64_GOTTPOFF,
  R_X86_64.R_X86_64_TLSGD,
  R_X86_64.R_X86_64_TLSLD,
  R_X86_64.R_X86_64_GOTPC32,
  R_X86_64.R_X86_64_PC64,
  R_X86_64.R_X86_64_PC16,
  R_X86_64.R_X86_64_PC8,
]);

/** True when the field counts from its own place, so that the addend holds a distance in code. */
export const isPcRelative = (type: number): boolean => PC_RELATIVE.has(type);
