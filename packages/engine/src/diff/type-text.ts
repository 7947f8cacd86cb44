/** Types as C writes them, for people and as names that two objects share. */
import { DW_TAG } from "../dwarf/debug-constants.ts";
import type { DebugEntry } from "../dwarf/debug-info.ts";
import { TYPE_DEPTH_MAX, TYPE_TEXT_PARTS_MAX } from "./limits.ts";

const QUALIFIERS: ReadonlySet<number> = new Set([
  DW_TAG.DW_TAG_const_type,
  DW_TAG.DW_TAG_volatile_type,
  DW_TAG.DW_TAG_restrict_type,
  DW_TAG.DW_TAG_atomic_type,
]);

const AGGREGATES: ReadonlySet<number> = new Set([
  DW_TAG.DW_TAG_structure_type,
  DW_TAG.DW_TAG_union_type,
  DW_TAG.DW_TAG_class_type,
]);

export const isAggregate = ({ tag }: DebugEntry): boolean => AGGREGATES.has(tag);

/** False for declarations (`struct node;`) and for stubs of types in type units. */
export const isComplete = ({ byteSize, declaration }: DebugEntry): boolean =>
  byteSize !== undefined && !declaration;

/** The name of an entry, or of what it is an instance of. */
export const nameOf = (entry: DebugEntry): string | undefined => entry.name ?? entry.origin?.name;

/** The type of an entry, or of what it is an instance of. */
export const typeOf = (entry: DebugEntry): DebugEntry | undefined =>
  entry.type ?? entry.origin?.type;

export interface CoreType {
  /** What is left without typedefs and qualifiers; undefined is void. */
  readonly core: DebugEntry | undefined;
  /** The last typedef on the way, which names a type that has no name itself. */
  readonly alias: DebugEntry | undefined;
}

/** Takes typedefs and qualifiers (const, volatile, restrict, _Atomic) off. */
export function coreType(entry: DebugEntry | undefined): CoreType {
  let core = entry;
  let alias: DebugEntry | undefined;
  for (let depth = 0; core !== undefined && depth < TYPE_DEPTH_MAX; depth++) {
    if (core.tag === DW_TAG.DW_TAG_typedef) alias = core;
    else if (!QUALIFIERS.has(core.tag)) {
      // A stub of a type that stands in a type unit means the type itself.
      const whole = isComplete(core) ? undefined : core.origin;
      if (whole === undefined || whole === core) break;
      core = whole;
      continue;
    }
    core = core.type;
  }
  return { core, alias };
}

/** Elements of each dimension; a dimension without a constant size is undefined. */
export const dimensionsOf = (array: DebugEntry): readonly (number | undefined)[] =>
  array.children.filter(({ tag }) => tag === DW_TAG.DW_TAG_subrange_type).map(({ count }) => count);

/** Bytes that a value of the type takes; undefined where that is not constant. */
export function sizeOfType(entry: DebugEntry | undefined, depth = 0): number | undefined {
  const { core } = coreType(entry);
  if (core === undefined || depth > TYPE_DEPTH_MAX) return undefined;
  if (core.byteSize !== undefined) return core.byteSize;
  if (core.tag !== DW_TAG.DW_TAG_array_type) return undefined;
  const element = sizeOfType(core.type, depth + 1);
  const counts = dimensionsOf(core);
  return counts.reduce<number | undefined>(
    (size, count) => (size === undefined || count === undefined ? undefined : size * count),
    element,
  );
}

/** The type in the words of C: `struct node *`, `char [16]`, `int (*)(void *, int)`. */
export function typeText(entry: DebugEntry | undefined): string {
  return declare(entry, "", { left: TYPE_TEXT_PARTS_MAX }).trim();
}

/** How many more types may be named, for damaged debug information can go in circles. */
interface Budget {
  left: number;
}

/** A declaration of `inner` with the type, as C composes it from the inside out. */
function declare(entry: DebugEntry | undefined, inner: string, budget: Budget): string {
  budget.left--;
  if (budget.left < 0) return `... ${inner}`;
  if (entry === undefined) return `void ${inner}`;
  switch (entry.tag) {
    case DW_TAG.DW_TAG_pointer_type:
      return declare(
        entry.type,
        needsParentheses(entry.type) ? `(*${inner})` : `*${inner}`,
        budget,
      );
    case DW_TAG.DW_TAG_reference_type:
      return declare(entry.type, `&${inner}`, budget);
    case DW_TAG.DW_TAG_rvalue_reference_type:
      return declare(entry.type, `&&${inner}`, budget);
    case DW_TAG.DW_TAG_array_type: {
      const bounds = dimensionsOf(entry).map((count) => `[${count ?? ""}]`);
      return declare(entry.type, `${inner}${bounds.join("")}`, budget);
    }
    case DW_TAG.DW_TAG_subroutine_type:
      return declare(entry.type, `${inner}(${parametersText(entry, budget)})`, budget);
    case DW_TAG.DW_TAG_const_type:
      return `const ${declare(entry.type, inner, budget)}`;
    case DW_TAG.DW_TAG_volatile_type:
      return `volatile ${declare(entry.type, inner, budget)}`;
    case DW_TAG.DW_TAG_restrict_type:
    case DW_TAG.DW_TAG_atomic_type:
      return declare(entry.type, inner, budget);
    default:
      return `${plainTypeText(entry)} ${inner}`;
  }
}

const needsParentheses = (target: DebugEntry | undefined): boolean =>
  target?.tag === DW_TAG.DW_TAG_subroutine_type || target?.tag === DW_TAG.DW_TAG_array_type;

/** A named type with its keyword. */
export function plainTypeText(entry: DebugEntry): string {
  const name = nameOf(entry) ?? "{...}";
  switch (entry.tag) {
    case DW_TAG.DW_TAG_structure_type:
      return `struct ${name}`;
    case DW_TAG.DW_TAG_union_type:
      return `union ${name}`;
    case DW_TAG.DW_TAG_class_type:
      return `class ${name}`;
    case DW_TAG.DW_TAG_enumeration_type:
      return `enum ${name}`;
    default:
      return name;
  }
}

/** `int (const char *, ...)`: what a function gives and takes. */
export const signatureText = (entry: DebugEntry): string => {
  const budget = { left: TYPE_TEXT_PARTS_MAX };
  return `${declare(typeOf(entry), "", budget).trim()} (${parametersText(entry, budget)})`;
};

const parametersText = (entry: DebugEntry, budget: Budget): string =>
  parametersOf(entry)
    .map((parameter) =>
      parameter.tag === DW_TAG.DW_TAG_unspecified_parameters
        ? "..."
        : declare(typeOf(parameter), "", budget).trim(),
    )
    .join(", ") || "void";

/** What a function or function type takes, an ellipsis included. */
export const parametersOf = (entry: DebugEntry): readonly DebugEntry[] =>
  entry.children.filter(
    ({ tag }) =>
      tag === DW_TAG.DW_TAG_formal_parameter || tag === DW_TAG.DW_TAG_unspecified_parameters,
  );
