import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { fileAddr } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { readSection } from "./compression.ts";
import { SHT } from "./constants.ts";
import { parseDynamic } from "./dynamic.ts";
import {
  compile,
  createFolder,
  hasPrograms,
  output,
  readCopy,
  runQuietly,
  VARIED_SOURCE,
} from "./elf-fixtures.ts";
import { addressBytes, parseElf, parseElfImage, sectionByName, sectionBytes } from "./file.ts";
import { buildId } from "./note.ts";
import { parseRelocations, relocationName } from "./relocation.ts";
import { type DynamicSymbol, dynamicSymbols, symbolTable } from "./symbol.ts";

const folder = createFolder("elf");
afterAll(() => rmSync(folder, { recursive: true }));

const LIBC = "/lib/x86_64-linux-gnu/libc.so.6";

describe.skipIf(!hasPrograms("gcc", "readelf", "objcopy", "strip"))("against readelf", () => {
  const build = (name: string, ...flags: string[]): string =>
    compile(folder, { name, source: VARIED_SOURCE, flags: ["-O2", "-pthread", ...flags] });
  const files = [
    process.execPath,
    "/bin/ls",
    LIBC,
    build("pie", "-fPIE", "-pie"),
    build("fixed", "-no-pie"),
    build("static", "-static"),
    build("object.o", "-c", "-fPIC", "-ffunction-sections", "-fdata-sections", "-fcommon"),
    build("shared.so", "-shared", "-fPIC", "-Wl,--hash-style=sysv"),
  ];

  test.each(files)("sections of %s", (path) => {
    const elf = parseElf(readFileSync(path));
    const shown = elf.sections.map((section) =>
      [
        section.index,
        section.name,
        hex(section.sh_addr, 16),
        hex(section.sh_offset, 6),
        hex(section.sh_size, 6),
        section.sh_link,
        section.sh_info,
        section.sh_addralign,
      ].join(" "),
    );
    const pattern =
      /^ *\[ *(\d+)\] (\S*) +[A-Z_0-9]+ +([0-9a-f]{16}) ([0-9a-f]{6,}) ([0-9a-f]{6,}) [0-9a-f]{2}.{4} +(\d+) +(\d+) +(\d+)$/gm;
    const expected = [...output("readelf", "-SW", path).matchAll(pattern)].map((match) =>
      match.slice(1).join(" "),
    );
    expect(shown).toEqual(expected);
    expect(shown.length).toBeGreaterThan(9);
  });

  test.each(files)("segments of %s", (path) => {
    const elf = parseElf(readFileSync(path));
    const shown = elf.segments.map(({ p_offset, p_vaddr, p_filesz, p_memsz, p_align }) =>
      [hex(p_offset, 6), hex(p_vaddr, 16), hex(p_filesz, 6), hex(p_memsz, 6), p_align].join(" "),
    );
    const pattern = /^ {2}[A-Z_]+ +0x(\w+) 0x(\w+) 0x\w+ 0x(\w+) 0x(\w+) [R ][W ][E ] (0x\w+)$/gm;
    const expected = [...output("readelf", "-lW", path).matchAll(pattern)].map((match) =>
      [...match.slice(1, 5), Number(match[5])].join(" "),
    );
    expect(shown).toEqual(expected);
  });

  test.each(files)("symbols of %s", (path) => {
    const elf = parseElf(readFileSync(path));
    expect(symbolTable(elf).map(showSymbol)).toEqual(readSymbols(path, ".symtab"));
    expect(dynamicSymbols(elf).map(showSymbol)).toEqual(readSymbols(path, ".dynsym"));
  });

  test.each(files)("relocations of %s", (path) => {
    const elf = parseElf(readFileSync(path));
    const sections = elf.sections.filter(({ sh_type }) => sh_type === SHT.SHT_RELA);
    const shown = sections
      .flatMap((section) => parseRelocations(elf, section))
      .map(({ r_offset, symbolIndex, type }) =>
        [hex(r_offset, 16), hex(symbolIndex * 2 ** 32 + type, 16), relocationName(type)].join(" "),
      );
    const pattern = /^([0-9a-f]{16}) {2}([0-9a-f]{16}) (R_X86_64_\w+)/gm;
    const expected = [...output("readelf", "-rW", path).matchAll(pattern)].map((match) =>
      match.slice(1).join(" "),
    );
    expect(shown).toEqual(expected);
  });

  test.each(files)("Build-ID and dynamic section of %s", (path) => {
    const elf = parseElf(readFileSync(path));
    expect(buildId(elf)).toBe(/Build ID: (\w+)/.exec(output("readelf", "-nW", path))?.[1]);
    const text = output("readelf", "-dW", path);
    const named = (kind: string): string[] =>
      [...text.matchAll(new RegExp(`${kind}: \\[(.*)\\]`, "g"))].map((match) => match[1] ?? "");
    const dynamic = parseDynamic(elf);
    expect(dynamic?.needed ?? []).toEqual(named("Shared library"));
    expect(dynamic?.soname).toBe(named("Library soname")[0]);
    const count = /contains (\d+) entr/.exec(text)?.[1];
    expect(dynamic?.entries.length).toBe(count === undefined ? undefined : Number(count) - 1);
  });

  test("finds everything through the segments where section headers were removed", () => {
    for (const path of files.filter((file) => !file.endsWith(".o"))) {
      const whole = parseElf(readFileSync(path));
      const bare = withoutSections(path);
      expect(bare.sections).toEqual([]);
      expect(dynamicSymbols(bare)).toEqual(dynamicSymbols(whole));
      expect(buildId(bare)).toBe(buildId(whole));
      expect(parseDynamic(bare)).toEqual(parseDynamic(whole));
    }
  });

  test("reads an image from memory, with only the pages that were loaded", () => {
    for (const path of [files[2] ?? "", files[3] ?? ""]) {
      const file = parseElf(readFileSync(path));
      const image = parseElfImage(load(path));
      expect(dynamicSymbols(image)).toEqual(dynamicSymbols(file));
      expect(buildId(image)).toBe(buildId(file));
      const text = sectionByName(file, ".text");
      expect(text).toBeDefined();
      if (text === undefined) return;
      const bytes = addressBytes(image, text.sh_addr, text.sh_size);
      expect(bytes && Buffer.from(bytes)).toEqual(Buffer.from(sectionBytes(file, text)));
    }
  });

  test("gives bytes by address only where the file has all of them", () => {
    const elf = parseElf(readFileSync(files[3] ?? ""));
    const bss = sectionByName(elf, ".bss");
    const data = sectionByName(elf, ".data");
    expect(addressBytes(elf, bss?.sh_addr ?? fileAddr(0), 4)).toBeUndefined();
    expect(addressBytes(elf, data?.sh_addr ?? fileAddr(0), 4)).toHaveLength(4);
    expect(addressBytes(elf, data?.sh_addr ?? fileAddr(0), 1 << 30)).toBeUndefined();
    expect(addressBytes(elf, fileAddr(0xdead_beef_000), 1)).toBeUndefined();
    expect(addressBytes(elf, fileAddr(Number.NaN), 1)).toBeUndefined();
  });

  test.each(["zlib", "zstd"])("inflates sections compressed with %s", (method) => {
    const plain = compile(folder, {
      name: `plain-${method}.o`,
      source: VARIED_SOURCE,
      flags: ["-g", "-c", "-O1"],
    });
    const packed = join(folder, `packed-${method}.o`);
    if (!output("objcopy", "--help").includes(method)) return; // an objcopy without zstd
    runQuietly("objcopy", `--compress-debug-sections=${method}`, plain, packed);
    const [before, after] = [parseElf(readFileSync(plain)), parseElf(readFileSync(packed))];
    const [info, packedInfo] = [before, after].map((elf) => sectionByName(elf, ".debug_info"));
    if (info === undefined || packedInfo === undefined) throw new Error("no .debug_info");
    expect(packedInfo.sh_size).toBeLessThan(info.sh_size);
    const contents = readSection(after, packedInfo);
    expect(Buffer.from(contents)).toEqual(Buffer.from(readSection(before, info)));

    const damage = (offset: number, value: number): (() => void) => {
      const bytes = readCopy(packed);
      new DataView(bytes.buffer).setBigUint64(packedInfo.sh_offset + offset, BigInt(value), true);
      const elf = parseElf(bytes);
      return () => readSection(elf, packedInfo);
    };
    expect(damage(8, info.sh_size - 1)).toThrow(FormatError); // stated too small
    expect(damage(8, info.sh_size + 1)).toThrow(FormatError); // stated too large
    expect(damage(8, 2 ** 45)).toThrow("expected at most"); // never allocated
    expect(damage(0, 9)).toThrow("expected zlib or zstd");
    expect(damage(24, 0)).toThrow(FormatError); // damaged contents
  });
});

