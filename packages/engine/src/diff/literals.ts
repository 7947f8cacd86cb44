/** Strings and constants in mergeable sections: places that mean their content. */
import { SHF, STT } from "../elf/constants.ts";
import { hasFlag } from "../elf/file.ts";
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
  const start = bySection
    ? reference.addend + (isPcRelative(reference.type) ? distanceToEnd(model, from, reference) : 0)
    : symbol.st_value;
  const bytes = entityBytes(model, target);
  const end = Math.min(bytes.length, literalEnd(target, bytes, start));
  return { start, bytes: bytes.subarray(start, end), addend: reference.addend - start };
}

function literalEnd({ section }: Entity, bytes: Uint8Array, start: number): number {
  const unit = Math.max(1, section?.sh_entsize ?? 1);
  if (section === undefined || !hasFlag(section.sh_flags, SHF.SHF_STRINGS)) return start + unit;
  for (let at = start; at + unit <= bytes.length; at += unit) {
    if (bytes.subarray(at, at + unit).every((byte) => byte === 0)) return at + unit;
  }
  return bytes.length;
}

/** From a relocated field to the end of its instruction: 4, and more before an immediate. */
export function distanceToEnd(model: ObjectModel, from: Entity, { offset }: Reference): number {
  if (from.kind !== "function") return 0;
  const found = decodeCode(entityBytes(model, from)).find(
    (instruction) => instruction.offset <= offset && offset < instruction.end,
  );
  return found === undefined ? 4 : found.end - offset;
}
