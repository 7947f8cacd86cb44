/**
 * Which of the compiled units are linked into the program or library.
 *
 * One source is often compiled several times: for the library and for its tests, with and without
 * -fPIC (libtool), with other flags for another program. All of them have the same names, and
 * small functions have even the same code. So the unit that matches most functions takes its
 * places first, and one that would stand where another stands already is not in the module.
 */
import { basename } from "node:path";
import { alikeKey } from "./changed-units.ts";
import type { CompiledUnit } from "./compare-trees.ts";
import { diffObjects, formatAddress, SHN, STB, STT } from "./engine.ts";
import type { Module } from "./module-symbols.ts";
import { type PlacedUnit, placeUnit } from "./place-unit.ts";
import type { BuildRefusal, RefusalItem } from "./refusals.ts";

/** A compiled unit that is in the module, and where its functions are. */
export interface ModuleUnit extends CompiledUnit {
  readonly placed: PlacedUnit;
}

export interface UnitsInModule {
  readonly units: readonly ModuleUnit[];
  /** The sources whose units are not part of the module. */
  readonly absent: readonly string[];
  /** Why some are neither. */
  readonly refused: readonly BuildRefusal[];
}

/**
 * The units that are part of the module, in the order given.
 *
 * A source whose name the module has, but none of its code, is refused: the module was built
 * from another version or with other flags. One whose name it does not have is no part of it, though
 * it may share names and code with one that is (libcrypto.c and libgcrypt.c of libssh). Where the
 * module is stripped of such names, a unit is refused whose changed functions may be in it, though
 * none was found for sure.
 */
export function unitsInModule(units: readonly CompiledUnit[], module: Module): UnitsInModule {
  const isElsewhere = ({ unit: { command } }: CompiledUnit): boolean =>
    module.absent?.has(alikeKey(command)) === true ||
    (module.symbols.complete && !module.symbols.files.has(basename(command.file)));
  const elsewhere = units.filter(isElsewhere).map(({ unit }) => sourceOf(unit.name));
  const candidates = units.filter((unit) => !isElsewhere(unit));
  const all = candidates.map((unit) => ({
    ...unit,
    placed: placeUnit(unit.before, unit.unit.command.file, module),
  }));
  const found = new Set(
    all.filter(({ placed }) => placed.functions.size > 0).map(({ unit }) => sourceOf(unit.name)),
  );
  const without = all.filter(({ unit }) => !found.has(sourceOf(unit.name)));
  const data = without.filter((unit) => isDataInModule(unit, module));
  const others = without.filter((unit) => !data.includes(unit));
  const chosen = chooseByPlace(all, module);
  const items = others.flatMap((unit) =>
    module.symbols.complete ? strangerItems(unit, { chosen, module }) : doubtfulItems(unit),
  );
  const refused = items.length > 0 ? [refuseSource(items)] : [];
  const isKept = (unit: ModuleUnit): boolean => chosen.has(unit) || data.includes(unit);
  const kept = all.filter(isKept).map((unit, _, list) => nameAlone(unit, list));
  const left = others.map(({ unit }) => sourceOf(unit.name));
  return { units: kept, absent: [...new Set([...elsewhere, ...left])], refused };
}

/**
 * Whether the module has variables of a unit that no function of it tells of: a unit of tables has
 * none, and those of others are all inlined. Nothing of it can be replaced; what changes in it
 * must not be overlooked.
 */
function isDataInModule({ unit, placed }: ModuleUnit, { symbols }: Module): boolean {
  const source = basename(unit.command.file);
  if (placed.mismatches.size > 0 || !symbols.complete || !symbols.files.has(source)) return false;
  return placed.symbols.some(({ type, name, binding, st_shndx }) => {
    if ((type !== STT.STT_OBJECT && type !== STT.STT_TLS) || st_shndx === SHN.SHN_UNDEF)
      return false;
    if (binding !== STB.STB_LOCAL) return symbols.globals.has(name);
    return symbols.locals.get(name)?.some(({ file }) => file === source) ?? false;
  });
}

/**
 * What differs in a unit whose source's name the module has, unless all that have the name are
 * found: then it is the same source for another program, compiled with other flags (curl, three
 * times).
 */
function strangerItems(
  unit: ModuleUnit,
  { chosen, module }: { readonly chosen: ReadonlySet<ModuleUnit>; readonly module: Module },
): readonly RefusalItem[] {
  const name = basename(unit.unit.command.file);
  const found = [...chosen].filter((other) => basename(other.unit.command.file) === name);
  return found.length < (module.symbols.files.get(name) ?? 0) ? mismatchItems(unit) : [];
}