describe("refuses", () => {
  const change = (offset: number, ...values: number[]): (() => void) => {
    const bytes = readCopy("/bin/ls");
    bytes.set(values, offset);
    return () => parseElf(bytes);
  };
  test.each([
    ["another magic", 0, [0x7e], "at offset 0"],
    ["32 bits", 4, [1], "at offset 4: expected ELFCLASS64"],
    ["big endian", 5, [2], "at offset 5"],
    ["another machine", 18, [183, 0], "at offset 18: expected EM_X86_64"],
    ["section headers outside", 40, [0, 0, 0, 0xff], "an end at"],
    ["program headers outside", 32, [0, 0, 0, 0xff], "an end at"],
    ["a name table outside the sections", 62, [0xff, 0], "e_shstrndx"],
    ["extended numbering", 60, [0, 0], "extended numbering"],
  ])("%s", (_, offset, values, message) => {
    if (message !== "extended numbering") {
      expect(change(offset, ...values)).toThrow(message);
      return;
    }
    const bytes = readCopy("/bin/ls");
    const view = new DataView(bytes.buffer);
    view.setUint16(60, 0, true);
    view.setUint32(Number(view.getBigUint64(40, true)) + 32, 70_000, true);
    expect(() => parseElf(bytes)).toThrow(message);
  });

  test("SHT_REL", () => {
    const elf = parseElf(readFileSync("/bin/ls"));
    const section = elf.sections.find(({ sh_type }) => sh_type === SHT.SHT_RELA);
    if (section === undefined) throw new Error("no relocations");
    const rel = { ...section, sh_type: SHT.SHT_REL };
    expect(() => parseRelocations(elf, rel)).toThrow("expected SHT_RELA, found SHT_REL");
  });

  test("names that overlap to gigabytes", () => {
    // One name of 64 KiB, and as many symbols, each of which names a later part of it.
    const elf = parseElf(readFileSync("/bin/ls"));
    const names = new Uint8Array(65_536).fill(65).with(65_535, 0);
    const symbols = new Uint8Array(24 * 65_535);
    const view = new DataView(symbols.buffer);
    for (let index = 0; index < 65_535; index++) view.setUint32(index * 24, index, true);
    const bytes = Buffer.concat([symbols, names]);
    const like = (type: number, offset: number, size: number, link: number) => ({
      ...(elf.sections[1] ?? expect.fail("no section")),
      sh_type: type,
      sh_offset: offset as never,
      sh_size: size,
      sh_link: link,
    });
    const hostile = {
      ...elf,
      bytes,
      sections: [
        like(SHT.SHT_SYMTAB, 0, symbols.length, 1),
        like(SHT.SHT_STRTAB, symbols.length, names.length, 0),
      ],
    };
    expect(() => symbolTable(hostile)).toThrow("too many overlapping names");
  });
});

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

