import fc from "fast-check";
import { expect, test } from "vitest";
import { canonicalJson } from "./canonical-json.ts";

test.each<[unknown, string]>([
  [{ b: 1, a: [true, null, "x"] }, '{"a":[true,null,"x"],"b":1}'],
  [{ a: undefined, b: 2 }, '{"b":2}'],
  // RFC 8785, 3.2.2.3 and 3.2.3: numbers as ECMAScript writes them, keys by UTF-16 code units.
  [[333333333.3333333, 1e30, 4.5, 2e-3, 1e-27], "[333333333.3333333,1e+30,4.5,0.002,1e-27]"],
  [
    { "\u20ac": 1, "\r": 2, "\ufb33": 3, "1": 4, "\ud83d\ude00": 5, "\u0080": 6, "\u00f6": 7 },
    '{"\\r":2,"1":4,"\u0080":6,"\u00f6":7,"\u20ac":1,"\ud83d\ude00":5,"\ufb33":3}',
  ],
  [-0, "0"],
])("%j", (value, text) => {
  expect(canonicalJson(value)).toBe(text);
});

test.each([
  [Number.NaN],
  [Number.POSITIVE_INFINITY],
  [() => 1],
  [Symbol("x")],
  [10n],
  [[undefined]],
])("%s has no JSON", (value) => {
  expect(() => canonicalJson(value)).toThrow(TypeError);
});

test("any JSON comes back equal, and the order of its members does not matter", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const parsed: unknown = JSON.parse(canonicalJson(value));
      expect(parsed).toEqual(JSON.parse(JSON.stringify(value)));
      expect(canonicalJson(reversed(value))).toBe(canonicalJson(value));
    }),
  );
});

function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).map(([name, member]) => [name, reversed(member)] as const);
  return Object.fromEntries(members.reverse());
}
