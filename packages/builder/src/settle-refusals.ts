/**
 * What all units of a module together tell that one unit cannot.
 *
 * The differ looks at one unit and refuses what it cannot rule out. Two of its refusals may turn
 * out groundless here:
 *
 * - A type changes its layout, but no unit of the module has other machine code: then nothing of
 *   the change is in this program, as with a member that only other builds have.
 * - A global function changes its signature. Its callers may be in units that were not compiled
 *   again, or in other modules. The linked file shows whether there are any: another module can
 *   only call what is exported, and every other caller or pointer in the code has the function's
 *   distance in some instruction.
 */
import type { DiffRefusal, ElfFile, ObjectDiff } from "./engine.ts";
import { addressBytes, fileAddr, PT } from "./engine.ts";
import type { Module } from "./module-symbols.ts";
import type { ModuleUnit } from "./units-in-module.ts";

interface UnitDiff {
  readonly unit: ModuleUnit;
  readonly diff: ObjectDiff;
}

/** The diffs without the refusals that do not hold for the module. */
export function settleRefusals<T extends UnitDiff>(diffs: readonly T[], module: Module): T[] {
  const isUnchanged = diffs.every(({ diff }) => {
    const { changed, added, refusals } = diff;
    return changed.length + added.length === 0 && refusals.every(isAboutTypes);
  });
  return diffs.map((it) => ({
    ...it,
    diff: {
      ...it.diff,
      refusals: it.diff.refusals.filter((refusal) => {
        if (isAboutTypes(refusal)) return !isUnchanged;
        return refusal.code !== "changed-signature" || mayBeCalled(it, refusal, { diffs, module });
      }),
    },
  }));
}

const isAboutTypes = ({ code }: DiffRefusal): boolean =>
  code === "type-layout" || code === "enumerator-value";

/** Whether code that stays may call a function whose signature changes. */
function mayBeCalled(
  { unit, diff }: UnitDiff,
  { name }: DiffRefusal,
  { diffs, module }: { readonly diffs: readonly UnitDiff[]; readonly module: Module },
): boolean {
  const changed = diff.changed.find((it) => it.name === name);
  const place = unit.placed.functions.get(changed?.beforeSymbolIndex ?? -1);
  // Of a static function the differ saw everything there is.
  if (changed?.binding !== "global" || place === undefined) return true;
  if (module.symbols.exported.has(name)) return true;
  const known = diffs.flatMap((it) => rangesOf(it.unit));
  const isKnown = (at: number): boolean => known.some(({ start, end }) => at >= start && at < end);
  return referencesTo(module.image, place.address).some((at) => !isKnown(at));
}

interface Range {
  readonly start: number;
  readonly end: number;
}

/** Where the code of a unit is that was compiled before and after the fix. */
const rangesOf = ({ placed }: ModuleUnit): readonly Range[] =>
  [...placed.functions.values()].flatMap(({ address, match }) => [
    { start: address, end: address + match.size },
    ...match.parts.flatMap((part) =>
      part.size === undefined ? [] : [{ start: part.address, end: part.address + part.size }],
    ),
  ]);

/**
 * Addresses in the code of fields that hold the distance to `target` from their end, whatever the
 * instruction (call, jump, lea). Chance finds a field that is none once in 2^32 bytes.
 */
function referencesTo(image: ElfFile, target: number): readonly number[] {
  const found: number[] = [];
  for (const { p_type, p_flags, p_vaddr, p_filesz } of image.segments) {
    if (p_type !== PT.PT_LOAD || (p_flags & PF_X) === 0) continue;
    const bytes = addressBytes(image, fileAddr(p_vaddr), p_filesz);
    if (bytes === undefined) continue;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let at = 0; at + FIELD_SIZE <= bytes.length; at++) {
      if (p_vaddr + at + FIELD_SIZE + view.getInt32(at, true) === target) found.push(p_vaddr + at);
    }
  }
  return found;
}

const PF_X = 1;
const FIELD_SIZE = 4;
