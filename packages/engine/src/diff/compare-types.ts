/**
 * Do two types lay out memory the same way?
 *
 * The question is asked for data that lives on: bytes that the old code wrote and the new code
 * will read, or the other way round. So two types are the same when every member has its name,
 * place, width and meaning on both sides:
 *
 *     struct node { int len; };      struct node { unsigned len; };     same: the same bits
 *     struct node { char *name; };   struct node { const char *name; }; same
 *     struct node { int len; };      struct node { long len; };         another width
 *     struct node { int len; };      struct node { int size; };         len is gone, size is new
 *     struct node { struct a *p; };  struct node { struct b *p; };      points to something else
 *
 * Pointers are followed by name only: what they point to is a type with a name, which is compared
 * for itself wherever it is known. Following them would find the whole program in every type. A
 * type without name (a struct that only a typedef names, a function type) is compared where it
 * stands; what is being compared already counts as equal, for only a difference elsewhere on the
 * circle could make it unequal.
 *
 * Signedness is no layout: the fix of an overflow often is `int` -> `unsigned`, and the values
 * that live data holds mean the same to both. What a bool or an enumeration may hold is: a bool
 * that is 2 is undefined behaviour, so bool is only bool.
 */
import { DW_ATE, DW_TAG } from "../dwarf/debug-constants.ts";
import type { DebugEntry } from "../dwarf/debug-info.ts";
import { TYPE_DEPTH_MAX } from "./limits.ts";
import { membersOf, type PlacedMember } from "./type-members.ts";
import {
  coreType,
  dimensionsOf,
  isAggregate,
  isComplete,
  nameOf,
  parametersOf,
  typeOf,
} from "./type-text.ts";

export interface TypeComparison {
  /** Whether values of the two types have the same layout. */
  readonly sameType: (before: DebugEntry | undefined, after: DebugEntry | undefined) => boolean;
  readonly sameMember: (before: PlacedMember, after: PlacedMember) => boolean;
  /** Whether callers of two functions, or through pointers to them, pass and get the same. */
  readonly sameSignature: (before: DebugEntry, after: DebugEntry) => boolean;
}

type Type = DebugEntry | undefined;

