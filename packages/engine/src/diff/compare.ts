/**
 * Is the code of two twins the same?
 *
 * Two compilations of one source that differ in one line give objects that differ nearly
 * everywhere: a new string moves the offsets of all later strings, a new static renumbers the
 * other statics, a longer function moves those behind it. Comparing bytes would find half the
 * unit changed; a hotpatch that replaces half a unit is a risk without need. So two things are
 * compared instead:
 *
 * - the bytes with all relocated fields blanked, which is exact: the same compiler with the same
 *   options encodes the same code the same way, and what depends on the placement is relocated;
 * - the references, in order: where, of which relocation type, and to what.
 *
 * "To what" has two answers, and the whole of this file is about which one applies:
 *
 *     identity   functions, writable and global variables, names from elsewhere. `call helper`
 *                is the same call when helper itself has changed, for helper is replaced at its
 *                own entry. The twins come from correlate.ts.
 *     content    strings, constants, tables of the compiler, jump tables. They have no name that
 *                means anything, and nobody can tell two equal ones apart. A jump table counts
 *                as part of its function this way: a new case changes the table's entries.
 *
 * Static read-only variables need both: `static const int limits[]` is known by its name, but
 * its content is compiled into the meaning of every function that reads it. When a fix changes
 * the content, the functions that read it count as changed, and take their new copy with them.
 * The content of read-only data may refer to more read-only data, so this is a recursion; a
 * cycle (a list that ends in itself) counts as equal while it is being looked at, which is right
 * because only a difference somewhere on the cycle could make it unequal.
 *
 * Not compared: debug information, and the place and alignment of things. Line numbers that the
 * source compiles in (__LINE__ in an assertion) are a difference like any other; whoever builds
 * the objects keeps them equal with #line directives.
 */
import type { Correlation } from "./correlate.ts";
import { partsOf } from "./correlate.ts";
import { fieldSize } from "./fields.ts";
import { literalOf } from "./literals.ts";
import { isCompilerConstant } from "./names.ts";
import {
  type Entity,
  entityBytes,
  entityOf,
  type ObjectModel,
  type Reference,
} from "./object-model.ts";

export interface Comparison {
  /** What differs between two functions and their split-off parts; nothing when they are equal. */
  readonly functionDifference: (before: Entity, after: Entity) => string | undefined;
  /** True when two data entities hold the same bytes and equal references. */
  readonly sameContent: (before: Entity, after: Entity) => boolean;
}

/** True for entities that are known by content only, never by identity. */
export const isAnonymous = ({ kind, name, global, writable }: Entity): boolean =>
  kind === "literals" ||
  kind === "constants" ||
  (kind === "variable" && !global && !writable && isCompilerConstant(name));

/** True for named data whose content is part of the code that reads it. */
export const isStaticConstant = (entity: Entity): boolean =>
  entity.kind === "variable" && !entity.global && !entity.writable && !isAnonymous(entity);

/** Prepares the comparison of two objects; results are remembered. */
export function createComparison(
  before: ObjectModel,
  after: ObjectModel,
  correlation: Correlation,
): Comparison {
  const known = new Map<string, boolean>();
  const open = new Set<string>();
  let assumed = 0;

  const sameContent = (one: Entity, other: Entity): boolean => {
    const key = `${one.index} ${other.index}`;
    const result = known.get(key);
    if (result !== undefined) return result;
    if (open.has(key)) {
      assumed++;
      return true;
    }
    open.add(key);
    const assumedBefore = assumed;
    const same = one.size === other.size && difference(one, other) === undefined;
    open.delete(key);
    // "Equal" found under an assumption holds only within the recursion that made it.
    if (!same || assumed === assumedBefore || open.size === 0) known.set(key, same);
    return same;
  };

  const sameTarget = (
    { from: one, reference: old }: Use,
    { from: other, reference: young }: Use,
  ): boolean => {
    const target = entityOf(before, old.target);
    const twin = entityOf(after, young.target);
    if (target.kind === "literals" && twin.kind === "literals") {
      const a = literalOf(before, { from: one, reference: old, target });
      const b = literalOf(after, { from: other, reference: young, target: twin });
      return a.addend === b.addend && Buffer.compare(a.bytes, b.bytes) === 0;
    }
    if (old.addend !== young.addend) return false;
    if (isAnonymous(target) || isAnonymous(twin)) {
      return isAnonymous(target) && isAnonymous(twin) && sameContent(target, twin);
    }
    if (!correlation.isTwin(target, twin)) return false;
    return !isStaticConstant(target) || sameContent(target, twin);
  };

  const difference = (one: Entity, other: Entity): string | undefined => {
    if (one.references.length !== other.references.length) return "other references";
    if (!sameBytes(blanked(before, one), blanked(after, other))) return "other bytes";
    for (const [position, reference] of one.references.entries()) {
      const twin = other.references[position];
      const same =
        twin !== undefined &&
        reference.offset === twin.offset &&
        reference.type === twin.type &&
        sameTarget({ from: one, reference }, { from: other, reference: twin });
      if (!same) return `another reference at offset ${reference.offset}`;
    }
    return undefined;
  };

  const functionDifference = (one: Entity, other: Entity): string | undefined => {
    const own = one.size === other.size ? difference(one, other) : "another size";
    if (own !== undefined) return own;
    const parts = partsOf(before, one);
    const others = partsOf(after, other);
    if (parts.length !== others.length) return "other split-off parts";
    for (const [position, part] of parts.entries()) {
      const twin = others[position];
      if (twin === undefined || part.size !== twin.size) return `another size of ${part.name}`;
      const inPart = difference(part, twin);
      if (inPart !== undefined) return `${inPart} in ${part.name}`;
    }
    return undefined;
  };

  return { functionDifference, sameContent };
}

interface Use {
  readonly from: Entity;
  readonly reference: Reference;
}

/** The bytes without what the linker fills in; zeroed data has its zeros written out. */
function blanked(model: ObjectModel, entity: Entity): Uint8Array {
  const bytes = entityBytes(model, entity);
  if (bytes.length === 0 || entity.references.length === 0) return bytes;
  const copy = Uint8Array.from(bytes);
  for (const { offset, type } of entity.references) copy.fill(0, offset, offset + fieldSize(type));
  return copy;
}

/** Equal, where the absence of bytes (.bss) is as good as zeros. */
function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  const isZero = (byte: number): boolean => byte === 0;
  if (one.length === 0) return other.every(isZero);
  if (other.length === 0) return one.every(isZero);
  return Buffer.compare(one, other) === 0;
}
