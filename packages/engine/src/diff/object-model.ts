/**
 * What an object consists of, as the passes see it: entities and the references between them.
 *
 * An ELF object speaks of sections, symbols and relocations; a fix changes functions, variables
 * and literals. Between the two stands this model. With -ffunction-sections -fdata-sections
 * nearly every entity has a section to itself, but the assembler undoes some of the naming:
 *
 *     call helper            ->  R_X86_64_PC32  .text.helper - 4        (a section symbol)
 *     lea  .LC3(%rip),%rdi   ->  R_X86_64_PC32  .LC3 - 4                (a nameless literal)
 *     .quad "abc"            ->  R_X86_64_64    .rodata.str1.1 + 17     (section + offset)
 *     .long .L4 - .L5        ->  R_X86_64_PC32  .text.parse + 0x60      (a jump table entry)
 *
 * so a reference is resolved to (entity, offset in it). Offsets of PC-relative references are
 * kept as they stand in the relocation (they include the distance to the end of the instruction,
 * mostly -4): equal code has equal distances, and a writer can put them out again unchanged.
 */
import assert from "node:assert/strict";
import { FormatError } from "../bytes/format-error.ts";
import { SHF, SHN, SHT, STB, STT } from "../elf/constants.ts";
import { type ElfFile, hasFlag, type Section, sectionBytes } from "../elf/file.ts";
import { parseRelocations } from "../elf/relocation.ts";
import { type ElfSymbol, symbolTable } from "../elf/symbol.ts";
import { hotName } from "./names.ts";

export interface ObjectModel {
  readonly elf: ElfFile;
  readonly symbols: readonly ElfSymbol[];
  readonly entities: readonly Entity[];
  /** Entities by each of their symbols' names. */
  readonly byName: ReadonlyMap<string, Entity>;
  /** The entities of a section in the order of their places, by section index. */
  readonly bySection: ReadonlyMap<number, readonly Entity[]>;
  /** The split-off parts of functions, by the name of the function: `parse.cold` of `parse`. */
  readonly partsByName: ReadonlyMap<string, readonly Entity[]>;
  /** The entity of a symbol, by symbol index. */
  readonly bySymbol: ReadonlyMap<number, Entity>;
}

/**
 * - `function`: code with a symbol, its split-off parts are entities of their own.
 * - `variable`, `tls`: data with a symbol.
 * - `constants`: read-only data without a symbol (jump tables, exception tables).
 * - `literals`: a mergeable section; offsets in it mean a string or a constant, not a place.
 * - `code`: instructions without a function symbol (assembly).
 * - `data`: writable data without a symbol.
 * - `external`: defined elsewhere, known by name only.
 */
export type EntityKind =
  | "function"
  | "variable"
  | "tls"
  | "constants"
  | "literals"
  | "code"
  | "data"
  | "external";

export interface Entity {
  readonly index: number;
  readonly kind: EntityKind;
  /** The symbol's name, or the section's where there is no symbol. */
  readonly name: string;
  /** All symbols at this place; empty for nameless entities. */
  readonly symbols: readonly ElfSymbol[];
  readonly section: Section | undefined;
  /** Where the entity begins in its section. */
  readonly start: number;
  readonly size: number;
  readonly global: boolean;
  readonly writable: boolean;
  /** In the order of their offsets. */
  readonly references: readonly Reference[];
}

export interface Reference {
  /** Offset from the entity's start. */
  readonly offset: number;
  readonly type: number;
  /** Index of the entity that is referred to. */
  readonly target: number;
  /** Offset from the target's start, the PC-relative distance still in it. */
  readonly addend: number;
  readonly symbolIndex: number;
}

