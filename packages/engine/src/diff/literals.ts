/** Strings and constants in mergeable sections: places that mean their content. */
import assert from "node:assert/strict";
import { SHF, STT } from "../elf/constants.ts";
import { hasFlag, type Section } from "../elf/file.ts";
import { decodeCode } from "./code.ts";
import { isPcRelative } from "./fields.ts";
import { type Entity, entityBytes, type ObjectModel, type Reference } from "./object-model.ts";

export interface Literal {
  /** Where the literal begins in its section. */
  readonly start: number;
  /** From its first byte to its last, the terminating zero of a string included. */
  readonly bytes: Uint8Array;
  /** What the reference adds to the literal's address, the PC-relative distance still in it. */
  readonly addend: number;
}

/**
 * The literal that a reference of `from` means.
 *
 * A reference by a local symbol (`.LC3`) names the literal's first byte. One by the section
 * symbol names it by offset; in code the PC-relative distance has to be taken out first.
 */
export function literalOf(
  model: ObjectModel,
  {
    from,
    reference,
    target,
  }: { readonly from: Entity; readonly reference: Reference; readonly target: Entity },
): Literal {
  const symbol = model.symbols[reference.symbolIndex];
  const bySection = symbol === undefined || symbol.type === STT.STT_SECTION;
  const place = bySection
    ? reference.addend + (isPcRelative(reference.type) ? distanceToEnd(model, from, reference) : 0)
    : symbol.st_value;
  assert(target.section !== undefined, "literals have a section");
  const literal = literalAt(target.section, entityBytes(model, target), place);
  return { ...literal, addend: reference.addend - literal.start };
}

/**
 * The string that begins at a place, or the constant around it: gcc lets an 8-byte constant stand
 * for the half of a 16-byte one.
 */
export function literalAt(
  { sh_flags, sh_entsize }: Section,
  bytes: Uint8Array,
  place: number,
): { readonly start: number; readonly bytes: Uint8Array } {
  const unit = Math.max(1, sh_entsize);
  if (!hasFlag(sh_flags, SHF.SHF_STRINGS)) {
    const start = place - (place % unit);
    return { start, bytes: bytes.subarray(start, start + unit) };
  }
  let end = place + unit;
  while (end < bytes.length && bytes.subarray(end - unit, end).some((byte) => byte !== 0)) {
    end += unit;
  }
  return { start: place, bytes: bytes.subarray(place, end) };
}

/** From a relocated field to the end of its instruction: 4, and more before an immediate. */
export function distanceToEnd(model: ObjectModel, from: Entity, { offset }: Reference): number {
  if (from.kind !== "function") return 0;
  const found = decodeCode(entityBytes(model, from)).find(
    (instruction) => instruction.offset <= offset && offset < instruction.end,
  );
  return found === undefined ? 4 : found.end - offset;
}
