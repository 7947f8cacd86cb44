/**
 * Which of the compiled units are linked into the program or library.
 *
 * One source is often compiled several times: for the library and for its tests, with and without
 * -fPIC (libtool), with other flags for another program. All of them have the same names, and
 * small functions have even the same code. So the unit that matches most functions takes its
 * places first, and one that would stand where another stands already is not in the module.
 */
import { basename } from "node:path";
import type { CompiledUnit } from "./compare-trees.ts";
import { formatAddress } from "./engine.ts";
import type { Module } from "./module-symbols.ts";
import { type PlacedUnit, placeUnit } from "./place-unit.ts";
import type { BuildRefusal, RefusalItem } from "./refusals.ts";

/** A compiled unit that is in the module, and where its functions are. */
export interface ModuleUnit extends CompiledUnit {
  readonly placed: PlacedUnit;
}

/**
 * The units that are part of the module, in the order given.
 *
 * A source whose name the module has, but none of its code, is refused: the module was built
 * from another version or with other flags.
 */
export function unitsInModule(
  units: readonly CompiledUnit[],
  module: Module,
): readonly ModuleUnit[] | BuildRefusal {
  const all = units.map((unit) => ({
    ...unit,
    placed: placeUnit(unit.before, unit.unit.command.file, module),
  }));
  const found = new Set(
    all.filter(({ placed }) => placed.functions.size > 0).map(({ unit }) => sourceOf(unit.name)),
  );
  const strangers = all.filter(
    ({ unit, placed }) =>
      !found.has(sourceOf(unit.name)) &&
      placed.mismatches.size > 0 &&
      hasSourceFile(module, basename(unit.command.file)),
  );
  if (strangers.length > 0) return refuseSource(strangers.flatMap(mismatchItems));
  const chosen = chooseByPlace(all, module);
  return all.filter((unit) => chosen.has(unit)).map((unit, _, kept) => nameAlone(unit, kept));
}

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
      ? `${unit.unit.name}: no code of that name, or several that fit, in the program or library`
      : `${unit.unit.name}: the linked code at ${formatAddress(mismatch.address)} differs: ${mismatch.mismatch}`;
  return { name, code: "not-the-source", detail };
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

function hasSourceFile(module: Module, file: string): boolean {
  for (const list of module.symbols.locals.values()) {
    if (list.some((local) => local.file === file)) return true;
  }
  return false;
}
