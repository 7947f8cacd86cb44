/**
 * The debug sections of a relocatable object, as a linker would see them.
 *
 * In an object even debug information is relocated: a name is `.debug_str + 0x1f40`, a unit's
 * abbreviations `.debug_abbrev + 0`. The places to fill in stand in SHT_RELA sections. Only what
 * counts from the start of a debug section is filled in; addresses of code and data are left as
 * they are, for nothing here asks for them.
 *
 * With -fdebug-types-section each type may have a section of its own name (.debug_info, or
 * .debug_types before DWARF 5), so there are lists of them.
 */
import { FormatError } from "../bytes/format-error.ts";
import { createReader } from "../bytes/reader.ts";
import { readSection } from "../elf/compression.ts";
import { SHT } from "../elf/constants.ts";
import { type ElfFile, type Section, sectionBytes } from "../elf/file.ts";
import { R_X86_64 } from "../elf/relocation.ts";
import { type ElfSymbol, symbolTable } from "../elf/symbol.ts";

export interface DebugSections {
  /** All .debug_info and .debug_types sections, in file order. */
  readonly infos: readonly InfoSection[];
  readonly abbreviations: Uint8Array;
  readonly strings: Uint8Array;
  readonly lineStrings: Uint8Array;
  readonly stringOffsets: Uint8Array;
}

export interface InfoSection {
  readonly bytes: Uint8Array;
  /** True for .debug_types, whose units have another header. */
  readonly holdsTypes: boolean;
}

/**
 * Reads an object's debug sections; the lists are empty where it has none.
 *
 * Throws FormatError for relocations outside of their section, and for compressed sections that
 * cannot be read.
 */
export function readDebugSections(elf: ElfFile): DebugSections {
  const symbols = symbolTable(elf);
  const relocating = new Map<number, Section[]>();
  for (const section of elf.sections) {
    if (section.sh_type !== SHT.SHT_RELA) continue;
    const list = relocating.get(section.sh_info) ?? [];
    list.push(section);
    relocating.set(section.sh_info, list);
  }
  const read = (section: Section | undefined): Uint8Array =>
    section === undefined
      ? new Uint8Array(0)
      : relocated(elf, section, { symbols, tables: relocating.get(section.index) ?? [] });
  const named = (name: string): Uint8Array =>
    read(elf.sections.find((section) => section.name === name));
  return {
    infos: elf.sections
      .filter(({ name }) => name === ".debug_info" || name === ".debug_types")
      .map((section) => ({ bytes: read(section), holdsTypes: section.name === ".debug_types" })),
    abbreviations: named(".debug_abbrev"),
    strings: named(".debug_str"),
    lineStrings: named(".debug_line_str"),
    stringOffsets: named(".debug_str_offsets"),
  };
}

const ENTRY_SIZE = 24;

function relocated(
  elf: ElfFile,
  section: Section,
  {
    symbols,
    tables,
  }: { readonly symbols: readonly ElfSymbol[]; readonly tables: readonly Section[] },
): Uint8Array {
  const plain = readSection(elf, section);
  if (tables.length === 0) return plain;
  const bytes = Uint8Array.from(plain);
  const view = new DataView(bytes.buffer);
  for (const table of tables) {
    const reader = createReader(sectionBytes(elf, table), table.name);
    for (let at = 0; at + ENTRY_SIZE <= reader.size; at += ENTRY_SIZE) {
      const size = fieldSize(reader.u32(at + 8));
      const symbol = symbols[reader.u32(at + 12)];
      if (size === 0 || symbol === undefined) continue;
      const offset = reader.u64(at);
      if (offset + size > bytes.length) {
        throw new FormatError({
          what: `section ${table.name}`,
          offset: at,
          expected: `a place within ${section.name}'s ${bytes.length} bytes`,
          found: `${offset}`,
        });
      }
      const value = BigInt(symbol.st_value) + BigInt.asIntN(64, reader.u64big(at + 16));
      if (size === 8) view.setBigUint64(offset, BigInt.asUintN(64, value), true);
      else view.setUint32(offset, Number(BigInt.asUintN(32, value)), true);
    }
  }
  return bytes;
}

/** The fields that absolute relocations fill; debug sections refer to each other by no other. */
function fieldSize(type: number): number {
  if (type === R_X86_64.R_X86_64_64) return 8;
  return type === R_X86_64.R_X86_64_32 || type === R_X86_64.R_X86_64_32S ? 4 : 0;
}
