/** Strict readers of one JSON value. Each throws ReleaseError with the path of the field. */
import { ReleaseError } from "../errors.ts";
import { manifestTextMax } from "../limits.ts";

export type Fields = Readonly<Record<string, unknown>>;

export const wrong = (field: string, found: string): ReleaseError =>
  new ReleaseError("metadata-field", field, found);

/** One JSON object out of bytes, at most `bytesMax` long. `file` names it in errors. */
export function parseJson(bytes: Uint8Array, file: string, bytesMax: number): Fields {
  if (bytes.length > bytesMax) {
    throw new ReleaseError("metadata-too-large", file, `more than ${bytesMax} bytes`);
  }
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch (cause) {
    // SyntaxError is JSON's, TypeError the decoder's; their messages may quote secrets or rubbish.
    const found = cause instanceof Error ? cause.name : "unreadable";
    throw new ReleaseError("metadata-not-json", file, found);
  }
  if (!isObject(value)) throw new ReleaseError("metadata-not-json", file, "not an object");
  return value;
}

const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** An object with the required fields, and none but these and the optional ones. */
export function objectOf(
  value: unknown,
  field: string,
  required: readonly string[],
  optional: readonly string[] = [],
): Fields {
  if (!isObject(value)) throw wrong(field, "expected an object");
  for (const name of required) {
    if (!Object.hasOwn(value, name)) throw wrong(`${field}.${name}`, "missing");
  }
  for (const name of Object.keys(value)) {
    if (!required.includes(name) && !optional.includes(name)) {
      throw wrong(`${field}.${shown(name)}`, "unknown");
    }
  }
  return value;
}

/** The entries of an object whose names are data: each must fit the pattern. */
export function entriesOf(
  value: unknown,
  field: string,
  { pattern, countMax }: { readonly pattern: RegExp; readonly countMax: number },
): [string, unknown][] {
  if (!isObject(value)) throw wrong(field, "expected an object");
  const entries = Object.entries(value);
  if (entries.length > countMax) throw wrong(field, `${entries.length} entries`);
  for (const [name] of entries) {
    if (!pattern.test(name)) throw wrong(`${field}.${shown(name)}`, `expected ${pattern.source}`);
  }
  return entries;
}

export function listOf(value: unknown, field: string, countMax: number): readonly unknown[] {
  if (!Array.isArray(value)) throw wrong(field, "expected a list");
  if (value.length > countMax) throw wrong(field, `${value.length} items`);
  return value;
}

/** A list of which no two items are the same text. */
export function distinctOf(
  value: unknown,
  field: string,
  { pattern, countMax }: { readonly pattern: RegExp; readonly countMax: number },
): readonly string[] {
  const items = listOf(value, field, countMax).map((item, at) =>
    matching(item, `${field}[${at}]`, pattern),
  );
  if (new Set(items).size !== items.length) throw wrong(field, "an item twice");
  return items;
}

/** A text that may be shown on a terminal: no control characters. */
export function textOf(value: unknown, field: string): string {
  if (typeof value !== "string" || value === "") throw wrong(field, "expected a text");
  if (value.length > manifestTextMax) throw wrong(field, `${value.length} characters`);
  if (hasControlCharacter(value)) throw wrong(field, "a control character");
  return value;
}

export function matching(value: unknown, field: string, pattern: RegExp): string {
  const text = textOf(value, field);
  if (!pattern.test(text)) throw wrong(field, `expected ${pattern.source}`);
  return text;
}

export function oneOf<const Name extends string>(
  value: unknown,
  field: string,
  names: readonly Name[],
): Name {
  const name = names.find((known) => known === value);
  if (name === undefined) throw wrong(field, `expected ${names.join(", ")}`);
  return name;
}

export function integerOf(
  value: unknown,
  field: string,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    throw wrong(field, `expected an integer from ${min} to ${max}`);
  }
  return value;
}

export function booleanOf(value: unknown, field: string): boolean {
  if (typeof value !== "boolean") throw wrong(field, "expected true or false");
  return value;
}

/** `2026-10-13T00:00:00Z`, a moment that exists. */
export function momentOf(value: unknown, field: string): string {
  const text = matching(value, field, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  if (momentText(new Date(text)) !== text) throw wrong(field, "no such moment");
  return text;
}

/** `2026-10-13`, a day that exists. */
export function dayOf(value: unknown, field: string): string {
  const text = matching(value, field, /^\d{4}-\d\d-\d\d$/);
  if (momentText(new Date(`${text}T00:00:00Z`)).slice(0, 10) !== text) {
    throw wrong(field, "no such day");
  }
  return text;
}

/** A moment as TUF writes it; `""` for an invalid date. */
export const momentText = (date: Date): string =>
  Number.isNaN(date.getTime()) ? "" : date.toISOString().replace(/\.\d{3}Z$/, "Z");

/** Names in errors come from whoever wrote the file: short, and nothing that steers a terminal. */
const shown = (name: string): string => name.slice(0, 80).replace(/[^\x20-\x7e]/g, "?");

function hasControlCharacter(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code < 0x20 || (code >= 0x7f && code < 0xa0)) return true;
  }
  return false;
}
