/**
 * The unwind information of an object's functions, cut into pieces that can be moved.
 *
 * .eh_frame is one section for the whole object (Linux Standard Base, "Exception Frames"): a CIE
 * and behind it FDEs that point back at it by distance. A hotpatch takes some of the functions
 * along, so it needs their FDEs and CIEs and nothing else. The contents stay as they are; what
 * moves are the lengths' neighbours: the CIE pointer and the places of the relocations.
 */
import { createReader } from "../bytes/reader.ts";
import { sectionByName, sectionBytes } from "../elf/file.ts";
import { type Relocation, relocationsOf } from "../elf/relocation.ts";
import { type ObjectModel, resolveReference } from "./object-model.ts";

/** A CIE or FDE with its length field, and its relocations relative to its first byte. */
export interface FrameRecord {
  readonly bytes: Uint8Array;
  readonly relocations: readonly Relocation[];
}

export interface FunctionFrame {
  readonly cie: FrameRecord;
  readonly fde: FrameRecord;
}

/** The FDEs of functions by entity index; a function without one has no entry. */
export type FrameTable = ReadonlyMap<number, readonly FunctionFrame[]>;

/** Offset of pc_begin in an FDE and of the CIE pointer in both, with the 4-byte length before. */
export const PC_BEGIN = 8;
export const CIE_POINTER = 4;

/** Reads an object's .eh_frame. Throws FormatError for records that are cut or in 64-bit form. */
export function parseFrames(model: ObjectModel): FrameTable {
  const section = sectionByName(model.elf, ".eh_frame");
  const table = new Map<number, FunctionFrame[]>();
  if (section === undefined) return table;
  const bytes = sectionBytes(model.elf, section);
  const reader = createReader(bytes, ".eh_frame");
  const relocations = relocationsOf(model.elf, section).sort((a, b) => a.r_offset - b.r_offset);
  let next = 0;
  const cies = new Map<number, FrameRecord>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = reader.u32(at);
    if (length === 0) break;
    const end = at + 4 + length;
    const first = next;
    while ((relocations[next]?.r_offset ?? end) < end) next++;
    const record: FrameRecord = {
      bytes: reader.bytes(at, end - at),
      relocations: relocations
        .slice(first, next)
        .map((relocation) => ({ ...relocation, r_offset: relocation.r_offset - at })),
    };
    const pointer = reader.u32(at + CIE_POINTER);
    const cie = pointer === 0 ? undefined : cies.get(at + CIE_POINTER - pointer);
    if (pointer === 0) cies.set(at, record);
    const begin = record.relocations.find(({ r_offset }) => r_offset === PC_BEGIN);
    if (cie !== undefined && begin !== undefined) {
      const { target } = resolveReference(model, begin.symbolIndex, begin.r_addend);
      const frames = table.get(target);
      if (frames === undefined) table.set(target, [{ cie, fde: record }]);
      else frames.push({ cie, fde: record });
    }
    at = end;
  }
  return table;
}
