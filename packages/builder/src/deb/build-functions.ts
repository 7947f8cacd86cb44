/** What a linked file tells of its functions without a symbol table, for comparing two builds. */
import { createHash } from "node:crypto";
import { type CodeRanges, createCodeRanges } from "../code-ranges.ts";
import {
  type CodeInstruction,
  decodeCode,
  type ElfFile,
  type FunctionRange,
  functionRanges,
  parseRelocations,
  R_X86_64,
  SHF,
  SHT,
} from "../engine.ts";
import { bytesFrom, isInPlt } from "../image-bytes.ts";

/** One of the two files. */
export interface Side {
  readonly image: ElfFile;
  readonly imports: CodeRanges;
  readonly functions: readonly FunctionCode[];
}

export interface FunctionCode {
  readonly range: FunctionRange;
  readonly instructions: readonly CodeInstruction[];
  /** Equal for functions that are the same but for addresses outside of them. */
  readonly key: string;
}

export function readSide(image: ElfFile): Side {
  const functions = functionRanges(image).flatMap((range): readonly FunctionCode[] => {
    // The stubs of a section have one range, and are told apart by what they import.
    if (isInPlt(image, range.start)) return [];
    const found = bytesFrom(image, range.start, range.size);
    if (found === undefined) return [];
    const instructions = decodeCode(found);
    return [{ range, instructions, key: keyOf(found, instructions) }];
  });
  return { image, imports: createCodeRanges(image), functions };
}

/** A digest of the code with zeros for the addresses in it that lead elsewhere. */
function keyOf(code: Uint8Array, instructions: readonly CodeInstruction[]): string {
  const masked = Uint8Array.from(code);
  for (const instruction of instructions) {
    if (instruction.displacement !== undefined) {
      masked.fill(0, instruction.displacement, instruction.displacement + 4);
    }
    if (leaves(instruction, code.length)) masked.fill(0, instruction.end - 4, instruction.end);
  }
  return createHash("sha256").update(masked).digest("hex");
}

const leaves = ({ target }: CodeInstruction, size: number): boolean =>
  target !== undefined && (target < 0 || target >= size);

/** The function that an address lies in. */
export function functionAt({ functions }: Side, address: number): FunctionRange | undefined {
  let [low, high] = [0, functions.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((functions[middle]?.range.start ?? 0) <= address) low = middle + 1;
    else high = middle;
  }
  const range = functions[low - 1]?.range;
  return range !== undefined && address < range.start + range.size ? range : undefined;
}

/** The name of what a stub or a slot for an address of another module is for. */
export const importAt = ({ imports }: Side, address: number): string | undefined =>
  imports.importAt(address) ?? imports.importInSlot(address);

/** Whether a section is part of the process, the Build-ID's own left out. */
export const isLoaded = ({ sh_flags, name }: ElfFile["sections"][number]): boolean =>
  (sh_flags & SHF.SHF_ALLOC) !== 0 && name !== ".note.gnu.build-id";

/** The loaded section that an address lies in. */
export const sectionAt = (
  image: ElfFile,
  address: number,
): ElfFile["sections"][number] | undefined =>
  image.sections.find(
    (section) =>
      isLoaded(section) &&
      (section.sh_flags & SHF.SHF_TLS) === 0 &&
      address >= section.sh_addr &&
      address < section.sh_addr + section.sh_size,
  );

/** Pointers that the dynamic linker fills in with addresses of the same module. */
export const relativeRelocations = (image: ElfFile) =>
  image.sections
    .filter((section) => section.sh_type === SHT.SHT_RELA && isLoaded(section))
    .flatMap((section) => parseRelocations(image, section))
    .filter(({ type }) => type === R_X86_64.R_X86_64_RELATIVE)
    .map(({ r_offset, r_addend }) => ({ r_offset, addend: r_addend }))
    .sort((x, y) => x.r_offset - y.r_offset);
