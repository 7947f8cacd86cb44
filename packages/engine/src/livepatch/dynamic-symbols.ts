/**
 * The dynamic symbols of one module, looked up as the dynamic linker looks them up.
 *
 * The rules are those of glibc's `do_lookup_x` and `check_match` (elf/dl-lookup.c). A module may
 * have thousands of symbols and a process hundreds of modules, so the hash tables are used and
 * only symbols of the right name are decoded.
 */
import { type ByteReader, createReader } from "../bytes/reader.ts";
import { DT, SHF, SHN, SHT, SIZE, STB, STT, STV } from "../elf/constants.ts";
import {
  type DynamicEntry,
  dynamicEntries,
  dynamicStrings,
  dynamicTable,
  dynamicValue,
  parseDynamic,
} from "../elf/dynamic.ts";
import { type DynamicSymbol, dynamicSymbols } from "../elf/dynamic-symbol.ts";
import { type ElfFile, hasFlag, sectionBytes } from "../elf/file.ts";
import { R_X86_64, type Relocation } from "../elf/relocation.ts";
import type { StringTable } from "../elf/string-table.ts";
import { type ElfSymbol, parseSymbolTable } from "../elf/symbol-table.ts";
import {
  parseVersionDefinitions,
  parseVersionNeeds,
  splitVersionIndex,
  type VersionNames,
} from "../elf/version.ts";

/**
 * Which version of a symbol is meant.
 *
 * - `exact`: this one, or a definition without version.
 * - `oldest`: what a reference without version in a loaded module gets: the base definition or
 *   the first version, for such a module was linked before there were versions.
 * - `default`: what linking against the library today would give (`name@@VERSION`).
 */
export type VersionWanted =
  | { readonly kind: "exact"; readonly version: string }
  | { readonly kind: "oldest" }
  | { readonly kind: "default" };

export interface DynamicTable {
  readonly needed: readonly string[];
  readonly soname?: string;
  /** The module prefers its own definitions (`-Bsymbolic`). */
  readonly symbolic: boolean;
  /** The definition that others can bind to, if there is one. */
  find(name: string, wanted: VersionWanted): ElfSymbol | undefined;
  /** The symbol that a dynamic relocation refers to. Throws FormatError outside of the table. */
  symbolAt(index: number): ElfSymbol & { readonly version?: string };
  /** What the module itself asks for under that name, if it does. */
  reference(name: string): DynamicSymbol | undefined;
  /** The dynamic relocations of these types, R_X86_64_RELATIVE excepted. */
  relocations(types: ReadonlySet<number>): readonly Relocation[];
}

/**
 * Opens the dynamic symbol table of a module; one without any finds nothing.
 *
 * Throws FormatError, here or when it is used, where the file's tables are damaged.
 */
export function openDynamicTable(elf: ElfFile): DynamicTable {
  const entries = dynamicEntries(elf);
  const dynamic = parseDynamic(elf);
  const tables = openTables(elf, entries);
  const candidates = chooseHash(elf, entries);
  let references: Map<string, DynamicSymbol> | undefined;
  let relocations: readonly Relocation[] | undefined;
  return {
    needed: dynamic?.needed ?? [],
    ...(dynamic?.soname !== undefined && { soname: dynamic.soname }),
    symbolic: dynamic?.symbolic ?? false,
    find(name, wanted) {
      return chooseVersion(tables, candidates(name), { name, wanted });
    },
    symbolAt(index) {
      const version = tables.versions.get(versionIndex(tables, index).index)?.name;
      return { ...symbolAt(tables, index), ...(version !== undefined && { version }) };
    },
    reference(name) {
      references ??= new Map(
        dynamicSymbols(elf)
          .filter(({ st_shndx }) => st_shndx === SHN.SHN_UNDEF)
          .map((symbol) => [symbol.name, symbol]),
      );
      return references.get(name);
    },
    relocations(types) {
      relocations ??= relocationTables(elf, entries).flatMap(relocationsIn);
      return relocations.filter(({ type }) => types.has(type));
    },
  };
}

