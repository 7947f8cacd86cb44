import { FormatError } from "../bytes/format-error.ts";
import { type ByteReader, createReader } from "../bytes/reader.ts";
import { SHN, SHT, SIZE } from "./constants.ts";
import { type ElfFile, type Section, sectionBytes } from "./file.ts";
import { createStringTable, type StringTable } from "./string-table.ts";

/** One entry of a symbol table (gABI "Symbol Table"), under its index. */
export interface ElfSymbol {
  readonly index: number;
  readonly name: string;
  readonly st_value: number;
  readonly st_size: number;
  /** An STT number. */
  readonly type: number;
  /** An STB number. */
  readonly binding: number;
  /** An STV number. */
  readonly visibility: number;
  /** A section index or an SHN number. */
  readonly st_shndx: number;
}

/**
 * The symbols of an SHT_SYMTAB or SHT_DYNSYM section, the null symbol at index 0 included.
 *
 * Throws FormatError where the section is no symbol table or its string table is missing.
 * A table without bytes (SHT_NOBITS, in separate debug files) is empty.
 */
export function parseSymbols(elf: ElfFile, section: Section): ElfSymbol[] {
  if (section.sh_type === SHT.SHT_NOBITS) return [];
  if (section.sh_type !== SHT.SHT_SYMTAB && section.sh_type !== SHT.SHT_DYNSYM) {
    throw problem(section, "a symbol table", `section type ${section.sh_type}`);
  }
  const strings = elf.sections[section.sh_link];
  if (strings?.sh_type !== SHT.SHT_STRTAB) {
    throw problem(section, "a linked string table", `sh_link ${section.sh_link}`);
  }
  const names = createStringTable(sectionBytes(elf, strings), strings.name);
  return parseSymbolTable(sectionBytes(elf, section), names, `section ${section.name}`);
}

/** The symbols in `bytes`; a rest that is no whole entry is a FormatError. */
export function parseSymbolTable(bytes: Uint8Array, names: StringTable, what: string): ElfSymbol[] {
  if (bytes.length % SIZE.sym !== 0) {
    throw new FormatError({
      what,
      offset: bytes.length,
      expected: `entries of ${SIZE.sym} bytes`,
      found: `${bytes.length} bytes`,
    });
  }
  const reader = createReader(bytes, what);
  const symbols: ElfSymbol[] = [];
  for (let index = 0; index * SIZE.sym < bytes.length; index++) {
    symbols.push(parseSymbol(reader, names, index));
  }
  return symbols;
}

function parseSymbol(reader: ByteReader, names: StringTable, index: number): ElfSymbol {
  const at = index * SIZE.sym;
  const info = reader.u8(at + 4);
  return {
    index,
    name: names(reader.u32(at)),
    st_value: reader.u64(at + 8),
    st_size: reader.u64(at + 16),
    type: info & 0xf,
    binding: info >> 4,
    visibility: reader.u8(at + 5) & 3,
    st_shndx: reader.u16(at + 6),
  };
}

/** The symbols of .symtab, or none where the file was stripped. */
export function symbolTable(elf: ElfFile): ElfSymbol[] {
  const section = elf.sections.find(({ sh_type }) => sh_type === SHT.SHT_SYMTAB);
  return section === undefined ? [] : parseSymbols(elf, section);
}

/** Whether the symbol stands for something in this file. */
export const isDefined = ({ st_shndx }: ElfSymbol): boolean => st_shndx !== SHN.SHN_UNDEF;

const problem = (section: Section, expected: string, found: string): FormatError =>
  new FormatError({ what: `section ${section.name}`, offset: section.sh_offset, expected, found });