/** Value, size, section and name with version, as `readSymbols` gives them. */
function showSymbol(symbol: DynamicSymbol | ReturnType<typeof symbolTable>[number]): string {
  const { index, name, st_value, st_size, st_shndx, type, binding, visibility } = symbol;
  const version = "version" in symbol && symbol.version !== undefined ? symbol : undefined;
  const isDefault = version && !version.versionHidden && version.versionFile === undefined;
  // A version's own symbol bears its name; readelf then shows it once.
  const full =
    version && version.version !== name
      ? `${name}${isDefault ? "@@" : "@"}${version.version}`
      : name;
  return [index, hex(st_value, 16), st_size, type, binding, visibility, st_shndx, full].join(" ");
}

const TYPES = ["NOTYPE", "OBJECT", "FUNC", "SECTION", "FILE", "COMMON", "TLS"];
const BINDINGS = ["LOCAL", "GLOBAL", "WEAK"];
const VISIBILITIES = ["DEFAULT", "INTERNAL", "HIDDEN", "PROTECTED"];
const INDICES = new Map([
  ["UND", 0],
  ["ABS", 0xfff1],
  ["COM", 0xfff2],
]);

function readSymbols(path: string, table: string): string[] {
  const text = output("readelf", "-sW", path).split(/^Symbol table /m);
  const part = text.find((candidate) => candidate.startsWith(`'${table}'`)) ?? "";
  const pattern = /^ *(\d+): ([0-9a-f]{16}) +(\w+) (\w+) +(\w+) +(\w+) +(\w+) ?(.*)$/gm;
  return [...part.matchAll(pattern)].map((match) => {
    const [, index, value, size, type = "", binding = "", visibility = "", section = ""] = match;
    // For SECTION symbols readelf shows the section's name, which is not in the symbol.
    const name = type === "SECTION" ? "" : (match[8] ?? "").replace(/ \(\d+\)$/, "");
    return [
      index,
      value,
      Number(size),
      type === "IFUNC" ? 10 : TYPES.indexOf(type),
      binding === "UNIQUE" ? 10 : BINDINGS.indexOf(binding),
      VISIBILITIES.indexOf(visibility),
      INDICES.get(section) ?? section,
      name,
    ].join(" ");
  });
}

/** The file as sstrip leaves it: no section headers. */
function withoutSections(path: string): ReturnType<typeof parseElf> {
  const bytes = readCopy(path);
  bytes.fill(0, 40, 48); // e_shoff
  bytes.fill(0, 60, 64); // e_shnum, e_shstrndx
  return parseElf(bytes);
}

/** The file as the kernel loads it, without relocation. */
function load(path: string): Uint8Array {
  const elf = parseElf(readFileSync(path));
  const loads = elf.segments.filter(({ p_type }) => p_type === 1);
  const end = Math.max(...loads.map(({ p_vaddr, p_memsz }) => p_vaddr + p_memsz));
  const image = new Uint8Array(end);
  for (const { p_vaddr, p_offset, p_filesz } of loads) {
    image.set(elf.bytes.subarray(p_offset, p_offset + p_filesz), p_vaddr);
  }
  return image;
}
