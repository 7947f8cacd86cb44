import { type FileAddr, fileAddr } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { createReader } from "../bytes/reader.ts";
import { DF, DT, PT, SHT, SIZE } from "./constants.ts";
import { addressBytes, type ElfFile, loadedEnd, sectionBytes } from "./file.ts";
import { createStringTable, type StringTable } from "./string-table.ts";

/** What the dynamic section says (gABI "Dynamic Section"). */
export interface Dynamic {
  readonly entries: readonly DynamicEntry[];
  readonly needed: readonly string[];
  readonly soname?: string;
  readonly rpath?: string;
  readonly runpath?: string;
  /** DT_TEXTREL: the loader writes into the module's code. */
  readonly textRelocations: boolean;
  readonly symbolic: boolean;
  readonly staticTls: boolean;
}

export interface DynamicEntry {
  readonly d_tag: number;
  readonly d_val: number;
}

/**
 * The dynamic section, by its section or else by PT_DYNAMIC; undefined where there is none.
 *
 * Throws FormatError where names it mentions cannot be read.
 */
export function parseDynamic(elf: ElfFile): Dynamic | undefined {
  const bytes = dynamicBytes(elf);
  if (bytes === undefined) return undefined;
  const entries = parseEntries(bytes);
  const names = dynamicStrings(elf, entries);
  const text = (tag: number): string[] =>
    entries.filter(({ d_tag }) => d_tag === tag).map(({ d_val }) => names(d_val));
  const [soname, rpath, runpath] = [DT.DT_SONAME, DT.DT_RPATH, DT.DT_RUNPATH].map(
    (tag) => text(tag)[0],
  );
  const flags = dynamicValue(entries, DT.DT_FLAGS) ?? 0;
  const says = (tag: number, flag: number): boolean =>
    dynamicValue(entries, tag) !== undefined || (flags & flag) !== 0;
  return {
    entries,
    needed: text(DT.DT_NEEDED),
    ...(soname !== undefined && { soname }),
    ...(rpath !== undefined && { rpath }),
    ...(runpath !== undefined && { runpath }),
    textRelocations: says(DT.DT_TEXTREL, DF.DF_TEXTREL),
    symbolic: says(DT.DT_SYMBOLIC, DF.DF_SYMBOLIC),
    staticTls: (flags & DF.DF_STATIC_TLS) !== 0,
  };
}

/** The entries up to DT_NULL; empty where there is no dynamic section. */
export function dynamicEntries(elf: ElfFile): DynamicEntry[] {
  const bytes = dynamicBytes(elf);
  return bytes === undefined ? [] : parseEntries(bytes);
}

/** The value of the first entry with that tag. */
export function dynamicValue(entries: readonly DynamicEntry[], tag: number): number | undefined {
  return entries.find(({ d_tag }) => d_tag === tag)?.d_val;
}

/** The file's bytes from the address that an entry gives to the end of its segment. */
export function dynamicTable(
  elf: ElfFile,
  entries: readonly DynamicEntry[],
  tag: number,
): { bytes: Uint8Array; address: FileAddr } | undefined {
  const value = dynamicValue(entries, tag);
  if (value === undefined) return undefined;
  const address = fileAddr(value);
  const end = loadedEnd(elf, address);
  const bytes = end === undefined ? undefined : addressBytes(elf, address, end - address);
  return bytes === undefined ? undefined : { bytes, address };
}

/** The names that the dynamic section and its symbols use: DT_STRTAB. */
export function dynamicStrings(elf: ElfFile, entries: readonly DynamicEntry[]): StringTable {
  const section = elf.sections.find(({ sh_type }) => sh_type === SHT.SHT_DYNAMIC);
  const linked = section === undefined ? undefined : elf.sections[section.sh_link];
  if (linked?.sh_type === SHT.SHT_STRTAB) {
    return createStringTable(sectionBytes(elf, linked), linked.name);
  }
  const table = dynamicTable(elf, entries, DT.DT_STRTAB);
  const size = dynamicValue(entries, DT.DT_STRSZ) ?? 0;
  return createStringTable(table?.bytes.subarray(0, size) ?? new Uint8Array(), "DT_STRTAB");
}

function dynamicBytes(elf: ElfFile): Uint8Array | undefined {
  const section = elf.sections.find(({ sh_type }) => sh_type === SHT.SHT_DYNAMIC);
  if (section !== undefined) return sectionBytes(elf, section);
  const segment = elf.segments.find(({ p_type }) => p_type === PT.PT_DYNAMIC);
  // Separate debug files keep the header of a segment whose bytes they do not have.
  if (segment === undefined || segment.p_filesz === 0) return undefined;
  if (elf.sections.some(({ name }) => name === ".dynamic")) return undefined;
  return createReader(elf.bytes, "PT_DYNAMIC").bytes(segment.p_offset, segment.p_filesz);
}

function parseEntries(bytes: Uint8Array): DynamicEntry[] {
  const reader = createReader(bytes, "dynamic section");
  const entries: DynamicEntry[] = [];
  for (let at = 0; at + SIZE.dyn <= bytes.length; at += SIZE.dyn) {
    const d_tag = reader.i64(at);
    if (d_tag === DT.DT_NULL) return entries;
    entries.push({ d_tag, d_val: reader.u64(at + 8) });
  }
  throw new FormatError({
    what: "dynamic section",
    offset: bytes.length,
    expected: "DT_NULL at the end",
    found: "no end",
  });
}
