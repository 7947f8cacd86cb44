/**
 * Enumerators whose meaning changes: numbers in live data that would mean something else.
 *
 *     enum state { IDLE, READING, DONE };          before: a connection holds 1, READING
 *     enum state { IDLE, WAITING, READING, DONE }; after: 1 means WAITING
 *
 * Enumerators are names of their scope in C, whether their enumeration has a name or not, so they
 * are compared by scope and name. What is no change of meaning:
 *
 * - a new enumerator with a number that no other had;
 * - the sentinel at the end (`COUNT`, `ERROR_MAX`), which counts the others and moves up when one
 *   is added before it. All code that mentions it changes and is replaced, and no data holds it;
 * - the number of an enumeration that has but one enumerator and no name: `enum { LIMIT = 64 }`
 *   is how C writes a constant.
 *
 * It does not matter here which functions use the enumeration. States are mostly kept in plain
 * integers between calls (`c->state = state`), which no type tells.
 */
import type { DebugNumber } from "../dwarf/attribute-form.ts";
import { DW_TAG } from "../dwarf/debug-constants.ts";
import type { DebugEntry } from "../dwarf/debug-info.ts";
import { nameOf } from "./type-text.ts";

export interface EnumeratorChange {
  /** `enum state`, or `an enumeration`. */
  readonly enumeration: string;
  readonly enumerator: string;
  readonly detail: string;
}

type Enumerations = ReadonlyMap<string, readonly DebugEntry[]>;

/** Compares the enumerations of two objects, given by the scope that they are in. */
export function compareEnumerations(
  before: Enumerations,
  after: Enumerations,
): readonly EnumeratorChange[] {
  return [...before].flatMap(([scope, enumerations]) => {
    const others = after.get(scope) ?? [];
    const values = new Map(others.flatMap((other) => valuesOf(other)));
    return enumerations.flatMap((enumeration) => compareOne(enumeration, { others, values }));
  });
}

interface After {
  readonly others: readonly DebugEntry[];
  readonly values: ReadonlyMap<string, DebugNumber>;
}

function compareOne(before: DebugEntry, { others, values }: After): readonly EnumeratorChange[] {
  const old = valuesOf(before);
  const oldNames = new Set(old.map(([name]) => name));
  const twin = others.find((other) => valuesOf(other).some(([name]) => oldNames.has(name)));
  if (twin === undefined) return [];
  if (nameOf(before) === undefined && old.length === 1) return [];
  const newByValue = new Map(
    valuesOf(twin)
      .filter(([name]) => !oldNames.has(name))
      .map(([name, value]) => [value, name]),
  );
  return old.flatMap(([name, value]) => {
    const number = values.get(name);
    if (number === value) return [];
    if (number !== undefined) {
      if (isSentinel(old, { name, value }) && number > value) return [];
      return [change(before, name, `${name} is ${value} before and ${number} after`)];
    }
    const successor = newByValue.get(value);
    if (successor === undefined || isSentinel(old, { name, value })) return [];
    return [change(before, name, `${value} is ${name} before and ${successor} after`)];
  });
}

const valuesOf = (enumeration: DebugEntry): readonly (readonly [string, DebugNumber])[] =>
  enumeration.children.flatMap(({ tag, name, constValue }) =>
    tag === DW_TAG.DW_TAG_enumerator && name !== undefined && constValue !== undefined
      ? [[name, constValue] as const]
      : [],
  );

/** The words that names of a count of enumerators end or begin with. */
const SENTINEL =
  /(^|_)(last|max|count|num|number|end|size|total|len|length|limit|sentinel|top|final|lastentry|maximum)(_|$)|^n[A-Z_]|(Last|Max|Count|Num|End|LAST|MAX|COUNT|END)$/i;

function isSentinel(
  values: readonly (readonly [string, DebugNumber])[],
  { name, value }: { readonly name: string; readonly value: DebugNumber },
): boolean {
  return SENTINEL.test(name) && values.every(([, other]) => other <= value);
}

function change(before: DebugEntry, enumerator: string, detail: string): EnumeratorChange {
  const name = nameOf(before);
  return {
    enumeration: name === undefined ? "an enumeration" : `enum ${name}`,
    enumerator,
    detail,
  };
}
