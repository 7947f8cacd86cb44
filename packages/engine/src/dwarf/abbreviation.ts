/** Abbreviations: the shapes that debug entries come in (DWARF 5, section 7.5.3). */
import { createCursor } from "../bytes/cursor.ts";
import { FormatError } from "../bytes/format-error.ts";
import { DW_FORM } from "./debug-constants.ts";
import { ABBREVIATIONS_MAX, ENTRY_ATTRIBUTES_MAX } from "./limits.ts";

/** What one kind of debug entry consists of. */
export interface Abbreviation {
  readonly tag: number;
  readonly hasChildren: boolean;
  readonly attributes: readonly AttributeShape[];
}

export interface AttributeShape {
  /** A DW_AT number. */
  readonly name: number;
  /** A DW_FORM number. */
  readonly form: number;
  /** The value of DW_FORM_implicit_const, else 0. */
  readonly implicit: number;
}

/** The abbreviations of a unit by their code. */
export type AbbreviationTable = ReadonlyMap<number, Abbreviation>;

/**
 * A reader of abbreviation tables, which remembers those it has read.
 *
 * The reader gives the table at an offset of .debug_abbrev, and throws FormatError where there is
 * none, or where all tables together are more than any compiler writes.
 */
export function createAbbreviationReader(
  section: Uint8Array,
): (offset: number) => AbbreviationTable {
  const tables = new Map<number, AbbreviationTable>();
  const cursor = createCursor(section, ".debug_abbrev");
  let total = 0;

  const read = (offset: number): AbbreviationTable => {
    const table = new Map<number, Abbreviation>();
    cursor.seek(offset);
    for (let code = cursor.uleb(); code !== 0; code = cursor.uleb()) {
      total++;
      if (total > ABBREVIATIONS_MAX) throw tooMany(offset, `${ABBREVIATIONS_MAX} abbreviations`);
      const tag = cursor.uleb();
      const hasChildren = cursor.u8() !== 0;
      const attributes: AttributeShape[] = [];
      for (;;) {
        const name = cursor.uleb();
        const form = cursor.uleb();
        const implicit = form === DW_FORM.DW_FORM_implicit_const ? cursor.sleb() : 0;
        if (name === 0 && form === 0) break;
        if (attributes.length === ENTRY_ATTRIBUTES_MAX) {
          throw tooMany(offset, `${ENTRY_ATTRIBUTES_MAX} attributes`);
        }
        attributes.push({ name, form, implicit });
      }
      table.set(code, { tag, hasChildren, attributes });
    }
    return table;
  };

  return (offset) => {
    const known = tables.get(offset);
    if (known !== undefined) return known;
    const table = read(offset);
    tables.set(offset, table);
    return table;
  };
}

const tooMany = (offset: number, limit: string): FormatError =>
  new FormatError({ what: ".debug_abbrev", offset, expected: `at most ${limit}`, found: "more" });
