/**
 * Variables that hotpatches bring, and how a newer hotpatch takes them over.
 *
 * Hotpatches of one baseline are cumulative: the second brings the counter that the first brought.
 * Its value must survive, and so must its address, for a pointer to it may be anywhere in the
 * process. So the newer hotpatch does not get a copy: its references are linked to the variable
 * where it is, and that memory of the older one stays until the last hotpatch that uses it goes.
 *
 *     first applied           second applied              second reverted
 *     +--------+              (freed)
 *     | ledger |              (freed)
 *     | code   |              +-----------+
 *     | tables |              | tables    |               (freed)
 *     | count  |              | count     |  <--+         (freed)
 *     +--------+              +-----------+     |
 *                             | ledger    |  keeps        (freed)
 *                             | code      | ----+         (freed)
 *                             +-----------+
 *
 * The constants stay with the variables, because variables point to strings. The code goes, so a
 * variable that started with an address of the hotpatch's own code cannot be taken over.
 *
 * Two variables are the same one when unit and name are equal (`NAME@UNIT#new`, or `NAME` where it
 * is global), with size and initial value. Static variables of functions have numbers that differ
 * from compilation to compilation (`count.4@src/a.c#new`); these count only for the order among
 * several of one name. What has the name and is not the same is refused: to give the new code a fresh
 * variable would silently lose what the process has counted so far.
 */
import { createHash } from "node:crypto";
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { SHF, SHN, SHT, STT } from "../elf/constants.ts";
import { type ElfFile, hasFlag, type Section, sectionBytes } from "../elf/file.ts";
import { type Relocation, relocationsOf } from "../elf/relocation.ts";
import { type ElfSymbol, symbolTable } from "../elf/symbol.ts";
import type { KeptSections, Layout } from "../link/layout.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import type { Ledger, LedgerVariable, Range } from "./ledger.ts";

/** A variable that a hotpatch object defines: a writable section with a name. */
export interface NewVariable extends Omit<LedgerVariable, "address"> {
  readonly section: number;
  readonly alignment: number;
}

/** Which variables the process has already, and the memory that therefore stays. */
export interface KeptVariables {
  readonly sections: KeptSections;
  readonly keeps: readonly Range[];
}

/**
 * The variables of a hotpatch object. `replacements` are the symbols of replaced functions: their
 * addresses are those of the originals, which stay. Throws FormatError for bad bytes.
 */
export function findVariables(
  object: ElfFile,
  replacements: ReadonlySet<string>,
): readonly NewVariable[] {
  const symbols = symbolTable(object);
  return object.sections.filter(isWritableData).flatMap((section): NewVariable[] => {
    const name = nameOfSection(section, symbols);
    if (name === undefined) return [];
    const relocations = relocationsOf(object, section);
    return [
      {
        name,
        size: section.sh_size,
        initial: digestOf(object, section, relocations, symbols),
        pointsToCode: relocations.some(({ symbolIndex, r_addend }) => {
          const symbol = symbols[symbolIndex];
          const isOriginal = symbol && replacements.has(symbol.name) && r_addend === 0;
          return !isOriginal && isCode(object.sections[symbol?.st_shndx ?? SHN.SHN_UNDEF]);
        }),
        section: section.index,
        alignment: section.sh_addralign,
      },
    ];
  });
}

/** Finds each variable that the superseded hotpatch has, or refuses (`variable-not-kept`). */
export function keepVariables(
  variables: readonly NewVariable[],
  superseded: Ledger | undefined,
): KeptVariables | Refusal {
  const sections = new Map<number, VirtualAddr>();
  const keeps = new Set<Range>();
  if (superseded === undefined) return { sections, keeps: [] };
  const present = groupByName(superseded.variables);
  for (const [name, group] of groupByName(variables)) {
    const old = present.get(name) ?? [];
    if (old.length === 0) continue;
    if (old.length !== group.length) {
      return notKept(
        superseded,
        name,
        `it has ${old.length} of that name, the new one ${group.length}`,
      );
    }
    for (const [index, variable] of group.entries()) {
      const place = placeOf(variable, old[index], superseded);
      if (isRefusal(place)) return place;
      sections.set(variable.section, place.address);
      keeps.add(place.memory);
    }
  }
  return { sections, keeps: [...keeps] };
}

/** What the ledger says of the variables, when the hotpatch is linked for `base`. */
export function recordVariables(
  variables: readonly NewVariable[],
  layout: Layout,
  base: VirtualAddr,
): readonly LedgerVariable[] {
  const placed = new Map(layout.sections.map(({ section, offset }) => [section.index, offset]));
  return variables.map(({ name, size, initial, pointsToCode, section }) => ({
    name,
    address: layout.kept.get(section) ?? virtualAddr(base + (placed.get(section) ?? 0)),
    size,
    initial,
    pointsToCode,
  }));
}

