import { createReader, decodeUtf8 } from "../bytes/reader.ts";
import { NT, PT, SHT } from "./constants.ts";
import { type ElfFile, sectionBytes } from "./file.ts";

/** One note (gABI "Note Section"). */
export interface Note {
  readonly name: string;
  readonly type: number;
  readonly description: Uint8Array;
}

/**
 * The notes in `bytes`, whose parts are padded to `alignment` (4, or 8 where the section says so).
 *
 * Throws FormatError for a note that does not fit.
 */
export function parseNotes(bytes: Uint8Array, alignment: number, what = "notes"): Note[] {
  const reader = createReader(bytes, what);
  const padding = alignment === 8 ? 8 : 4;
  const notes: Note[] = [];
  let at = 0;
  while (at + 12 <= bytes.length) {
    const nameSize = reader.u32(at);
    const descriptionSize = reader.u32(at + 4);
    const nameBytes = reader.bytes(at + 12, nameSize);
    const descriptionAt = align(at + 12 + nameSize, padding);
    notes.push({
      name: decodeUtf8(
        nameBytes,
        0,
        nameSize > 0 && nameBytes.at(-1) === 0 ? nameSize - 1 : nameSize,
      ),
      type: reader.u32(at + 8),
      description: reader.bytes(descriptionAt, descriptionSize),
    });
    at = align(descriptionAt + descriptionSize, padding);
  }
  return notes;
}

const align = (value: number, alignment: number): number =>
  Math.ceil(value / alignment) * alignment;

/** The NT_GNU_BUILD_ID note in lower-case hexadecimal, from the sections or else the segments. */
export function buildId(elf: ElfFile): string | undefined {
  for (const { bytes, alignment } of noteParts(elf)) {
    const found = parseNotes(bytes, alignment).find(
      ({ name, type }) => name === "GNU" && type === NT.NT_GNU_BUILD_ID,
    );
    if (found !== undefined) return Buffer.from(found.description).toString("hex");
  }
  return undefined;
}

/** The bytes of every SHT_NOTE section, then of every PT_NOTE segment that the file holds. */
function* noteParts(elf: ElfFile): Generator<{ bytes: Uint8Array; alignment: number }> {
  for (const section of elf.sections) {
    if (section.sh_type !== SHT.SHT_NOTE) continue;
    yield { bytes: sectionBytes(elf, section), alignment: section.sh_addralign };
  }
  for (const { p_type, p_offset, p_filesz, p_align } of elf.segments) {
    if (p_type !== PT.PT_NOTE || p_offset + p_filesz > elf.bytes.length) continue;
    yield { bytes: elf.bytes.subarray(p_offset, p_offset + p_filesz), alignment: p_align };
  }
}
