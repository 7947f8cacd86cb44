/**
 * One text for one value, for what is signed or hashed (RFC 8785, JSON Canonicalization Scheme).
 *
 * Object keys in the order of their UTF-16 code units, no white space, numbers as ECMAScript writes
 * them. What JSON does not have (undefined in arrays, functions, NaN) throws a TypeError; members
 * that are undefined are left out.
 */
export function canonicalJson(value: unknown): string {
  if (value === null || typeof value === "boolean" || typeof value === "string") {
    return JSON.stringify(value);
  }
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw new TypeError("a number that JSON does not have");
    return JSON.stringify(value);
  }
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, member]) => `${JSON.stringify(name)}:${canonicalJson(member)}`);
    return `{${members.join(",")}}`;
  }
  throw new TypeError(`a ${typeof value} has no JSON`);
}
