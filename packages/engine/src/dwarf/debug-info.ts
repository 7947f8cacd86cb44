/**
 * Debug information of types: which types there are, how they lie in memory, and who uses them.
 *
 * The problem. Compilers describe a unit as a tree of entries, each with attributes:
 *
 *     DW_TAG_compile_unit
 *       DW_TAG_structure_type   name "node"  byte_size 16
 *         DW_TAG_member         name "next"  type -> (pointer)  data_member_location 0
 *         DW_TAG_member         name "len"   type -> (int)      data_member_location 8
 *       DW_TAG_subprogram       name "push"  type -> (int)  external
 *         DW_TAG_formal_parameter  name "n"  type -> (pointer)
 *
 * stored without any table of contents: the size of an entry follows from its abbreviation, and
 * references are offsets. 10 MB of it, with a million entries, are usual for a large unit, most
 * of them about calls and places of variables.
 *
 * Approach. One pass from front to back; entries of tags that say nothing about types are
 * skipped, their children taken for their parent's. References are kept as keys and put in when
 * everything is read. The depth is counted on an explicit stack, and every step moves forward by
 * at least a byte, so any bytes end. References may form circles (a struct points to itself);
 * whoever follows them keeps that in mind.
 *
 * Type units (DWARF 5, 3.1.4) hold one type each and go by a signature, which is another key.
 *
 * Specification: DWARF 5, chapters 2, 5 and 7.5; DWARF 4, chapter 7.5 for .debug_types.
 */
import { type ByteCursor, createCursor } from "../bytes/cursor.ts";
import { FormatError } from "../bytes/format-error.ts";
import type { ElfFile } from "../elf/file.ts";
import { type AbbreviationTable, createAbbreviationReader } from "./abbreviation.ts";
import { readAttribute } from "./attribute-form.ts";
import { DW_AT, DW_TAG } from "./debug-constants.ts";
import type { DebugEntry } from "./debug-entry.ts";
import { type DebugSections, type InfoSection, readDebugSections } from "./debug-sections.ts";
import { createStringReader, type StringReader } from "./debug-string.ts";
import { type DebugUnit, parseUnitHeader } from "./debug-unit.ts";
import { createDraft, type EntryDraft, setAttribute } from "./entry-draft.ts";
import { ENTRY_DEPTH_MAX } from "./limits.ts";

export interface DebugInfo {
  /** The top entries: one for each compilation and type unit. */
  readonly units: readonly DebugEntry[];
}

/**
 * Reads a relocatable object's debug information, of which there may be none.
 *
 * Throws FormatError for what is no DWARF 2 to 5.
 */
export function parseDebugInfo(elf: ElfFile): DebugInfo {
  const sections = readDebugSections(elf);
  const reading: Reading = {
    sections,
    abbreviationsAt: createAbbreviationReader(sections.abbreviations),
    strings: createStringReader(sections),
    entries: new Map(),
  };
  const units = sections.infos.flatMap((section, ordinal) =>
    readSection(reading, section, ordinal),
  );
  // From here every entry is known by its key.
  for (const draft of reading.entries.values()) {
    draft.type = reading.entries.get(draft.typeKey ?? "");
    draft.origin = reading.entries.get(draft.originKey ?? "");
  }
  return { units };
}

interface Reading {
  readonly sections: DebugSections;
  readonly abbreviationsAt: (offset: number) => AbbreviationTable;
  readonly strings: StringReader;
  /** All entries by section and offset, and those of type units by signature too. */
  readonly entries: Map<number | string, EntryDraft>;
}

function readSection(
  reading: Reading,
  { bytes, holdsTypes }: InfoSection,
  ordinal: number,
): EntryDraft[] {
  const cursor = createCursor(bytes, ".debug_info");
  const units: EntryDraft[] = [];
  for (let at = 0; at < bytes.length; ) {
    cursor.seek(at);
    const header = parseUnitHeader(cursor, { ordinal, holdsTypes });
    const unit = readUnit(reading, cursor, header);
    if (unit !== undefined) units.push(unit);
    if (header.signature !== undefined) {
      const type = reading.entries.get(entryKey(ordinal, header.start + header.typeOffset));
      if (type !== undefined) reading.entries.set(`${header.signature}`, type);
    }
    at = header.end;
  }
  return units;
}

/** Sections are below 2^32 bytes in practice; a larger offset finds nothing. */
const entryKey = (ordinal: number, offset: number): number => ordinal * 2 ** 40 + offset;

const KEPT: ReadonlySet<number> = new Set(Object.values(DW_TAG));

function readUnit(reading: Reading, cursor: ByteCursor, unit: DebugUnit): EntryDraft | undefined {
  const abbreviations = reading.abbreviationsAt(unit.abbreviationOffset);
  const open: (EntryDraft | undefined)[] = [];
  let top: EntryDraft | undefined;
  let nearest: EntryDraft | undefined;
  while (cursor.offset < unit.end) {
    const offset = cursor.offset;
    const code = cursor.uleb();
    if (code === 0) {
      if (open.length === 0) break;
      nearest = open.pop();
      continue;
    }
    const shape = abbreviations.get(code);
    if (shape === undefined) throw unknownCode(offset, code);
    const draft = KEPT.has(shape.tag) ? createDraft(shape.tag, nearest) : undefined;
    for (const attribute of shape.attributes) {
      const value = readAttribute(cursor, attribute, unit);
      if (draft === undefined) continue;
      if (top === undefined && attribute.name === DW_AT.DW_AT_str_offsets_base) {
        if (value.kind === "number") unit.stringOffsetsBase = Number(value.value);
      }
      setAttribute(draft, attribute.name, { value, unit, strings: reading.strings });
    }
    if (draft !== undefined) {
      reading.entries.set(entryKey(unit.ordinal, offset), draft);
      nearest?.children.push(draft);
      top ??= draft;
    }
    if (!shape.hasChildren) continue;
    if (open.length === ENTRY_DEPTH_MAX) throw tooDeep(offset);
    open.push(nearest);
    nearest = draft ?? nearest;
  }
  return top;
}

const unknownCode = (offset: number, code: number): FormatError =>
  new FormatError({
    what: ".debug_info",
    offset,
    expected: "an abbreviation of the unit",
    found: `code ${code}`,
  });

const tooDeep = (offset: number): FormatError =>
  new FormatError({
    what: ".debug_info",
    offset,
    expected: `at most ${ENTRY_DEPTH_MAX} entries inside each other`,
    found: "more",
  });

export type { DebugEntry } from "./debug-entry.ts";
