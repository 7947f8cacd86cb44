import { FormatError } from "../bytes/format-error.ts";
import { createReader } from "../bytes/reader.ts";
import { SHT, SIZE } from "./constants.ts";
import { type ElfFile, type Section, sectionBytes } from "./file.ts";

/** One RELA entry (gABI "Relocation"). */
export interface Relocation {
  /** In ET_REL an offset in the section, else an address of the file. */
  readonly r_offset: number;
  /** An R_X86_64 number. */
  readonly type: number;
  /** Index in the symbol table that the relocation section links to; 0 is no symbol. */
  readonly symbolIndex: number;
  readonly r_addend: number;
}

/**
 * The entries of an SHT_RELA section.
 *
 * Throws FormatError for SHT_REL, which the x86-64 psABI does not use.
 */
export function parseRelocations(elf: ElfFile, section: Section): Relocation[] {
  const what = `section ${section.name}`;
  if (section.sh_type !== SHT.SHT_RELA) {
    const found = section.sh_type === SHT.SHT_REL ? "SHT_REL" : `section type ${section.sh_type}`;
    throw new FormatError({ what, offset: section.sh_offset, expected: "SHT_RELA", found });
  }
  return parseRelocationTable(sectionBytes(elf, section), what);
}

/** The RELA entries in `bytes`; a rest that is no whole entry is a FormatError. */
export function parseRelocationTable(bytes: Uint8Array, what: string): Relocation[] {
  if (bytes.length % SIZE.rela !== 0) {
    throw new FormatError({
      what,
      offset: bytes.length,
      expected: `entries of ${SIZE.rela} bytes`,
      found: `${bytes.length} bytes`,
    });
  }
  const reader = createReader(bytes, what);
  const relocations: Relocation[] = [];
  for (let at = 0; at < bytes.length; at += SIZE.rela) {
    relocations.push({
      r_offset: reader.u64(at),
      type: reader.u32(at + 8),
      symbolIndex: reader.u32(at + 12),
      r_addend: reader.i64(at + 16),
    });
  }
  return relocations;
}

/** The relocations of one section of a relocatable object, in file order. */
export function relocationsOf(elf: ElfFile, target: Section): Relocation[] {
  return elf.sections
    .filter(
      ({ sh_type, sh_info }) =>
        (sh_type === SHT.SHT_RELA || sh_type === SHT.SHT_REL) && sh_info === target.index,
    )
    .flatMap((section) => parseRelocations(elf, section));
}

/** Relocation types of the x86-64 psABI, table 4.9. */
export const R_X86_64 = {
  R_X86_64_NONE: 0,
  R_X86_64_64: 1,
  R_X86_64_PC32: 2,
  R_X86_64_GOT32: 3,
  R_X86_64_PLT32: 4,
  R_X86_64_COPY: 5,
  R_X86_64_GLOB_DAT: 6,
  R_X86_64_JUMP_SLOT: 7,
  R_X86_64_RELATIVE: 8,
  R_X86_64_GOTPCREL: 9,
  R_X86_64_32: 10,
  R_X86_64_32S: 11,
  R_X86_64_16: 12,
  R_X86_64_PC16: 13,
  R_X86_64_8: 14,
  R_X86_64_PC8: 15,
  R_X86_64_DTPMOD64: 16,
  R_X86_64_DTPOFF64: 17,
  R_X86_64_TPOFF64: 18,
  R_X86_64_TLSGD: 19,
  R_X86_64_TLSLD: 20,
  R_X86_64_DTPOFF32: 21,
  R_X86_64_GOTTPOFF: 22,
  R_X86_64_TPOFF32: 23,
  R_X86_64_PC64: 24,
  R_X86_64_GOTOFF64: 25,
  R_X86_64_GOTPC32: 26,
  R_X86_64_GOT64: 27,
  R_X86_64_GOTPCREL64: 28,
  R_X86_64_GOTPC64: 29,
  R_X86_64_GOTPLT64: 30,
  R_X86_64_PLTOFF64: 31,
  R_X86_64_SIZE32: 32,
  R_X86_64_SIZE64: 33,
  R_X86_64_GOTPC32_TLSDESC: 34,
  R_X86_64_TLSDESC_CALL: 35,
  R_X86_64_TLSDESC: 36,
  R_X86_64_IRELATIVE: 37,
  R_X86_64_RELATIVE64: 38,
  R_X86_64_GOTPCRELX: 41,
  R_X86_64_REX_GOTPCRELX: 42,
} as const;

/** The psABI's name of a relocation type, or `R_X86_64(number)` for one it does not list. */
export function relocationName(type: number): string {
  for (const [name, number] of Object.entries(R_X86_64)) {
    if (number === type) return name;
  }
  return `R_X86_64(${type})`;
}