/** Builds the model of a relocatable object. Throws FormatError for tables that are damaged. */
export function buildObjectModel(elf: ElfFile): ObjectModel {
  const symbols = symbolTable(elf);
  const drafts = [...definedEntities(elf, symbols), ...externalEntities(symbols)];
  const references: Reference[][] = drafts.map(() => []);
  const entities: Entity[] = drafts.map((draft, index) => ({
    ...draft,
    index,
    references: references[index] ?? [],
  }));
  const model = { elf, symbols, entities, ...indexEntities(entities) };
  for (const section of elf.sections) {
    // Debug information has the most relocations, and no entity has it.
    if (section.sh_type !== SHT.SHT_RELA || !model.bySection.has(section.sh_info)) continue;
    for (const relocation of parseRelocations(elf, section)) {
      const owner = entityAt(model, section.sh_info, relocation.r_offset);
      if (owner === undefined) continue;
      references[owner.index]?.push({
        ...resolveReference(model, relocation.symbolIndex, relocation.r_addend),
        offset: relocation.r_offset - owner.start,
        type: relocation.type,
        symbolIndex: relocation.symbolIndex,
      });
    }
  }
  for (const list of references) list.sort((a, b) => a.offset - b.offset);
  return model;
}

/** The bytes of an entity; empty for zeroed data and for what is defined elsewhere. */
export function entityBytes(model: ObjectModel, entity: Entity): Uint8Array {
  if (entity.section === undefined || entity.section.sh_type === SHT.SHT_NOBITS) {
    return new Uint8Array(0);
  }
  return sectionBytes(model.elf, entity.section).subarray(entity.start, entity.start + entity.size);
}

/** The entity with this index, which came from the same model. */
export function entityOf(model: ObjectModel, index: number): Entity {
  const entity = model.entities[index];
  assert(entity !== undefined, "entity indices belong to their model");
  return entity;
}

/** What a symbol and an addend stand for; an index out of range is a FormatError. */
export function resolveReference(
  model: Omit<ObjectModel, "byName">,
  symbolIndex: number,
  addend: number,
): { readonly target: number; readonly addend: number } {
  const symbol = model.symbols[symbolIndex];
  const entity =
    symbol?.type === STT.STT_SECTION
      ? entityAt(model, symbol.st_shndx, addend)
      : model.bySymbol.get(symbolIndex);
  if (symbol === undefined || entity === undefined) {
    throw new FormatError({
      what: "relocation",
      offset: symbolIndex,
      expected: "a symbol of an allocated section or an undefined one",
      found: `symbol ${symbolIndex} ${symbol?.name ?? ""}`,
    });
  }
  const place = entity.section === undefined ? addend : symbol.st_value + addend;
  return { target: entity.index, addend: place - entity.start };
}

/** Where pointers to callbacks of a hotpatch stand (packages/builder/include/suture.h). */
export const CALLBACK_SECTIONS = ".suture.callbacks.";

export const isCallback = ({ section }: Entity): boolean =>
  section?.name.startsWith(CALLBACK_SECTIONS) === true;

type Draft = Omit<Entity, "index" | "references">;

function indexEntities(
  entities: readonly Entity[],
): Pick<ObjectModel, "byName" | "bySection" | "bySymbol" | "partsByName"> {
  const byName = new Map<string, Entity>();
  const bySymbol = new Map<number, Entity>();
  const bySection = new Map<number, Entity[]>();
  const partsByName = new Map<string, Entity[]>();
  for (const entity of entities) {
    const whole = entity.kind === "function" ? hotName(entity.name) : undefined;
    if (whole !== undefined) {
      partsByName.set(whole, [...(partsByName.get(whole) ?? []), entity]);
    }
    for (const symbol of entity.symbols) {
      bySymbol.set(symbol.index, entity);
      if (entity.kind !== "literals") byName.set(symbol.name, entity);
    }
    if (entity.section === undefined) continue;
    const list = bySection.get(entity.section.index);
    if (list === undefined) bySection.set(entity.section.index, [entity]);
    else list.push(entity);
  }
  return { byName, bySection, bySymbol, partsByName };
}

/**
 * The entity at a place in a section. A place outside of all entities belongs to the nearest one
 * before it, or to the first: `table - 8` with a PC-relative distance still means `table`.
 */
function entityAt(
  model: Pick<ObjectModel, "bySection">,
  sectionIndex: number,
  place: number,
): Entity | undefined {
  const list = model.bySection.get(sectionIndex);
  let found = list?.[0];
  for (const entity of list ?? []) {
    if (entity.start <= place) found = entity;
  }
  return found;
}

