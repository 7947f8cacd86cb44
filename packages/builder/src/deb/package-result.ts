/** The result of a package build from what was made for each of its programs and libraries. */
import type { BinaryBuild, FixSet } from "../build-for-binary.ts";
import { type FixReport, reportFix } from "../fix-report.ts";
import type { Module } from "../module-symbols.ts";
import type { PatchFile } from "../patch-file.ts";
import { type BuildRefusal, combineRefusals, FINE, refuseBuild } from "../refusals.ts";
import { nameFixes } from "../refused-fixes.ts";
import type { BuildResult, BuiltHotpatch } from "../request.ts";
import { absentNotes } from "../units-in-module.ts";

export interface BuiltBinary extends BinaryBuild {
  readonly module: Module;
  /** Its path in the package, and that on this machine. */
  readonly file: string;
  readonly absolute: string;
}

/** All hotpatches and a report for every patch; a refusal where there is no hotpatch. */
export function resultOf(
  patches: readonly PatchFile[],
  found:
    | { readonly refusal: BuildRefusal }
    | {
        readonly built: readonly BuiltBinary[];
        readonly notes: readonly string[];
        readonly set: FixSet;
      },
): BuildResult {
  if ("refusal" in found) {
    const fixes =
      found.refusal.refused === "no-change" ? patches.map((fix) => reportFix(fix, [])) : [];
    return { ...found.refusal, ...(fixes.length > 0 && { fixes }) };
  }
  const { built, set } = found;
  const fixes = reportsOf(built, set);
  const [first, ...others] = built.flatMap(hotpatchOf);
  if (first === undefined) return { ...refusalOf(patches, built, set), fixes };
  const concerned = built.filter(({ assembled }) => assembled !== undefined);
  // A source that is in one of the files need not be in the others.
  const absent = concerned
    .map((binary) => binary.absent)
    .reduce((all, own) => all.filter((source) => own.includes(source)));
  const names = concerned.map(({ module }) => module.name).join(", ");
  const notes = [...absentNotes(absent, names), ...found.notes];
  return { hotpatches: [first, ...others], fixes, notes };
}

/** One report for each patch, in the order of the patches. */
function reportsOf(built: readonly BuiltBinary[], { steps }: FixSet): readonly FixReport[] {
  return steps.flatMap(({ patches }, index) => {
    const binaries = built.flatMap(({ fixes, file, module }) => {
      const own = fixes.get(index);
      return own === undefined ? [] : [{ file, buildId: module.buildId, ...own }];
    });
    return patches.map((patch) => reportFix(patch, binaries));
  });
}

function hotpatchOf({ assembled, absolute, file }: BuiltBinary): readonly BuiltHotpatch[] {
  if (assembled === undefined) return [];
  const { bytes, description, manifest } = assembled;
  return [{ bytes, description, manifest, binary: absolute, file }];
}

function refusalOf(
  patches: readonly PatchFile[],
  built: readonly BuiltBinary[],
  { everything }: FixSet,
): BuildRefusal {
  const refusals = built.flatMap(({ refusal, file }) =>
    refusal === undefined ? [] : [built.length > 1 ? inFile(refusal, file) : refusal],
  );
  const [first, ...others] = refusals;
  const concerned = { patches, units: everything.selected };
  if (first !== undefined) return nameFixes(combineRefusals(first, others), concerned);
  const units = everything.selected.map(({ name }) => name).join(", ");
  const isConcerned = built.some(({ fixes }) => fixes.size > 0);
  const name = built.map(({ file }) => file).join(", ");
  return isConcerned
    ? refuseBuild("no-change", {
        name: units,
        detail: "the functions are the same before and after the fix",
        next: "nothing to do: what runs is not affected",
      })
    : refuseBuild("not-in-binary", {
        name,
        detail: `no changed unit is part of it: ${units}`,
        next: "nothing to do, unless these units are linked into another program or library",
      });
}

const inFile = (refusal: BuildRefusal, file: string): BuildRefusal => ({
  ...refusal,
  items: refusal.items.map((item) =>
    item.code === FINE ? item : { ...item, detail: `${file}: ${item.detail}` },
  ),
});
