import { FormatError } from "../bytes/format-error.ts";
import { decodeUtf8 } from "../bytes/reader.ts";
import { NAME_TOTAL_BASE, NAME_TOTAL_FACTOR } from "./limits.ts";

/** Gives the name at an offset of a string table. */
export type StringTable = (offset: number) => string;

/**
 * Names of a string table (gABI "String Table"), each decoded once.
 *
 * Throws FormatError for an offset outside, a name without end, and for names that overlap so
 * much that their total exceeds NAME_TOTAL_FACTOR times the table.
 */
export function createStringTable(bytes: Uint8Array, what: string): StringTable {
  const known = new Map<number, string>();
  let budget = bytes.length * NAME_TOTAL_FACTOR + NAME_TOTAL_BASE;
  return (offset) => {
    const before = known.get(offset);
    if (before !== undefined) return before;
    if (offset === 0 && bytes.length === 0) return "";
    if (!(offset >= 0 && offset < bytes.length)) {
      throw new FormatError({
        what,
        offset,
        expected: `a name within ${bytes.length} bytes`,
        found: "an offset outside",
      });
    }
    const end = bytes.indexOf(0, offset);
    budget -= end - offset;
    if (end < 0 || budget < 0) {
      throw new FormatError({
        what,
        offset,
        expected: "a name ended by 0",
        found: end < 0 ? "no end" : "too many overlapping names",
      });
    }
    const name = decodeUtf8(bytes, offset, end);
    known.set(offset, name);
    return name;
  };
}