interface Tables {
  readonly symbols: ByteReader;
  readonly names: StringTable;
  /** Empty where nothing is versioned. */
  readonly indices: ByteReader;
  readonly versions: VersionNames;
}

const NONE = new Uint8Array(0);

function openTables(elf: ElfFile, entries: readonly DynamicEntry[]): Tables {
  const table = (tag: number): Uint8Array => dynamicTable(elf, entries, tag)?.bytes ?? NONE;
  const names = dynamicStrings(elf, entries);
  return {
    symbols: createReader(table(DT.DT_SYMTAB), "DT_SYMTAB"),
    names,
    indices: createReader(table(DT.DT_VERSYM), "DT_VERSYM"),
    versions: new Map([
      ...parseVersionDefinitions(table(DT.DT_VERDEF), names),
      ...parseVersionNeeds(table(DT.DT_VERNEED), names),
    ]),
  };
}

function symbolAt(tables: Tables, index: number): ElfSymbol {
  const bytes = tables.symbols.bytes(index * SIZE.sym, SIZE.sym);
  // A table of one entry, so there is one symbol.
  const [symbol] = parseSymbolTable(bytes, tables.names, "DT_SYMTAB") as [ElfSymbol];
  return { ...symbol, index };
}

const versionIndex = (tables: Tables, index: number): { index: number; hidden: boolean } =>
  tables.indices.size === 0
    ? { index: 0, hidden: false }
    : splitVersionIndex(tables.indices.u16(index * 2));

/** glibc's check_match, and what do_lookup_x makes of it. */
function chooseVersion(
  tables: Tables,
  candidates: Iterable<number>,
  { name, wanted }: { name: string; wanted: VersionWanted },
): ElfSymbol | undefined {
  const versioned: ElfSymbol[] = [];
  for (const candidate of candidates) {
    const symbol = symbolAt(tables, candidate);
    if (symbol.name !== name || !isVisible(symbol)) continue;
    if (tables.indices.size === 0) return symbol;
    const { index, hidden } = versionIndex(tables, candidate);
    if (wanted.kind === "exact") {
      const version = tables.versions.get(index)?.name;
      if (version === wanted.version || (version === undefined && !hidden)) return symbol;
      continue;
    }
    // Index 0 and 1 are without version; 2 is the first version that the file defines.
    if (index < (wanted.kind === "oldest" ? 3 : 2)) return symbol;
    if (!hidden) versioned.push(symbol);
  }
  return versioned.length === 1 ? versioned[0] : undefined;
}

const BINDINGS: ReadonlySet<number> = new Set([STB.STB_GLOBAL, STB.STB_WEAK, STB.STB_GNU_UNIQUE]);

const TYPES: ReadonlySet<number> = new Set([
  STT.STT_NOTYPE,
  STT.STT_OBJECT,
  STT.STT_FUNC,
  STT.STT_COMMON,
  STT.STT_TLS,
  STT.STT_GNU_IFUNC,
]);

/**
 * Whether others can bind to the symbol.
 *
 * An undefined symbol with a value is a definition too: a program without PIC gives its PLT entry
 * as the function's address, and every module must take that one (psABI, "Function Addresses").
 */
function isVisible(symbol: ElfSymbol): boolean {
  const { st_value, st_shndx, type, binding, visibility } = symbol;
  if (!TYPES.has(type) || !BINDINGS.has(binding)) return false;
  if (visibility === STV.STV_HIDDEN || visibility === STV.STV_INTERNAL) return false;
  if (type === STT.STT_TLS) return st_shndx !== SHN.SHN_UNDEF;
  return st_value !== 0 || st_shndx === SHN.SHN_ABS;
}

type Candidates = (name: string) => Iterable<number>;

function chooseHash(elf: ElfFile, entries: readonly DynamicEntry[]): Candidates {
  const gnu = dynamicTable(elf, entries, DT.DT_GNU_HASH);
  if (gnu) return gnuCandidates(createReader(gnu.bytes, "DT_GNU_HASH"));
  const old = dynamicTable(elf, entries, DT.DT_HASH);
  if (old) return hashCandidates(createReader(old.bytes, "DT_HASH"));
  if (dynamicValue(entries, DT.DT_SYMTAB) === undefined) return () => [];
  return (name) =>
    dynamicSymbols(elf)
      .filter((symbol) => symbol.name === name)
      .map(({ index }) => index);
}