/** Prepares comparisons between the types of two objects; results are remembered. */
export function createTypeComparison(): TypeComparison {
  const known = new Map<DebugEntry, Map<DebugEntry, boolean>>();
  let depth = 0;

  /** By value: the layouts themselves. */
  const sameType = (before: Type, after: Type): boolean => {
    const one = coreType(before).core;
    const other = coreType(after).core;
    if (one === undefined || other === undefined) return one === other;
    const results = known.get(one) ?? new Map<DebugEntry, boolean>();
    known.set(one, results);
    const result = results.get(other);
    if (result !== undefined) return result;
    if (depth > TYPE_DEPTH_MAX) return false;
    results.set(other, true);
    depth++;
    const same = sameCore(one, other);
    depth--;
    results.set(other, same);
    return same;
  };

  const sameCore = (one: DebugEntry, other: DebugEntry): boolean => {
    if (isInteger(one) && isInteger(other)) {
      return one.byteSize === other.byteSize && sameName(one, other);
    }
    if (isAggregate(one) && isAggregate(other)) return sameAggregate(one, other);
    if (one.tag !== other.tag) return false;
    switch (one.tag) {
      case DW_TAG.DW_TAG_base_type:
        return one.byteSize === other.byteSize && one.encoding === other.encoding;
      case DW_TAG.DW_TAG_array_type:
        return sameDimensions(one, other) && sameType(one.type, other.type);
      case DW_TAG.DW_TAG_subroutine_type:
        return sameSignature(one, other);
      case DW_TAG.DW_TAG_pointer_type:
      case DW_TAG.DW_TAG_reference_type:
      case DW_TAG.DW_TAG_rvalue_reference_type:
      case DW_TAG.DW_TAG_ptr_to_member_type:
        return sameTarget(one.type, other.type);
      default:
        return nameOf(one) === nameOf(other);
    }
  };

  /** By name: what a pointer points to. */
  const sameTarget = (before: Type, after: Type): boolean => {
    const one = coreType(before);
    const other = coreType(after);
    if (one.core === undefined || other.core === undefined) return one.core === other.core;
    if (!hasLayoutOfItsOwn(one.core) || !hasLayoutOfItsOwn(other.core)) {
      return sameType(one.core, other.core);
    }
    const name = nameOf(one.core) ?? one.alias?.name;
    const otherName = nameOf(other.core) ?? other.alias?.name;
    if (name !== undefined && name === otherName) return true;
    // The tag may have come or gone, while the typedef stays.
    const alias = one.alias?.name;
    if (alias !== undefined && alias === other.alias?.name) return true;
    return name === undefined && otherName === undefined && sameType(one.core, other.core);
  };

  const sameAggregate = (one: DebugEntry, other: DebugEntry): boolean => {
    // Where one object has but a declaration, the name is all there is to compare.
    if (!isComplete(one) || !isComplete(other)) return nameOf(one) === nameOf(other);
    if (one.byteSize !== other.byteSize || alignmentOf(other) > alignmentOf(one)) return false;
    const members = membersOf(one);
    const others = membersOf(other);
    if (members.length !== others.length) return false;
    const byName = new Map(others.map((member) => [member.name, member]));
    return members.every((member) => {
      const twin = byName.get(member.name);
      return twin !== undefined && sameMember(member, twin);
    });
  };

  const sameMember = (one: PlacedMember, other: PlacedMember): boolean =>
    one.bits === other.bits && one.bitSize === other.bitSize && sameType(one.type, other.type);

  const sameSignature = (one: DebugEntry, other: DebugEntry): boolean => {
    const parameters = parametersOf(one);
    const others = parametersOf(other);
    return (
      parameters.length === others.length &&
      sameReturn(typeOf(one), typeOf(other)) &&
      parameters.every((parameter, position) => {
        const twin = others[position];
        return parameter.tag === twin?.tag && sameType(typeOf(parameter), typeOf(twin));
      })
    );
  };

  /** Callers that got nothing do not look at a result in a register. */
  const sameReturn = (one: Type, other: Type): boolean => {
    const { core } = coreType(other);
    if (coreType(one).core === undefined && core !== undefined) return !isAggregate(core);
    return sameType(one, other);
  };

  return { sameType, sameMember, sameSignature };
}

/** Objects that exist stand where the old alignment put them; a smaller new one fits too. */
const alignmentOf = ({ alignment = 0 }: DebugEntry): number => alignment;

/** True for types that have members or values of their own, and so mostly a name. */
const hasLayoutOfItsOwn = (core: DebugEntry): boolean =>
  isAggregate(core) || core.tag === DW_TAG.DW_TAG_enumeration_type;

const INTEGERS: ReadonlySet<number> = new Set([
  DW_ATE.DW_ATE_signed,
  DW_ATE.DW_ATE_signed_char,
  DW_ATE.DW_ATE_unsigned,
  DW_ATE.DW_ATE_unsigned_char,
  DW_ATE.DW_ATE_UTF,
]);

const isInteger = ({ tag, encoding }: DebugEntry): boolean =>
  tag === DW_TAG.DW_TAG_enumeration_type ||
  (tag === DW_TAG.DW_TAG_base_type && INTEGERS.has(encoding ?? 0));

/** Two enumerations are told apart by name; a plain integer may stand for either. */
const sameName = (one: DebugEntry, other: DebugEntry): boolean =>
  one.tag !== other.tag ||
  one.tag !== DW_TAG.DW_TAG_enumeration_type ||
  nameOf(one) === undefined ||
  nameOf(other) === undefined ||
  nameOf(one) === nameOf(other);

/** A bound that is not known (`[]`) fits any: the size of what is around it tells. */
function sameDimensions(one: DebugEntry, other: DebugEntry): boolean {
  const counts = dimensionsOf(one);
  const others = dimensionsOf(other);
  return (
    counts.length === others.length &&
    counts.every((count, position) => {
      const twin = others[position];
      return count === undefined || twin === undefined || count === twin;
    })
  );
}
