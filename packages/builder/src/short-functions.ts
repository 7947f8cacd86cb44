/**
 * Changed functions that are too short for the jump, with other code right behind them.
 *
 * Linkers align functions, so there is mostly padding behind a short one that the jump may take.
 * Where there is none (code compiled for size) the hotpatch could be built and never applied.
 */
import { type ObjectDiff, planEntryJump, virtualAddr } from "./engine.ts";
import { bytesFrom } from "./image-bytes.ts";
import type { Module } from "./module-symbols.ts";
import type { RefusalItem } from "./refusals.ts";
import type { ModuleUnit } from "./units-in-module.ts";

/** endbr64, the jump, and the longest padding instruction behind a short function. */
const ENTRY_SIZE = 32;

/** An item for each changed function of a unit that has no room for the jump. */
export function shortFunctions(
  unit: ModuleUnit,
  diff: ObjectDiff,
  module: Module,
): readonly RefusalItem[] {
  return diff.changed.flatMap(({ name, beforeSymbolIndex }): readonly RefusalItem[] => {
    const placed = unit.placed.functions.get(beforeSymbolIndex);
    const code = placed && bytesFrom(module.image, placed.address, ENTRY_SIZE);
    if (placed === undefined || code === undefined) return [];
    const entry = virtualAddr(placed.address);
    const { size } = placed.match;
    if (planEntryJump({ entry, size, code, to: entry }) !== undefined) return [];
    const from = unit.unit.name;
    const detail = `${from}: it has ${size} bytes and no padding behind it`;
    return [{ name, unit: from, code: "function-too-short", detail }];
  });
}