/** The changed functions of a unit that the module has code for, or names. */
function doubtfulItems(unit: ModuleUnit): readonly RefusalItem[] {
  const { possible, mismatches, isDoubtful } = unit.placed;
  // Names of a stripped module tell of no data: what cannot be changed there may be in it.
  if (unit.placed.tried === 0) {
    return diffObjects(unit.before, unit.after).refusals.map(({ code, name, detail }) => ({
      ...{ name, unit: unit.unit.name, code, detail },
    }));
  }
  const isPossible = (index: number) =>
    isDoubtful || (possible.get(index) ?? 0) > 0 || mismatches.has(index);
  if (!unit.placed.symbols.some(({ index }) => isPossible(index))) return [];
  return diffObjects(unit.before, unit.after).changed.flatMap(({ name, beforeSymbolIndex }) =>
    isPossible(beforeSymbolIndex) ? [mismatchItem(unit, name, beforeSymbolIndex)] : [],
  );
}

/** A sentence about sources that the fix changes and the module does not have. */
export const absentNotes = (absent: readonly string[], name: string): readonly string[] =>
  absent.length === 0 ? [] : [`changed too, and no part of ${name}: ${absent.join(", ")}`];

function chooseByPlace(
  units: readonly ModuleUnit[],
  { isLibrary }: Module,
): ReadonlySet<ModuleUnit> {
  const isForLibraries = ({ unit }: ModuleUnit): boolean =>
    unit.command.options.some((option) => /^-f(?:pic|PIC)$/.test(option));
  const suits = (unit: ModuleUnit): number => Number(isForLibraries(unit) === isLibrary);
  const ranked = [...units].sort(
    (a, b) =>
      b.placed.functions.size - a.placed.functions.size ||
      a.placed.mismatches.size - b.placed.mismatches.size ||
      suits(b) - suits(a),
  );
  const taken = new Set<number>();
  const chosen = new Set<ModuleUnit>();
  for (const unit of ranked) {
    const places = [...unit.placed.functions.values()].map(({ address }) => address);
    if (places.length === 0 || places.some((address) => taken.has(address))) continue;
    chosen.add(unit);
    for (const address of places) taken.add(address);
  }
  return chosen;
}

/** A unit goes by its source's plain name where it is the only one of that source. */
function nameAlone(unit: ModuleUnit, kept: readonly ModuleUnit[]): ModuleUnit {
  const source = sourceOf(unit.unit.name);
  const alone = kept.every((other) => other === unit || sourceOf(other.unit.name) !== source);
  return alone ? { ...unit, unit: { ...unit.unit, name: source } } : unit;
}

/** Why a function of the unit is not where the module should have it. */
export function mismatchItem(unit: ModuleUnit, name: string, symbolIndex: number): RefusalItem {
  const mismatch = unit.placed.mismatches.get(symbolIndex);
  const detail =
    mismatch === undefined
      ? missingDetail(unit.placed.possible.get(symbolIndex))
      : `the linked code at ${formatAddress(mismatch.address)} differs: ${mismatch.mismatch}`;
  const { name: from } = unit.unit;
  return { name, unit: from, code: "not-the-source", detail: `${from}: ${detail}` };
}

function missingDetail(possible: number | undefined): string {
  if (possible === undefined) {
    return "no code of that name, or several that fit, in the program or library";
  }
  if (possible === 0) return "the stripped program or library has no such code";
  return possible === 1
    ? "the stripped program or library has such code, which may be another function's"
    : `the stripped program or library has such code in ${possible} places`;
}

/** Refuses because the module's code is not what the source compiles to. */
export const refuseSource = (items: readonly RefusalItem[]): BuildRefusal => ({
  refused: "not-the-source",
  items,
  next: "give the source and the compiler that the program or library was built with",
});

const mismatchItems = (unit: ModuleUnit): readonly RefusalItem[] =>
  [...unit.placed.mismatches.keys()].map((index) =>
    mismatchItem(unit, unit.placed.symbols[index]?.name ?? "", index),
  );

const sourceOf = (unit: string): string => unit.replace(/\([0-9]+\)$/, "");

/** Refuses because none of the units is part of the module. */
export function refuseElsewhere(
  units: readonly CompiledUnit[],
  module: Module,
  name: string,
): BuildRefusal {
  const where = module.symbols.complete ? "it" : "it, as far as stripped code tells";
  return {
    refused: "not-in-binary",
    items: units.map(({ unit }) => ({
      name,
      unit: unit.name,
      code: "not-in-binary",
      detail: `no function of the changed unit ${unit.name} is part of ${where}`,
    })),
    next: "give the program or library that these units are linked into",
  };
}
