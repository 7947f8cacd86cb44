/** What a fix means for one program or library. */
import { basename } from "node:path";
import { type About, type Assembled, assembleHotpatch } from "./assemble.ts";
import type { CompiledFix } from "./compare-trees.ts";
import { commandKey } from "./fixes.ts";
import type { Module } from "./module-symbols.ts";
import { type BuildRefusal, isBuildRefusal } from "./refusals.ts";
import { type ModuleUnit, unitsInModule } from "./units-in-module.ts";

/** Which of the compiled units are in a module. */
export interface PlacedFix {
  readonly units: readonly ModuleUnit[];
  /** Why others cannot be taken that are in it, or may be. */
  readonly refused: readonly BuildRefusal[];
  /** Sources whose units are not part of it. */
  readonly absent: readonly string[];
  /** The compile commands of all that are in it or may be. */
  readonly inside: ReadonlySet<string>;
}

/**
 * Finds the compiled units in a module.
 *
 * A unit that could not be compiled or compared stands in the way of every module that has its
 * source's name, or may have it: assembly leaves no name in a symbol table.
 */
export function placeFix(fix: CompiledFix, module: Module): PlacedFix {
  const { units, refused: strangers, absent } = unitsInModule(fix.compiled, module);
  const unusable = fix.refused.flatMap((refusal) => refusalIn(refusal, module));
  const refused = [...unusable, ...strangers];
  const named = new Set(refused.flatMap(({ items }) => items.map(({ unit }) => unit)));
  const doubtful = fix.selected.filter(
    ({ name }) => named.has(name) || named.has(name.replace(/\([0-9]+\)$/, "")),
  );
  const inside = [...units.map(({ unit }) => unit), ...doubtful].map(({ command }) =>
    commandKey(command),
  );
  return { units, refused, absent, inside: new Set(inside) };
}

export type ModuleOutcome =
  | { readonly kind: "built"; readonly assembled: Assembled }
  | { readonly kind: "refused"; readonly refusal: BuildRefusal }
  /** Changed units are in it, and their machine code is the same before and after. */
  | { readonly kind: "no-change"; readonly units: readonly string[] }
  /** No changed unit is in it. */
  | { readonly kind: "not-concerned" };

/** Makes the hotpatch for one module, or says why there is none. */
export function outcomeForModule(
  { units, refused }: PlacedFix,
  module: Module,
  about: Omit<About, "refused">,
): ModuleOutcome {
  if (units.length === 0 && refused.length === 0) return { kind: "not-concerned" };
  const assembled = assembleHotpatch(units, module, { ...about, refused });
  if (!isBuildRefusal(assembled)) return { kind: "built", assembled };
  if (assembled.refused === "no-change" && refused.length === 0) {
    return { kind: "no-change", units: units.map(({ unit }) => unit.name) };
  }
  return { kind: "refused", refusal: assembled };
}

function refusalIn(refusal: BuildRefusal, { symbols }: Module): readonly BuildRefusal[] {
  const items = refusal.items.filter(({ code, unit = "" }) => {
    const source = basename(unit.replace(/\([0-9]+\)$/, ""));
    return !symbols.complete || code === "assembly" || symbols.files.has(source);
  });
  return items.length > 0 ? [{ ...refusal, items }] : [];
}
