/**
 * From compiled pairs of units to a hotpatch file: place, diff, write, refer.
 *
 * Everything that stands in the way is collected before it is refused, so that an author sees
 * all of it at once.
 */
import type { Fix, HotpatchManifest } from "@suture/release";
import {
  type DiffRefusal,
  diffObjects,
  type ElfFile,
  type FunctionPart,
  fileAddr,
  type HotpatchObject,
  type ObjectDiff,
  type PatchDescription,
  type ReplacedFunction,
  writeHotpatch,
} from "./engine.ts";
import { hotpatchId, sha256, writeHotpatchFile } from "./hotpatch-file.ts";
import { bytesFrom, type Module } from "./module-symbols.ts";
import { findReference } from "./references.ts";
import { type BuildRefusal, isBuildRefusal, type RefusalItem } from "./refusals.ts";
import { type ModuleUnit, mismatchItem, refuseSource } from "./units-in-module.ts";

/** What a hotpatch's manifest says besides what is found here. */
export interface About {
  readonly version?: string;
  readonly package?: string;
  readonly sequence: number;
  readonly source: string;
  readonly fixedBy: string;
  readonly compiler: string;
  readonly proof: HotpatchManifest["builtFrom"]["proof"];
  /** The fixes, once it is known which functions of which units change. */
  readonly fixes: (changed: readonly ChangedName[]) => readonly Fix[];
}

export interface ChangedName {
  readonly unit: string;
  /** Files of the fix that the unit is made of. */
  readonly changedFiles: readonly string[];
  readonly name: string;
  /** The function runs only while the program starts: a running one has no use for the fix. */
  readonly onlyAtStart: boolean;
}

export interface Assembled {
  readonly bytes: Uint8Array;
  readonly description: PatchDescription;
  readonly manifest: HotpatchManifest;
}

/** Makes the hotpatch for one module from the units that are in it. */
export function assembleHotpatch(
  units: readonly ModuleUnit[],
  module: Module,
  about: About,
): Assembled | BuildRefusal {
  const diffs = diffUnits(units);
  if (isBuildRefusal(diffs)) return diffs;
  const unplaced = diffs.flatMap(({ unit, diff }) => checkPlaces(unit, diff));
  if (unplaced.length > 0) return refuseSource(unplaced);
  // From here every changed function's original is known byte for byte.
  const hotpatch = writeHotpatch(
    diffs.map(({ unit, diff }) => ({
      name: unit.unit.name,
      before: unit.before,
      after: unit.after,
      diff,
    })),
  );
  const functions = describeFunctions(hotpatch, units, module);
  const references = describeReferences(hotpatch, units, module);
  const missing = [...functions.refused, ...references.refused];
  if (missing.length > 0) return refuseSymbols(missing);
  const parts = {
    format: 1 as const,
    sequence: about.sequence,
    target: { buildId: module.buildId, name: module.name },
    functions: functions.found,
    references: references.found,
  };
  const id = hotpatchId({
    file: module.name,
    version: about.version ?? module.buildId.slice(0, 12),
    object: hotpatch.object,
    description: parts,
  });
  const description: PatchDescription = { ...parts, id };
  const manifest = describe(description, { diffs, about });
  return {
    bytes: writeHotpatchFile(hotpatch.object, description, manifest),
    description,
    manifest,
  };
}

interface UnitDiff {
  readonly unit: ModuleUnit;
  readonly diff: ObjectDiff;
}

function diffUnits(units: readonly ModuleUnit[]): readonly UnitDiff[] | BuildRefusal {
  const diffs = units.map((unit) => ({ unit, diff: diffObjects(unit.before, unit.after) }));
  const items = diffs.flatMap(({ unit, diff }) =>
    diff.refusals.map((refusal) => itemOf(refusal, unit.unit.name)),
  );
  if (items.length > 0) {
    return { refused: "not-patchable", items, next: "ship this fix as a traditional update" };
  }
  const concerned = diffs.filter(({ diff }) => diff.changed.length > 0);
  if (concerned.length > 0) return concerned;
  return {
    refused: "no-change",
    items: units.map(({ unit }) => ({
      name: unit.name,
      code: "no-change",
      detail: "its functions are the same before and after the fix",
    })),
    next: "nothing to do: what runs is not affected",
  };
}

