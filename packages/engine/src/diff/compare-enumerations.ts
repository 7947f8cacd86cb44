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
    const byName = new Map<string, Values[]>();
    for (const values of (after.get(scope) ?? []).map(valuesOf)) {
      for (const name of values.keys()) byName.set(name, [...(byName.get(name) ?? []), values]);
    }
    return enumerations.flatMap((enumeration) => compareOne(enumeration, byName));
  });
}

/** The numbers of an enumeration by their names. */
type Values = ReadonlyMap<string, DebugNumber>;

function compareOne(
  before: DebugEntry,
  byName: ReadonlyMap<string, readonly Values[]>,
): readonly EnumeratorChange[] {
  const old = valuesOf(before);
  if (nameOf(before) === undefined && old.size === 1) return [];
  // Blocks of one function may each have enumerations with the same names.
  const twins = new Set([...old.keys()].flatMap((name) => byName.get(name) ?? []));
  const changes = [...twins].map((twin) => changesBetween(before, old, twin));
  return changes.some(({ length }) => length === 0) ? [] : (changes[0] ?? []);
}

function changesBetween(before: DebugEntry, old: Values, young: Values): EnumeratorChange[] {
  const newByValue = new Map(
    [...young].filter(([name]) => !old.has(name)).map(([name, value]) => [value, name]),
  );
  return [...old].flatMap(([name, value]) => {
    const number = young.get(name);
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

const valuesOf = (enumeration: DebugEntry): Values =>
  new Map(
    enumeration.children.flatMap(({ tag, name, constValue }) =>
      tag === DW_TAG.DW_TAG_enumerator && name !== undefined && constValue !== undefined
        ? [[name, constValue] as const]
        : [],
    ),
  );

/** The words that names of a count of enumerators end or begin with. */
const SENTINEL =
  /(^|_)(last|max|count|num|number|end|size|total|len|length|limit|sentinel|top|final|lastentry|maximum)(_|$)|^n[A-Z_]|(Last|Max|Count|Num|End|LAST|MAX|COUNT|END)$/i;

function isSentinel(
  values: Values,
  { name, value }: { readonly name: string; readonly value: DebugNumber },
): boolean {
  return SENTINEL.test(name) && [...values.values()].every((other) => other <= value);
}

function change(before: DebugEntry, enumerator: string, detail: string): EnumeratorChange {
  const name = nameOf(before);
  return {
    enumeration: name === undefined ? "an enumeration" : `enum ${name}`,
    enumerator,
    detail,
  };
}