function definedEntities(elf: ElfFile, symbols: readonly ElfSymbol[]): Draft[] {
  const inSection = new Map<number, ElfSymbol[]>();
  for (const symbol of symbols) {
    if (symbol.type === STT.STT_SECTION || symbol.type === STT.STT_FILE) continue;
    const list = inSection.get(symbol.st_shndx);
    if (list === undefined) inSection.set(symbol.st_shndx, [symbol]);
    else list.push(symbol);
  }
  return elf.sections
    .filter((section) => hasFlag(section.sh_flags, SHF.SHF_ALLOC) && section.name !== ".eh_frame")
    .flatMap((section) => entitiesOfSection(section, inSection.get(section.index) ?? []));
}

function entitiesOfSection(section: Section, symbols: readonly ElfSymbol[]): Draft[] {
  const named = symbols.filter((symbol) => kindOfSymbol(section, symbol) !== undefined);
  const whole: Draft = {
    kind: kindOfSection(section),
    name: section.name,
    symbols,
    section,
    start: 0,
    size: section.sh_size,
    global: false,
    writable: isWritable(section),
  };
  if (whole.kind === "literals" || named.length === 0) return [whole];
  const starts = [...new Set(named.map((symbol) => symbol.st_value))].sort((a, b) => a - b);
  return starts.map((start, position) => {
    const end = starts[position + 1] ?? section.sh_size;
    const here = symbols.filter(
      ({ st_value }) => st_value >= start && st_value < Math.max(end, start + 1),
    );
    const first = primarySymbol(named.filter(({ st_value }) => st_value === start));
    const begin = position === 0 ? 0 : start;
    return {
      ...whole,
      kind: kindOfSymbol(section, first) ?? whole.kind,
      name: first.name,
      symbols: [first, ...here.filter((symbol) => symbol !== first)],
      start: begin,
      size: starts.length === 1 && first.st_size === 0 ? section.sh_size : end - begin,
      global: here.some(({ binding }) => binding !== STB.STB_LOCAL),
    };
  });
}

/** Of several names of one place the global one that sorts first, for a stable choice. */
function primarySymbol(symbols: readonly ElfSymbol[]): ElfSymbol {
  const sorted = [...symbols].sort(
    (a, b) =>
      Number(a.binding === STB.STB_LOCAL) - Number(b.binding === STB.STB_LOCAL) ||
      (a.name < b.name ? -1 : 1),
  );
  const first = sorted[0];
  assert(first !== undefined, "an entity with a symbol has a first symbol");
  return first;
}

function externalEntities(symbols: readonly ElfSymbol[]): Draft[] {
  return symbols
    .filter(({ st_shndx }) => isPlaceless(st_shndx))
    .filter(({ type }) => type !== STT.STT_FILE)
    .map((symbol) => ({
      kind: symbol.st_shndx === SHN.SHN_COMMON ? "variable" : "external",
      name: symbol.name,
      symbols: [symbol],
      section: undefined,
      start: 0,
      size: symbol.st_size,
      global: symbol.binding !== STB.STB_LOCAL,
      writable: symbol.st_shndx === SHN.SHN_COMMON,
    }));
}

function kindOfSymbol(section: Section, symbol: ElfSymbol): EntityKind | undefined {
  switch (symbol.type) {
    case STT.STT_FUNC:
    case STT.STT_GNU_IFUNC:
      return "function";
    case STT.STT_TLS:
      return "tls";
    case STT.STT_OBJECT:
    case STT.STT_COMMON:
      return "variable";
    default:
      return hasFlag(section.sh_flags, SHF.SHF_TLS) ? "tls" : undefined;
  }
}

function kindOfSection(section: Section): EntityKind {
  if (hasFlag(section.sh_flags, SHF.SHF_TLS)) return "tls";
  if (hasFlag(section.sh_flags, SHF.SHF_EXECINSTR)) return "code";
  if (isWritable(section)) return "data";
  return hasFlag(section.sh_flags, SHF.SHF_MERGE) ? "literals" : "constants";
}

/** `.data.rel.ro` is written by the dynamic linker only: the program sees it read-only. */
const isWritable = (section: Section): boolean =>
  hasFlag(section.sh_flags, SHF.SHF_WRITE) && !/^\.data\.rel\.ro(\.|$)/.test(section.name);

const isPlaceless = (st_shndx: number): boolean =>
  st_shndx === SHN.SHN_UNDEF || st_shndx === SHN.SHN_ABS || st_shndx === SHN.SHN_COMMON;
