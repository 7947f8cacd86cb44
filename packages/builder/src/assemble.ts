/**
 * From compiled pairs of units to a hotpatch file: place, diff, write, refer.
 *
 * Everything that stands in the way is collected before it is refused, so that an author sees
 * all of it at once.
 */
import type { Fix, HotpatchManifest } from "@suture/release";
import {
  CALLBACK_TIMES,
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
import { attributeFixes, type ChangedName, commandKey } from "./fixes.ts";
import { hotpatchId, sha256, writeHotpatchFile } from "./hotpatch-file.ts";
import { bytesFrom } from "./image-bytes.ts";
import type { Module } from "./module-symbols.ts";
import type { PatchFile } from "./patch-file.ts";
import { findReference } from "./references.ts";
import { type BuildRefusal, combineRefusals, type RefusalItem } from "./refusals.ts";
import { addFine } from "./refused-fixes.ts";
import { settleRefusals } from "./settle-refusals.ts";
import { shortFunctions } from "./short-functions.ts";
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
  /** The fixes. */
  readonly patches: readonly PatchFile[];
  /** What the manifest says of them; by the words of the patches unless given. */
  readonly fixes?: (found: Pick<Assembled, "changed" | "added">) => readonly Fix[];
  /** What was refused before: then there is no hotpatch, but all other obstacles are found. */
  readonly refused: readonly BuildRefusal[];
}

export interface Assembled {
  readonly bytes: Uint8Array;
  readonly description: PatchDescription;
  readonly manifest: HotpatchManifest;
  /** The functions that differ: those that are replaced. */
  readonly changed: readonly ChangedName[];
  /** The new functions that come along. */
  readonly added: readonly Pick<ChangedName, "key" | "unit" | "name">[];
}

/** Makes the hotpatch for one module from the units that are in it. */
export function assembleHotpatch(
  units: readonly ModuleUnit[],
  module: Module,
  about: About,
): Assembled | BuildRefusal {
  const diffs = settleRefusals(
    units.map((unit) => ({ unit, diff: diffObjects(unit.before, unit.after) })),
    module,
  );
  const isChanged = diffs.some(({ diff }) => diff.changed.length > 0);
  // A unit may only bring new functions or variables, which changed functions of others use.
  const concerned = diffs.filter(
    ({ diff }) =>
      diff.changed.length > 0 || (isChanged && diff.added.length + diff.newVariables.length > 0),
  );
  const unpatchable = diffs.flatMap(({ unit, diff }) =>
    diff.refusals.map((refusal) => itemOf(refusal, unit.unit.name)),
  );
  const short = concerned.flatMap(({ unit, diff }) => shortFunctions(unit, diff, module));
  const unplaced = concerned.flatMap(({ unit, diff }) => checkPlaces(unit, diff));
  const inTheWay = new Set([...unpatchable, ...short, ...unplaced].map(({ unit }) => unit));
  const fine = concerned.filter(({ unit }) => !inTheWay.has(unit.unit.name));
  // From here every changed function's original is known byte for byte.
  const linked = linkUnits(fine, module);
  const refused = [
    ...about.refused,
    ...(unpatchable.length + short.length > 0 ? [refuseChange([...unpatchable, ...short])] : []),
    ...(unplaced.length > 0 ? [refuseSource(unplaced)] : []),
    ...(linked.refused.length > 0 ? [refuseSymbols(linked.refused)] : []),
  ];
  const [first = concerned.length === 0 ? refuseNoChange(units) : undefined, ...others] = refused;
  if (first !== undefined) {
    const patches = { patches: about.patches, units: units.map(({ unit }) => unit) };
    return addFine(combineRefusals(first, others), patches, changedNames(concerned));
  }
  const parts = {
    format: 1 as const,
    sequence: about.sequence,
    target: { buildId: module.buildId, name: module.name },
    functions: linked.functions,
    references: linked.references,
    ...(linked.callbacks.length > 0 && { callbacks: linked.callbacks }),
  };
  const id = hotpatchId({
    file: module.name,
    version: about.version ?? module.buildId.slice(0, 12),
    object: linked.object,
    description: parts,
  });
  const description: PatchDescription = { ...parts, id };
  const found = {
    changed: changedNames(fine),
    added: fine.flatMap(({ unit: { unit }, diff }) =>
      diff.added.map((name) => ({ key: commandKey(unit.command), unit: unit.name, name })),
    ),
  };
  const manifest = describe(description, { diffs: fine, about, found });
  return {
    bytes: writeHotpatchFile(linked.object, description, manifest),
    description,
    manifest,
    ...found,
  };
}

