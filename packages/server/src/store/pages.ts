/** Pages of long lists. A cursor is the place of the last item: its sort keys as JSON, base64url. */
import { RequestError } from "../errors.ts";
import { PAGE_SIZE } from "../limits.ts";

export type CursorKey = string | number;

export const cursorOf = (keys: readonly CursorKey[]): string =>
  Buffer.from(JSON.stringify(keys)).toString("base64url");

type KeyKind = keyof typeof KEY_CHECKS;

/** The sort keys of a cursor; throws RequestError `bad-request` where it is not one of ours. */
export function keysOf(cursor: string, kinds: readonly KeyKind[]): readonly CursorKey[] {
  try {
    const keys: unknown = JSON.parse(Buffer.from(cursor, "base64url").toString("utf8"));
    const fits = (key: unknown, at: number): boolean => KEY_CHECKS[kinds[at] ?? "text"](key);
    if (Array.isArray(keys) && keys.length === kinds.length && keys.every(fits)) return keys;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new RequestError("bad-request", "querystring/cursor: not one that this list gave");
}

const KEY_CHECKS = {
  text: (key: unknown) => typeof key === "string" && !key.includes("\0"),
  integer: (key: unknown) => Number.isSafeInteger(key),
  id: (key: unknown) =>
    typeof key === "string" && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(key),
  moment: (key: unknown) =>
    typeof key === "string" &&
    /^\d{4}-\d\d-\d\dT[\d:.]{8,12}Z$/.test(key) &&
    !Number.isNaN(Date.parse(key)),
} as const;

export const pageSizeOf = ({ limit }: { readonly limit?: number }): number => limit ?? PAGE_SIZE;

/** From one row more than the page has: the page, and the cursor of the next. */
export function pageOfRows<Row>(
  rows: readonly Row[],
  size: number,
  keys: (row: Row) => readonly CursorKey[],
): { readonly rows: readonly Row[]; readonly next?: string } {
  const page = rows.slice(0, size);
  const last = page.at(-1);
  if (rows.length <= size || last === undefined) return { rows: page };
  return { rows: page, next: cursorOf(keys(last)) };
}
