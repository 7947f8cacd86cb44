/**
 * The pass that compares type layouts: may new code work on what old code left in memory?
 *
 * The problem. A diff of machine code can look harmless and be wrong. A fix of a DNS server
 * enlarges a union from 1028 to 2080 bytes. In the whole unit one number changes, the size that
 * one function asks malloc for; everything else reaches the members through pointers as before:
 *
 *     union bigname { char name[1025]; union bigname *next; };     before
 *     union bigname { char name[2*1025]; union bigname *next; };   after
 *
 *     add(): free list empty ? malloc(2080) : take one             only this function differs
 *
 * But the running server has a free list of objects of 1028 bytes. The new code takes one and
 * writes beyond its end: the hotpatch would bring the overflow that it should remove.
 *
 * Approach. What counts is not who changed, but which types have another layout (compare-types.ts)
 * and whether objects of them can outlive the switch (shared-types.ts). Every such type is
 * refused, also when the code that differs seems to have nothing to do with it. Compared are
 *
 * - structs, unions and classes by their names and typedefs, with the functions they belong to;
 * - variables of files and static ones of functions, which also finds types without a name;
 * - enumerators, whose numbers live on in data (compare-enumerations.ts).
 *
 * A type that only one side knows is new or out of use, and no change: where one object has the
 * declaration only, its code cannot look inside. When a type is part of another, both change;
 * the refusal names the inner one, where the change is.
 *
 * Limits. A unit tells only of types that it uses itself. A type whose users move from one unit
 * to another at the same time as it changes is not found. The meaning of a member may change and
 * its layout not; nobody can see that here.
 */
import { DW_TAG } from "../dwarf/debug-constants.ts";
import type { DebugEntry, DebugInfo } from "../dwarf/debug-info.ts";
import { compareEnumerations } from "./compare-enumerations.ts";
import { createTypeComparison, type TypeComparison } from "./compare-types.ts";
import { describeLayoutChange } from "./describe-layout.ts";
import type { DiffRefusal } from "./refusal.ts";
import { findSharedTypes } from "./shared-types.ts";
import type { SourceFunctions } from "./source-functions.ts";
import { membersOf } from "./type-members.ts";
import { collectTypeRoots, type TypeRoot } from "./type-roots.ts";
import { coreType, isAggregate, sizeOfType } from "./type-text.ts";

export interface LayoutRequest {
  readonly before: TypesOfObject;
  readonly after: TypesOfObject;
}

export interface TypesOfObject {
  readonly info: DebugInfo;
  readonly functions: SourceFunctions;
}

/** Refusals for the types that change and that live data may have, in order of their names. */
export function checkLayouts({ before, after }: LayoutRequest): DiffRefusal[] {
  const comparison = createTypeComparison();
  const old = collectTypeRoots(before.info);
  const young = collectTypeRoots(after.info);
  const types = changedRoots(old.aggregates, young.aggregates, comparison);
  const variables = changedRoots(old.variables, young.variables, comparison);
  const isShared = {
    before: findSharedTypes(before.info, before.functions),
    after: findSharedTypes(after.info, after.functions),
  };
  const shared = types.filter(
    (it) => isShared.before(it.before.type) || isShared.after(it.after.type),
  );
  const changed = new Set(shared.map((it) => it.before.type));
  const apart = variables.filter(({ before, after }) => {
    const { core } = coreType(before.type);
    if (core !== undefined && changed.has(core)) return false;
    // Of a variable that only grows or shrinks its symbol tells as well.
    const resized = sizeOfType(before.type) !== sizeOfType(after.type);
    return !resized || (core !== undefined && isAggregate(core));
  });
  const refusals = [...shared, ...apart]
    .filter(({ before: { type } }) => !holdsAnother(coreType(type).core ?? type, changed))
    .map((it) => ({
      code: "type-layout" as const,
      name: it.before.text,
      detail: describeLayoutChange(it.before.type, it.after.type, comparison),
    }));
  const enumerators = compareEnumerations(old.enumerations, young.enumerations).map((it) => ({
    code: "enumerator-value" as const,
    name: it.enumerator,
    detail: `in ${it.enumeration}, ${it.detail}`,
  }));
  return unique([...refusals, ...enumerators]);
}

interface RootChange {
  readonly before: TypeRoot;
  readonly after: TypeRoot;
}

type Roots = ReadonlyMap<string, readonly TypeRoot[]>;

/** Roots of one path that have no equal on the other side. */
function changedRoots(before: Roots, after: Roots, comparison: TypeComparison): RootChange[] {
  return [...before].flatMap(([path, roots]) => {
    const others = after.get(path) ?? [];
    const isKept = (one: TypeRoot): boolean =>
      others.some((other) => comparison.sameType(one.type, other.type));
    return roots.flatMap((root, position): readonly RootChange[] => {
      const twin = others[position] ?? others.at(-1);
      return twin === undefined || isKept(root) ? [] : [{ before: root, after: twin }];
    });
  });
}

/** Whether a changed type is inside this one: then its own change is the one to name. */
function holdsAnother(root: DebugEntry, changed: ReadonlySet<DebugEntry>): boolean {
  const inside = new Set(partsOfType(root));
  // The set grows while it is gone through: by the parts of parts.
  for (const part of inside) {
    if (part !== root && changed.has(part)) return true;
    for (const inner of partsOfType(part)) inside.add(inner);
  }
  return false;
}

/** The types of members and elements. */
function partsOfType(type: DebugEntry): readonly DebugEntry[] {
  const parts = isAggregate(type)
    ? membersOf(type).map((member) => member.type)
    : [type.tag === DW_TAG.DW_TAG_array_type ? type.type : undefined];
  return parts.flatMap((part) => coreType(part).core ?? []);
}

const unique = (refusals: readonly DiffRefusal[]): DiffRefusal[] => [
  ...new Map(refusals.map((refusal) => [`${refusal.name} ${refusal.detail}`, refusal])).values(),
];