interface LinkedUnits {
  readonly object: HotpatchObject["object"];
  readonly functions: PatchDescription["functions"];
  readonly references: PatchDescription["references"];
  readonly callbacks: NonNullable<PatchDescription["callbacks"]>;
  readonly refused: readonly RefusalItem[];
}

/** The new code of units, and what it needs of the module. */
function linkUnits(diffs: readonly UnitDiff[], module: Module): LinkedUnits {
  const units = diffs.map(({ unit }) => unit);
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
  return {
    object: hotpatch.object,
    functions: functions.found,
    references: references.found,
    callbacks: describeCallbacks(hotpatch),
    refused: [...functions.refused, ...references.refused],
  };
}

/** A section of another name is a misspelt one of the author's own. */
function describeCallbacks({ callbacks }: HotpatchObject): LinkedUnits["callbacks"] {
  return callbacks.flatMap(({ when: section, symbol, unit }) => {
    const when = CALLBACK_TIMES.find((time) => time.replace("-", "_") === section);
    return when === undefined ? [] : [{ when, symbol, unit }];
  });
}

interface UnitDiff {
  readonly unit: ModuleUnit;
  readonly diff: ObjectDiff;
}

const refuseChange = (items: readonly RefusalItem[]): BuildRefusal => ({
  refused: "not-patchable",
  items,
  next: "ship this fix as a traditional update",
});

const refuseNoChange = (units: readonly ModuleUnit[]): BuildRefusal => ({
  refused: "no-change",
  items: units.map(({ unit }) => ({
    name: unit.name,
    unit: unit.name,
    code: "no-change",
    detail: "its functions are the same before and after the fix",
  })),
  next: "nothing to do: what runs is not affected",
});

const itemOf = (refusal: DiffRefusal, unit: string): RefusalItem => ({
  name: refusal.name,
  unit,
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
      else refused.push({ ...missingPart, name, unit: changed.unit });
    }
    const whole = describePart(module.image, placed.address, placed.match.size);
    if (whole === undefined) return [];
    const { name, replacement } = changed;
    return [{ name, ...whole, replacement, parts }];
  });
  return { found, refused };
}

const missingPart = { code: "symbol-not-found", detail: "its code was not found" };

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
    else refused.push({ ...reference, unit: external.unit });
  }
  return { found, refused };
}

function describe(
  description: PatchDescription,
  {
    diffs,
    about,
    found,
  }: {
    readonly diffs: readonly UnitDiff[];
    readonly about: About;
    readonly found: Pick<Assembled, "changed" | "added">;
  },
): HotpatchManifest {
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
    fixes: about.fixes?.(found) ?? attributeFixes(about.patches, found.changed),
    builtFrom: {
      source: about.source,
      fixedBy: about.fixedBy,
      compiler: about.compiler,
      proof: about.proof,
      units: diffs.map(({ unit }) => unit.unit.name),
    },
  };
}

const changedNames = (diffs: readonly UnitDiff[]): readonly ChangedName[] =>
  diffs.flatMap(({ unit, diff }) =>
    diff.changed.map(({ name, onlyAtStart }) => ({
      key: commandKey(unit.unit.command),
      unit: unit.unit.name,
      changedFiles: unit.unit.changedFiles,
      name,
      onlyAtStart,
    })),
  );

const refuseSymbols = (items: readonly RefusalItem[]): BuildRefusal => ({
  refused: "symbol-not-found",
  items,
  next: "give a file with the symbols of the same build, or ship a traditional update",
});