const isWritableData = (section: Section): boolean =>
  hasFlag(section.sh_flags, SHF.SHF_ALLOC) &&
  hasFlag(section.sh_flags, SHF.SHF_WRITE) &&
  !hasFlag(section.sh_flags, SHF.SHF_TLS) &&
  section.sh_size > 0 &&
  !/^\.data\.rel\.ro\b|^\.suture\b/.test(section.name);

const isCode = (section: Section | undefined): boolean =>
  section !== undefined && hasFlag(section.sh_flags, SHF.SHF_EXECINSTR);

/** Of several names the first by place and spelling. */
function nameOfSection(section: Section, symbols: readonly ElfSymbol[]): string | undefined {
  const [first] = symbols
    .filter(({ st_shndx, type, name }) => {
      return st_shndx === section.index && type !== STT.STT_SECTION && name !== "";
    })
    .sort((a, b) => a.st_value - b.st_value || (a.name < b.name ? -1 : 1));
  return first?.name;
}

/** The bytes, and what the addresses among them stand for. */
function digestOf(
  object: ElfFile,
  section: Section,
  relocations: readonly Relocation[],
  symbols: readonly ElfSymbol[],
): string {
  const isZero = section.sh_type === SHT.SHT_NOBITS;
  const bytes = isZero ? new Uint8Array(section.sh_size) : sectionBytes(object, section);
  const digest = createHash("sha256").update(bytes);
  for (const { r_offset, type, symbolIndex, r_addend } of relocations) {
    const symbol = symbols[symbolIndex];
    const target = object.sections[symbol?.st_shndx ?? SHN.SHN_UNDEF];
    const literal = symbol?.type === STT.STT_SECTION ? textAt(object, target, r_addend) : undefined;
    const meant = literal ?? `${withoutNumber(symbol?.name || target?.name || "")} ${r_addend}`;
    digest.update(`\0${r_offset} ${type} ${meant}`);
  }
  return digest.digest("hex");
}

/** Strings stand in other places from build to build: their text is what counts. */
function textAt(object: ElfFile, section: Section | undefined, at: number): string | undefined {
  if (section === undefined || !/^\.rodata\b/.test(section.name)) return undefined;
  const bytes = sectionBytes(object, section).subarray(Math.max(0, at));
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString("latin1");
}

const NUMBER = /\.(\d+)(?=@|$)/;
const withoutNumber = (name: string): string => name.replace(NUMBER, "");
const numberOf = (name: string): number => Number(NUMBER.exec(name)?.[1] ?? -1);

/** Variables by their names without numbers, those of one name in the order of the numbers. */
function groupByName<T extends { readonly name: string }>(
  variables: readonly T[],
): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const variable of variables) {
    const name = withoutNumber(variable.name);
    groups.set(name, [...(groups.get(name) ?? []), variable]);
  }
  for (const group of groups.values()) group.sort((a, b) => numberOf(a.name) - numberOf(b.name));
  return groups;
}

function placeOf(
  variable: NewVariable,
  old: LedgerVariable | undefined,
  superseded: Ledger,
): { readonly address: VirtualAddr; readonly memory: Range } | Refusal {
  const { name, size, initial, alignment } = variable;
  const memory = [superseded.data, ...superseded.keeps].find(
    (range) =>
      old && range.address <= old.address && old.address + size <= range.address + range.size,
  );
  if (old === undefined || memory === undefined) {
    return notKept(superseded, name, "its ledger does not say where it is");
  }
  if (old.size !== size) {
    return notKept(superseded, name, `it has ${old.size} bytes, and the new code wants ${size}`);
  }
  if (old.initial !== initial) {
    return notKept(superseded, name, "it started with another value than the new code expects");
  }
  if (old.pointsToCode) {
    return notKept(superseded, name, "it started with addresses of code that goes");
  }
  if (alignment > 1 && old.address % alignment !== 0) {
    return notKept(superseded, name, `the new code wants it at a multiple of ${alignment}`);
  }
  return { address: old.address, memory };
}

const notKept = (superseded: Ledger, name: string, why: string): Refusal =>
  refuse(
    "variable-not-kept",
    `variable ${name} of hotpatch ${superseded.id}: ${why}`,
    `to start it anew, revert the older hotpatch first: suture revert ${superseded.id}`,
  );
