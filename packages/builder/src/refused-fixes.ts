/**
 * Which fixes a refusal is about.
 *
 * A hotpatch is refused as a whole, for half of a fix may be worse than none. But fixes come
 * several at a time, and whoever reads the refusal must see which of them is in the way.
 */
import type { ChangedUnit } from "./changed-units.ts";
import { type ChangedName, patchesFor } from "./fixes.ts";
import type { PatchFile } from "./patch-file.ts";
import { type BuildRefusal, FINE, type RefusalItem } from "./refusals.ts";

export interface Concerned {
  readonly patches: readonly PatchFile[];
  readonly units: readonly ChangedUnit[];
}

/** The refusal with the fixes that each thing belongs to; a thing of two fixes stands twice. */
export const nameFixes = (refusal: BuildRefusal, concerned: Concerned): BuildRefusal => ({
  ...refusal,
  items: refusal.items.flatMap((item) => itemsOfFixes(item, concerned)),
});

/** The refusal with an item for each fix and unit that nothing stands in the way of. */
export function addFine(
  refusal: BuildRefusal,
  concerned: Concerned,
  changed: readonly ChangedName[],
): BuildRefusal {
  const named = nameFixes(refusal, concerned);
  const fine = concerned.units.flatMap(({ name: unit }) =>
    concerned.patches.flatMap((patch) => {
      const own = changed.filter(
        (change) => change.unit === unit && patchesFor(concerned.patches, change).includes(patch),
      );
      const isRefused = named.items.some((item) => item.unit === unit && item.fix === patch.name);
      return own.length === 0 || isRefused ? [] : [fineItem(patch, unit, own)];
    }),
  );
  return { ...named, items: [...named.items, ...fine] };
}

function itemsOfFixes(item: RefusalItem, { patches, units }: Concerned): readonly RefusalItem[] {
  if (item.fix !== undefined || item.unit === undefined) return [item];
  const unit =
    units.find(({ name }) => name === item.unit) ??
    units.find(({ name }) => name.startsWith(`${item.unit}(`));
  if (unit === undefined) return [item];
  const { changedFiles } = unit;
  const owners = patchesFor(patches, { changedFiles, name: item.name });
  if (owners.length === 0) return [item];
  return owners.map(({ name }) => ({
    ...item,
    fix: name,
    detail: patches.length > 1 ? `${name}: ${item.detail}` : item.detail,
  }));
}

const fineItem = (
  { name: fix }: PatchFile,
  unit: string,
  changed: readonly ChangedName[],
): RefusalItem => ({
  name: unit,
  unit,
  fix,
  code: FINE,
  detail: `${fix}: nothing stands in the way of what it changes here (${changed.map(({ name }) => name).join(", ")})`,
});
