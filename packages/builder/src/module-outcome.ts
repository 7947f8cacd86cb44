/** What a fix means for one program or library. */
import { basename } from "node:path";
import { type About, type Assembled, assembleHotpatch } from "./assemble.ts";
import type { CompiledFix } from "./compare-trees.ts";
import type { Module } from "./module-symbols.ts";
import { type BuildRefusal, isBuildRefusal } from "./refusals.ts";
import { unitsInModule } from "./units-in-module.ts";

export type ModuleOutcome =
  | { readonly kind: "built"; readonly assembled: Assembled; readonly absent: readonly string[] }
  | { readonly kind: "refused"; readonly refusal: BuildRefusal }
  /** Changed units are in it, and their machine code is the same before and after. */
  | { readonly kind: "no-change"; readonly units: readonly string[] }
  /** No changed unit is in it. */
  | { readonly kind: "not-concerned" };

/**
 * Makes the hotpatch for one module, or says why there is none.
 *
 * A unit that could not be compiled or compared stands in the way of every module that has its
 * source's name, or may have it: assembly leaves no name in a symbol table.
 */
export function outcomeForModule(
  fix: CompiledFix,
  module: Module,
  about: Omit<About, "refused">,
): ModuleOutcome {
  const { units, refused: strangers, absent } = unitsInModule(fix.compiled, module);
  const unusable = fix.refused.flatMap((refusal) => refusalIn(refusal, module));
  const refused = [...unusable, ...strangers];
  if (units.length === 0 && refused.length === 0) return { kind: "not-concerned" };
  const assembled = assembleHotpatch(units, module, { ...about, refused });
  if (!isBuildRefusal(assembled)) return { kind: "built", assembled, absent };
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
