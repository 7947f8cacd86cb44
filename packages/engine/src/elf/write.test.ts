import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { SHF, SHT, STB, STT } from "./constants.ts";
import {
  compile,
  createFolder,
  hasPrograms,
  output,
  runQuietly,
  VARIED_SOURCE,
} from "./elf-fixtures.ts";
import { type ElfFile, parseElf, sectionBytes } from "./file.ts";
import { relocationsOf } from "./relocation.ts";
import { type ElfSymbol, symbolTable } from "./symbol.ts";
import { type ObjectSymbol, type RelocatableObject, writeRelocatable } from "./write.ts";

const folder = createFolder("write");
afterAll(() => rmSync(folder, { recursive: true }));

const RELOCATION_SECTIONS: readonly number[] = [SHT.SHT_RELA, SHT.SHT_SYMTAB, SHT.SHT_STRTAB];

/** What the writer needs to write the same object again. */
function toObject(elf: ElfFile): RelocatableObject {
  const kept = elf.sections.filter(
    ({ sh_type }) => sh_type !== SHT.SHT_NULL && !RELOCATION_SECTIONS.includes(sh_type),
  );
  const place = new Map(kept.map((section, index) => [section.index, index]));
  const symbols = symbolTable(elf).slice(1);
  return {
    sections: kept.map((section) => ({
      ...section,
      bytes: sectionBytes(elf, section),
      size: section.sh_size,
      relocations: relocationsOf(elf, section).map(({ symbolIndex, ...rest }) => ({
        ...rest,
        symbol: symbolIndex - 1,
      })),
    })),
    symbols: symbols.map((symbol) => ({
      ...symbol,
      section: sectionOf(symbol, place),
      value: symbol.st_value,
      size: symbol.st_size,
    })),
  };
}

function sectionOf(symbol: ElfSymbol, place: Map<number, number>): ObjectSymbol["section"] {
  const special = new Map([
    [0, "undefined"],
    [0xfff1, "absolute"],
    [0xfff2, "common"],
  ] as const).get(symbol.st_shndx as 0);
  return special ?? place.get(symbol.st_shndx) ?? expect.fail(`no section for ${symbol.name}`);
}

/** All that links and runs depends on, without indices. */
function summary(elf: ElfFile): unknown {
  const symbols = symbolTable(elf);
  const showSymbol = ({
    name,
    st_value,
    st_size,
    type,
    binding,
    visibility,
    st_shndx,
  }: ElfSymbol) => [
    elf.sections[st_shndx]?.name ?? st_shndx,
    name,
    st_value,
    st_size,
    type,
    binding,
    visibility,
  ];
  return {
    symbols: symbols.map(showSymbol),
    sections: elf.sections
      .filter(({ sh_type }) => !RELOCATION_SECTIONS.includes(sh_type))
      .map((section) => ({
        ...section,
        index: 0,
        sh_offset: 0,
        sh_link: 0,
        bytes: Buffer.from(sectionBytes(elf, section)).toString("hex"),
        relocations: relocationsOf(elf, section).map(({ symbolIndex, ...rest }) => ({
          ...rest,
          symbol: showSymbol(symbols[symbolIndex] ?? expect.fail("no symbol")),
        })),
      })),
  };
}

describe.skipIf(!hasPrograms("gcc", "ld", "readelf"))("writeRelocatable", () => {
  const path = compile(folder, {
    name: "varied.o",
    source: VARIED_SOURCE,
    flags: ["-c", "-O2", "-fPIC", "-ffunction-sections", "-fdata-sections", "-fcommon"],
  });
  const before = parseElf(readFileSync(path));
  const bytes = writeRelocatable(toObject(before));
  const written = join(folder, "written.o");
  writeFileSync(written, bytes);

  test("writes what parseElf reads back", () => {
    expect(summary(parseElf(bytes))).toEqual(summary(before));
  });

  test("writes the same bytes for the same object", () => {
    expect(Buffer.from(writeRelocatable(toObject(parseElf(bytes))))).toEqual(Buffer.from(bytes));
  });

  test("is accepted by readelf and ld without a warning", () => {
    runQuietly("readelf", "-aW", written);
    runQuietly("ld", "-r", written, "-o", join(folder, "again.o"));
  });

  test("links to a program that runs", () => {
    const program = join(folder, "program");
    runQuietly("gcc", "-pthread", written, "-o", program);
    expect(output(program)).toBe("a\n");
  });

  test("puts local symbols first and lets relocations follow them", () => {
    const text = {
      name: ".text",
      sh_type: SHT.SHT_PROGBITS,
      sh_flags: SHF.SHF_ALLOC | SHF.SHF_EXECINSTR,
      sh_addralign: 16,
      bytes: new Uint8Array(16),
      relocations: [0, 1, 2].map((symbol) => ({
        r_offset: symbol * 4,
        type: 2,
        symbol,
        r_addend: -4,
      })),
    };
    const named = (name: string, binding: number): ObjectSymbol => ({
      name,
      binding,
      type: STT.STT_FUNC,
      visibility: 0,
      section: 0,
      value: 0,
      size: 4,
    });
    const symbols = [
      named("global", STB.STB_GLOBAL),
      named("local", STB.STB_LOCAL),
      named("weak", STB.STB_WEAK),
    ];
    const elf = parseElf(writeRelocatable({ sections: [text], symbols }));
    const names = symbolTable(elf).map(({ name }) => name);
    expect(names).toEqual(["", "local", "global", "weak"]);
    const section = elf.sections[1] ?? expect.fail("no section");
    const referred = relocationsOf(elf, section).map(({ symbolIndex }) => names[symbolIndex]);
    expect(referred).toEqual(["global", "local", "weak"]);
    expect(elf.sections.find(({ name }) => name === ".symtab")?.sh_info).toBe(2);
  });

  test("writes an empty object", () => {
    const elf = parseElf(writeRelocatable({ sections: [], symbols: [] }));
    expect(elf.sections.map(({ name }) => name)).toEqual(["", ".symtab", ".strtab", ".shstrtab"]);
    expect(symbolTable(elf)).toHaveLength(1);
  });

  test("does not write a symbol or a relocation that points nowhere", () => {
    const object = toObject(before);
    const [first, ...rest] = object.symbols;
    const symbol = first ?? expect.fail("no symbol");
    expect(() =>
      writeRelocatable({ ...object, symbols: [{ ...symbol, section: 10_000 }, ...rest] }),
    ).toThrow("is in the object");
    expect(() => writeRelocatable({ ...object, symbols: [] })).toThrow("names a symbol");
  });
});