const itemOf = (refusal: DiffRefusal, unit: string): RefusalItem => ({
  name: refusal.name,
  code: refusal.code,
  detail: `${unit}: ${refusal.detail}`,
});

/** Changed functions, and callers that know their inside, whose code is not in the module. */
function checkPlaces(unit: ModuleUnit, diff: ObjectDiff): readonly RefusalItem[] {
  const callers = diff.callersToMatch.map((name) => ({
    name,
    symbolIndex: unit.placed.symbols.findIndex(
      (symbol) => symbol.name === name && symbol.st_size > 0,
    ),
  }));
  const changed = diff.changed.map(({ name, beforeSymbolIndex }) => ({
    name,
    symbolIndex: beforeSymbolIndex,
  }));
  return [...changed, ...callers].flatMap(({ name, symbolIndex }) =>
    unit.placed.functions.has(symbolIndex) ? [] : [mismatchItem(unit, name, symbolIndex)],
  );
}

function describeFunctions(
  hotpatch: HotpatchObject,
  units: readonly ModuleUnit[],
  module: Module,
): { readonly found: readonly ReplacedFunction[]; readonly refused: readonly RefusalItem[] } {
  const refused: RefusalItem[] = [];
  const found = hotpatch.functions.flatMap((changed) => {
    const unit = units.find((candidate) => candidate.unit.name === changed.unit);
    const placed = unit?.placed.functions.get(changed.beforeSymbolIndex);
    if (unit === undefined || placed === undefined) return [];
    const parts: FunctionPart[] = [];
    for (const { name, symbolIndex } of changed.parts) {
      const matched = placed.match.parts.find((part) => part.symbolIndex === symbolIndex);
      const part =
        matched?.size === undefined
          ? undefined
          : describePart(module.image, matched.address, matched.size);
      if (part !== undefined) parts.push(part);
      else refused.push({ name, code: "symbol-not-found", detail: "its code was not found" });
    }
    const whole = describePart(module.image, placed.address, placed.match.size);
    if (whole === undefined) return [];
    const { name, replacement } = changed;
    return [{ name, ...whole, replacement, parts }];
  });
  return { found, refused };
}

function describePart(image: ElfFile, address: number, size: number): FunctionPart | undefined {
  const bytes = bytesFrom(image, address, size);
  if (bytes === undefined || bytes.length !== size || size === 0) return undefined;
  return { address: fileAddr(address), size, sha256: sha256(bytes) };
}

function describeReferences(
  hotpatch: HotpatchObject,
  units: readonly ModuleUnit[],
  module: Module,
): { readonly found: PatchDescription["references"]; readonly refused: readonly RefusalItem[] } {
  const found: PatchDescription["references"][number][] = [];
  const refused: RefusalItem[] = [];
  for (const external of hotpatch.external) {
    const unit = units.find((candidate) => candidate.unit.name === external.unit);
    if (unit === undefined) continue;
    const source = { source: unit.unit.command.file, placed: unit.placed };
    const reference = findReference(external, source, module);
    if ("kind" in reference) found.push(reference);
    else refused.push(reference);
  }
  return { found, refused };
}

function describe(
  description: PatchDescription,
  { diffs, about }: { readonly diffs: readonly UnitDiff[]; readonly about: About },
): HotpatchManifest {
  const changed = diffs.flatMap(({ unit, diff }) =>
    diff.changed.map(({ name, onlyAtStart }) => ({
      unit: unit.unit.name,
      changedFiles: unit.unit.changedFiles,
      name,
      onlyAtStart,
    })),
  );
  return {
    format: 1,
    id: description.id,
    sequence: description.sequence,
    component: {
      file: description.target.name,
      buildId: description.target.buildId,
      ...(about.package !== undefined && { package: about.package }),
      ...(about.version !== undefined && { version: about.version }),
    },
    fixes: about.fixes(changed),
    builtFrom: {
      source: about.source,
      fixedBy: about.fixedBy,
      compiler: about.compiler,
      proof: about.proof,
      units: diffs.map(({ unit }) => unit.unit.name),
    },
  };
}

const refuseSymbols = (items: readonly RefusalItem[]): BuildRefusal => ({
  refused: "symbol-not-found",
  items,
  next: "give a file with the symbols of the same build, or ship a traditional update",
});
