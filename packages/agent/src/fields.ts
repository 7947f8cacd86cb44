/**
 * Strict reading of JSON that came over the socket or from a file: unknown fields are refused,
 * texts have limits and no control characters. Errors are AgentErrors of the code that the caller
 * names, with the field as their subject.
 */
import { AgentError, type AgentProblem } from "./errors.ts";
import { textMax } from "./limits.ts";

export type Fields = Readonly<Record<string, unknown>>;

/** Where a value stands, and what it is called when it is wrong. */
export interface Place {
  readonly field: string;
  readonly code: AgentProblem;
}

export const wrong = ({ code, field }: Place, expected: string): AgentError =>
  new AgentError(code, field, expected);

export const below = ({ code, field }: Place, name: string): Place => ({
  code,
  field: field === "" ? name : `${field}.${name}`,
});

export const isObject = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** One JSON object in UTF-8. Throws an AgentError of `place.code`. */
export function objectFromBytes(bytes: Uint8Array, place: Place): Fields {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    // The messages of JSON.parse and TextDecoder may quote what they read.
    const found = cause instanceof Error ? cause.name : "unreadable";
    throw new AgentError(place.code, place.field, found);
  }
  if (!isObject(value)) throw wrong(place, "expected an object");
  return value;
}

/** An object with the required fields and none but these and the optional ones. */
export function objectOf(
  value: unknown,
  place: Place,
  { required, optional = [] }: { required: readonly string[]; optional?: readonly string[] },
): Fields {
  if (!isObject(value)) throw wrong(place, "expected an object");
  for (const name of required) {
    if (!Object.hasOwn(value, name)) throw wrong(below(place, name), "missing");
  }
  for (const name of Object.keys(value)) {
    if (!required.includes(name) && !optional.includes(name)) {
      throw wrong(below(place, shown(name)), "unknown");
    }
  }
  return value;
}

export function integerOf(
  value: unknown,
  place: Place,
  { min, max }: { readonly min: number; readonly max: number },
): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
    throw wrong(place, `expected an integer from ${min} to ${max}`);
  }
  return value;
}

export function booleanOf(value: unknown, place: Place): boolean {
  if (typeof value !== "boolean") throw wrong(place, "expected true or false");
  return value;
}

export function matching(value: unknown, place: Place, pattern: RegExp): string {
  if (typeof value !== "string" || !pattern.test(value)) {
    throw wrong(place, `expected ${pattern.source}`);
  }
  return value;
}

/** Text for people: at most `textMax` characters, none of them a control character. */
export function textOf(value: unknown, place: Place): string {
  if (typeof value !== "string" || value === "" || value.length > textMax) {
    throw wrong(place, `expected 1 to ${textMax} characters`);
  }
  if (value !== printable(value)) throw wrong(place, "a control character");
  return value;
}

/** The text without what steers a terminal, cut to what one record may hold. */
export const printable = (text: string): string =>
  text
    .slice(0, textMax)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out.
    .replace(/[\u0000-\u001f\u007f-\u009f]/g, " ");

/** Names in errors come from whoever sent them. */
const shown = (name: string): string => name.slice(0, 80).replace(/[^\x20-\x7e]/g, "?");

export const targetPattern =
  /^[a-z0-9][a-z0-9.+-]{0,63}\/[0-9A-Za-z][0-9A-Za-z.+~_-]{0,63}\/(?:baseline\.json|[0-9a-f]{16,128}\.[1-9][0-9]{0,8}\.hotpatch)$/;
export const deviceIdPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
export const sha256Pattern = /^[0-9a-f]{64}$/;
