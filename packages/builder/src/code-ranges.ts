/**
 * What a module says of its code without a symbol table.
 *
 * Unwind information lists the ranges of functions (strip keeps it: exceptions and backtraces need
 * it), and dynamic relocations name what the module takes from others.
 */
import {
  dynamicSymbols,
  type ElfFile,
  type FunctionRange,
  functionRanges,
  parseRelocations,
  R_X86_64,
  SHF,
  SHT,
} from "./engine.ts";
import { bytesFrom } from "./image-bytes.ts";

export interface CodeRanges {
  /** Functions and parts of such with a size from `least` to `most`. */
  readonly ofSize: (least: number, most: number) => readonly FunctionRange[];
  /** The name that the stub at an address leads to. */
  readonly importAt: (stub: number) => string | undefined;
  /** The name whose address the dynamic linker puts into a slot. */
  readonly importInSlot: (slot: number) => string | undefined;
}

/** Reads the ranges and imports of a linked file that has section headers. */
export function createCodeRanges(image: ElfFile): CodeRanges {
  const bySize = functionRanges(image).sort((a, b) => a.size - b.size || a.start - b.start);
  const slots = readSlots(image);
  const firstFrom = (size: number): number => {
    let [low, high] = [0, bySize.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((bySize[middle]?.size ?? 0) < size) low = middle + 1;
      else high = middle;
    }
    return low;
  };
  return {
    ofSize: (least, most) => bySize.slice(firstFrom(least), firstFrom(most + 1)),
    importAt: (stub) => {
      const slot = slotOfStub(bytesFrom(image, stub, 16), stub);
      return slot === undefined ? undefined : slots.get(slot);
    },
    importInSlot: (slot) => slots.get(slot),
  };
}

/** `[endbr64] [bnd] jmp *slot(%rip)` (psABI 5.2 "Procedure Linkage Table"). */
function slotOfStub(bytes: Uint8Array | undefined, address: number): number | undefined {
  if (bytes === undefined) return undefined;
  const endbr = [0xf3, 0x0f, 0x1e, 0xfa].every((byte, index) => bytes[index] === byte);
  let at = endbr ? 4 : 0;
  if (bytes[at] === 0xf2) at += 1;
  if (bytes[at] !== 0xff || bytes[at + 1] !== 0x25 || at + 6 > bytes.length) return undefined;
  const field = new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 2, true);
  return address + at + 6 + field;
}

function readSlots(image: ElfFile): ReadonlyMap<number, string> {
  const slots = new Map<number, string>();
  const symbols = new Map(dynamicSymbols(image).map((symbol) => [symbol.index, symbol.name]));
  for (const section of image.sections) {
    if (section.sh_type !== SHT.SHT_RELA || (section.sh_flags & SHF.SHF_ALLOC) === 0) continue;
    for (const { type, r_offset, symbolIndex } of parseRelocations(image, section)) {
      if (type !== R_X86_64.R_X86_64_JUMP_SLOT && type !== R_X86_64.R_X86_64_GLOB_DAT) continue;
      const name = symbols.get(symbolIndex);
      if (name !== undefined && name !== "") slots.set(r_offset, name);
    }
  }
  return slots;
}
