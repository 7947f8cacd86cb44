/**
 * Which types can live data have that old and new code share?
 *
 * A fix may change the layout of a type as long as no object of the old layout meets code of the
 * new one. At the switch no replaced function is on a stack, so what only they keep on the stack
 * does not exist at that moment:
 *
 *     static int parse(const char *text)      replaced
 *     {
 *         struct cursor c = { text };         lives from here
 *         return skip(&c) + number(&c);       (skip and number are static, and replaced)
 *     }                                       to here
 *
 * `struct cursor` may grow. Everything else may not, because it cannot be proven from the types:
 * a pointer variable may hold what some list in memory held for hours, as void *.
 *
 * So the types are not followed from live data (void * cuts every trail) but the other way round:
 * a type is shared unless everything that mentions it is on a short list of harmless uses:
 *
 * - the type of an automatic variable (the object itself, not a pointer) of a replaced function;
 * - a parameter, by value or pointer, of a replaced static function whose address nobody takes;
 * - a member, by value, of a type that is not shared itself.
 *
 * A type that nothing mentions is reached through casts, and is shared.
 */
import { DW_TAG } from "../dwarf/debug-constants.ts";
import type { DebugEntry, DebugInfo } from "../dwarf/debug-info.ts";
import { TYPE_DEPTH_MAX } from "./limits.ts";
import type { SourceFunctions } from "./source-functions.ts";
import { membersOf } from "./type-members.ts";
import { functionOf, isLastingVariable, sourceFunctionOf, walk } from "./type-roots.ts";
import { coreType, isAggregate, nameOf, typeOf } from "./type-text.ts";

/** A type that is mentioned somewhere, itself or behind a pointer. */
interface Mention {
  readonly type: DebugEntry;
  readonly byPointer: boolean;
}

/** Says of the structs, unions and classes of one object whether live data may have them. */
export function findSharedTypes(
  info: DebugInfo,
  functions: SourceFunctions,
): (type: DebugEntry) => boolean {
  const shared = new Set<DebugEntry>();
  const harmless = new Set<DebugEntry>();
  const parts = new Map<DebugEntry, readonly DebugEntry[]>();
  for (const entry of walk(info)) {
    if (isAggregate(entry)) {
      const mentions = membersOf(entry).flatMap((member) => mentionsOf(member.type));
      for (const { type, byPointer } of mentions) if (byPointer) shared.add(type);
      parts.set(
        entry,
        mentions.filter(({ byPointer }) => !byPointer).map(({ type }) => type),
      );
      continue;
    }
    for (const mention of mentionsOfEntry(entry)) {
      (isHarmless(entry, mention, functions) ? harmless : shared).add(mention.type);
    }
  }
  for (const inside of parts.values()) for (const type of inside) harmless.add(type);
  spread(shared, harmless, parts);
  return (type) => shared.has(type) || !harmless.has(type);
}

/** What is part of a shared type is shared; a whole that nothing mentions is shared too. */
function spread(
  shared: Set<DebugEntry>,
  harmless: ReadonlySet<DebugEntry>,
  parts: ReadonlyMap<DebugEntry, readonly DebugEntry[]>,
): void {
  const work = [
    ...shared,
    ...[...parts.keys()].filter((type) => !harmless.has(type) && !shared.has(type)),
  ];
  for (let type = work.pop(); type !== undefined; type = work.pop()) {
    for (const part of parts.get(type) ?? []) {
      if (shared.has(part)) continue;
      shared.add(part);
      work.push(part);
    }
  }
}

const MENTIONING: ReadonlySet<number> = new Set([
  DW_TAG.DW_TAG_variable,
  DW_TAG.DW_TAG_formal_parameter,
  DW_TAG.DW_TAG_subprogram,
  DW_TAG.DW_TAG_subroutine_type,
]);

const mentionsOfEntry = (entry: DebugEntry): readonly Mention[] =>
  MENTIONING.has(entry.tag) ? mentionsOf(typeOf(entry)) : [];

/** The aggregates that a type is, holds as an array, or points to. */
function mentionsOf(type: DebugEntry | undefined): readonly Mention[] {
  let byPointer = false;
  let { core } = coreType(type);
  for (let depth = 0; core !== undefined && depth < TYPE_DEPTH_MAX; depth++) {
    if (isAggregate(core)) return [{ type: core, byPointer }];
    if (core.tag !== DW_TAG.DW_TAG_array_type && !POINTERS.has(core.tag)) return [];
    byPointer ||= POINTERS.has(core.tag);
    core = coreType(core.type).core;
  }
  return [];
}

const POINTERS: ReadonlySet<number> = new Set([
  DW_TAG.DW_TAG_pointer_type,
  DW_TAG.DW_TAG_reference_type,
  DW_TAG.DW_TAG_rvalue_reference_type,
]);

function isHarmless(entry: DebugEntry, mention: Mention, functions: SourceFunctions): boolean {
  if (isLastingVariable(entry)) return false;
  if (entry.tag === DW_TAG.DW_TAG_variable) {
    return !mention.byPointer && isReplaced(entry, functions);
  }
  if (entry.tag !== DW_TAG.DW_TAG_formal_parameter) return false;
  const owner = entry.parent;
  if (owner === undefined || owner.tag === DW_TAG.DW_TAG_subroutine_type) return false;
  const name = nameOf(owner);
  return (
    name !== undefined &&
    !owner.external &&
    !owner.declaration &&
    isReplaced(entry, functions) &&
    functions.isOnlyCalled(name)
  );
}

/** The source function around the entry is out of use, and so is the one that holds its copy. */
function isReplaced(entry: DebugEntry, functions: SourceFunctions): boolean {
  const names = [sourceFunctionOf(entry), functionOf(entry)].map((it) => it && nameOf(it));
  return names.every((name) => name !== undefined && functions.isReplaced(name));
}
