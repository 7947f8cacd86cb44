import type { FileAddr } from "../bytes/address.ts";
import { createReader } from "../bytes/reader.ts";
import { DT, SHT, SIZE } from "./constants.ts";
import { type DynamicEntry, dynamicEntries, dynamicStrings, dynamicTable } from "./dynamic.ts";
import { type ElfFile, sectionBytes } from "./file.ts";
import { createStringTable, type StringTable } from "./string-table.ts";
import { type ElfSymbol, parseSymbolTable } from "./symbol-table.ts";
import {
  parseVersionDefinitions,
  parseVersionNeeds,
  type SymbolVersion,
  splitVersionIndex,
  type VersionNames,
} from "./version.ts";

/** A symbol that the dynamic linker sees. */
export interface DynamicSymbol extends ElfSymbol {
  /** `GLIBC_2.34`; absent for unversioned symbols. */
  readonly version?: string;
  /** The file that an undefined symbol's version must come from: `libc.so.6`. */
  readonly versionFile?: string;
  /** `name@version`, not `name@@version`: found only by those who ask for the version. */
  readonly versionHidden: boolean;
}

/**
 * The dynamic symbols with their versions, by the sections or else through PT_DYNAMIC.
 *
 * Empty where there are none, as in static programs and separate debug files.
 */
export function dynamicSymbols(elf: ElfFile): DynamicSymbol[] {
  const parts = partsFromSections(elf) ?? partsFromSegments(elf);
  if (parts === undefined) return [];
  const symbols = parseSymbolTable(parts.symbols, parts.names, ".dynsym");
  const versions: VersionNames = new Map<number, SymbolVersion>([
    ...parseVersionDefinitions(parts.definitions, parts.names),
    ...parseVersionNeeds(parts.needs, parts.names),
  ]);
  const indices = createReader(parts.indices, ".gnu.version");
  return symbols.map((symbol) => {
    if (indices.size === 0) return { ...symbol, versionHidden: false };
    const { index, hidden } = splitVersionIndex(indices.u16(symbol.index * 2));
    const version = versions.get(index);
    return {
      ...symbol,
      ...(version !== undefined && { version: version.name }),
      ...(version?.file !== undefined && { versionFile: version.file }),
      versionHidden: hidden,
    };
  });
}

interface Parts {
  readonly symbols: Uint8Array;
  readonly names: StringTable;
  /** .gnu.version: one half-word for each symbol, or nothing. */
  readonly indices: Uint8Array;
  readonly definitions: Uint8Array;
  readonly needs: Uint8Array;
}

const NONE = new Uint8Array(0);

function partsFromSections(elf: ElfFile): Parts | undefined {
  const section = elf.sections.find(({ sh_type }) => sh_type === SHT.SHT_DYNSYM);
  if (section === undefined) return undefined;
  const strings = elf.sections[section.sh_link];
  const ofType = (type: number): Uint8Array => {
    const found = elf.sections.find(({ sh_type }) => sh_type === type);
    return found === undefined ? NONE : sectionBytes(elf, found);
  };
  return {
    symbols: sectionBytes(elf, section),
    names: createStringTable(
      strings === undefined ? NONE : sectionBytes(elf, strings),
      strings?.name ?? "missing string table",
    ),
    indices: ofType(SHT.SHT_GNU_VERSYM),
    definitions: ofType(SHT.SHT_GNU_VERDEF),
    needs: ofType(SHT.SHT_GNU_VERNEED),
  };
}

function partsFromSegments(elf: ElfFile): Parts | undefined {
  if (elf.sections.some(({ name }) => name === ".dynsym")) return undefined;
  const entries = dynamicEntries(elf);
  const symbols = dynamicTable(elf, entries, DT.DT_SYMTAB);
  if (symbols === undefined) return undefined;
  const count = symbolCount(elf, entries, symbols.address);
  const table = (tag: number): Uint8Array => dynamicTable(elf, entries, tag)?.bytes ?? NONE;
  return {
    symbols: createReader(symbols.bytes, "DT_SYMTAB").bytes(0, count * SIZE.sym),
    names: dynamicStrings(elf, entries),
    indices: table(DT.DT_VERSYM),
    definitions: table(DT.DT_VERDEF),
    needs: table(DT.DT_VERNEED),
  };
}

/** Only the hash tables say how many symbols there are, and a GNU one not if all are undefined. */
function symbolCount(elf: ElfFile, entries: readonly DynamicEntry[], symbols: FileAddr): number {
  const hash = dynamicTable(elf, entries, DT.DT_HASH);
  if (hash !== undefined) return createReader(hash.bytes, "DT_HASH").u32(4); // nchain
  const gnuHash = dynamicTable(elf, entries, DT.DT_GNU_HASH);
  return (
    (gnuHash === undefined ? undefined : gnuHashCount(gnuHash.bytes)) ??
    Math.floor(roomBehind(entries, symbols) / SIZE.sym)
  );
}

const TABLES: readonly number[] = [
  DT.DT_STRTAB,
  DT.DT_GNU_HASH,
  DT.DT_VERSYM,
  DT.DT_VERDEF,
  DT.DT_VERNEED,
  DT.DT_RELA,
  DT.DT_JMPREL,
];

/** Bytes up to the next table, for tables do not overlap. In practice it is the string table. */
function roomBehind(entries: readonly DynamicEntry[], address: FileAddr): number {
  const behind = entries.filter(({ d_tag, d_val }) => TABLES.includes(d_tag) && d_val > address);
  return behind.length === 0 ? 0 : Math.min(...behind.map(({ d_val }) => d_val)) - address;
}

/**
 * One more than the last symbol of a GNU hash table: header (nbuckets, symoffset, bloom_size,
 * bloom_shift), bloom words of 8 bytes, buckets with the first symbol of each chain, then one
 * hash value for each symbol from symoffset on, whose lowest bit ends its chain. Undefined where
 * no symbol is hashed.
 */
function gnuHashCount(bytes: Uint8Array): number | undefined {
  const reader = createReader(bytes, "DT_GNU_HASH");
  const [bucketCount, symbolOffset, bloomCount] = [reader.u32(0), reader.u32(4), reader.u32(8)];
  const buckets = 16 + bloomCount * 8;
  reader.bytes(buckets, bucketCount * 4);
  let last = 0;
  for (let index = 0; index < bucketCount; index++) {
    last = Math.max(last, reader.u32(buckets + index * 4));
  }
  if (last === 0 || last < symbolOffset) return undefined;
  const chains = buckets + bucketCount * 4;
  while ((reader.u32(chains + (last - symbolOffset) * 4) & 1) === 0) last++;
  return last + 1;
}
