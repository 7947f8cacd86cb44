/** Names in debug information: in the entry, in a string section, or by index in a table. */

import { FormatError } from "../bytes/format-error.ts";
import { createReader } from "../bytes/reader.ts";
import type { AttributeValue } from "./attribute-form.ts";
import type { DebugSections } from "./debug-sections.ts";
import type { DebugUnit } from "./debug-unit.ts";
import { NAME_BYTES_MAX } from "./limits.ts";

export interface StringReader {
  /** The text of a value; undefined for values that are none or that other files hold. */
  readonly textOf: (value: AttributeValue, unit: DebugUnit) => string | undefined;
}

/** A reader of an object's names. Throws FormatError for offsets outside of the sections. */
export function createStringReader(sections: DebugSections): StringReader {
  const plain = createStrings(sections.strings, ".debug_str");
  const line = createStrings(sections.lineStrings, ".debug_line_str");
  const offsets = createReader(sections.stringOffsets, ".debug_str_offsets");
  return {
    textOf(value, unit) {
      switch (value.kind) {
        case "text":
          return value.text;
        case "string-offset":
          return value.line ? line(value.offset) : plain(value.offset);
        case "string-index": {
          // The table's own header comes first (DWARF 5, 7.26).
          const base = unit.stringOffsetsBase ?? 2 * unit.offsetSize;
          const place = base + value.index * unit.offsetSize;
          return plain(unit.offsetSize === 8 ? offsets.u64(place) : offsets.u32(place));
        }
        default:
          return undefined;
      }
    },
  };
}

function createStrings(bytes: Uint8Array, what: string): (offset: number) => string {
  const reader = createReader(bytes, what);
  const known = new Map<number, string>();
  let total = 0;
  return (offset) => {
    const text = known.get(offset);
    if (text !== undefined) return text;
    const read = reader.cstring(offset);
    total += read.length;
    if (total > NAME_BYTES_MAX) {
      const expected = `at most ${NAME_BYTES_MAX} bytes of names`;
      throw new FormatError({ what, offset, expected, found: "more" });
    }
    known.set(offset, read);
    return read;
  };
}