/** Symbols by the GNU hash: bloom filter, buckets, chains whose last value is odd. */
function gnuCandidates(table: ByteReader): Candidates {
  const [bucketCount, first, bloomCount, shift] = [0, 4, 8, 12].map((at) => table.u32(at)) as [
    number,
    number,
    number,
    number,
  ];
  const buckets = 16 + bloomCount * 8;
  const chains = buckets + bucketCount * 4;
  const inBloom = (hash: number, bit: number): boolean => {
    const word = ((hash >>> 6) & (bloomCount - 1)) >>> 0;
    return (table.u8(16 + word * 8 + (bit >>> 3)) & (1 << (bit & 7))) !== 0;
  };
  return function* (name) {
    const hash = gnuHash(name);
    if (bucketCount === 0 || bloomCount === 0) return;
    if (!inBloom(hash, hash & 63) || !inBloom(hash, (hash >>> (shift & 31)) & 63)) return;
    let index = table.u32(buckets + (hash % bucketCount) * 4);
    if (index < first) return;
    for (; ; index++) {
      const value = table.u32(chains + (index - first) * 4);
      if (((value ^ hash) & ~1) === 0) yield index;
      if (value & 1) return;
    }
  };
}

/** Symbols by the System V hash (gABI, "Hash Table"). */
function hashCandidates(table: ByteReader): Candidates {
  const [bucketCount, chainCount] = [table.u32(0), table.u32(4)];
  return function* (name) {
    if (bucketCount === 0) return;
    let index = table.u32(8 + (sysvHash(name) % bucketCount) * 4);
    for (let steps = 0; index !== 0 && steps < chainCount; steps++) {
      yield index;
      index = table.u32(8 + (bucketCount + index) * 4);
    }
  };
}

function gnuHash(name: string): number {
  let hash = 5381;
  for (const byte of Buffer.from(name)) hash = (Math.imul(hash, 33) + byte) >>> 0;
  return hash;
}

function sysvHash(name: string): number {
  let hash = 0;
  for (const byte of Buffer.from(name)) {
    hash = ((hash << 4) + byte) >>> 0;
    const high = hash & 0xf000_0000;
    hash = (hash ^ (high >>> 24)) & ~high;
  }
  return hash >>> 0;
}

/** DT_RELA and DT_JMPREL, or the loaded relocation sections of a static program. */
function relocationTables(elf: ElfFile, entries: readonly DynamicEntry[]): readonly Uint8Array[] {
  const table = (tag: number, sizeTag: number): Uint8Array => {
    const bytes = dynamicTable(elf, entries, tag)?.bytes ?? NONE;
    return bytes.subarray(0, dynamicValue(entries, sizeTag) ?? 0);
  };
  const dynamic = [table(DT.DT_RELA, DT.DT_RELASZ), table(DT.DT_JMPREL, DT.DT_PLTRELSZ)];
  if (dynamic.some(({ length }) => length > 0)) return dynamic;
  return elf.sections
    .filter(({ sh_type, sh_flags }) => sh_type === SHT.SHT_RELA && hasFlag(sh_flags, SHF.SHF_ALLOC))
    .map((section) => sectionBytes(elf, section));
}

/** Most of a large table are R_X86_64_RELATIVE, which say nothing of symbols: left out. */
function relocationsIn(bytes: Uint8Array): Relocation[] {
  const reader = createReader(bytes, "dynamic relocations");
  const relocations: Relocation[] = [];
  for (let at = 0; at + SIZE.rela <= reader.size; at += SIZE.rela) {
    const type = reader.u32(at + 8);
    if (type === R_X86_64.R_X86_64_RELATIVE) continue;
    const symbolIndex = reader.u32(at + 12);
    relocations.push({
      r_offset: reader.u64(at),
      type,
      symbolIndex,
      r_addend: reader.i64(at + 16),
    });
  }
  return relocations;
}
