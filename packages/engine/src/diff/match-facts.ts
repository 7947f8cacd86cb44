/** What the files of run-pre matching share: facts, steps of the walk, and small readings. */
import type { FileAddr } from "../bytes/address.ts";
import type { ElfFile } from "../elf/file.ts";
import type { Relocation } from "../elf/relocation.ts";
import type { ElfSymbol } from "../elf/symbol.ts";
import type { CodeInstruction } from "./code.ts";
import type { BranchPair } from "./match-labels.ts";

/**
 * One reference of the function as the linker resolved it.
 *
 * - `address`: symbol + addend is at `value`.
 * - `call`: a branch to symbol + addend goes to `value`: the function itself or its PLT entry.
 * - `got-slot`: the code reads the address of the symbol from the GOT slot at `value`.
 * - `tls`: symbol + addend is at `value` from the thread pointer (negative; Local Exec).
 * - `tls-got-slot`: the slot at `value` holds that offset (Initial Exec).
 * - `tls-index-slot`: the two slots at `value` hold module and offset (General, Local Dynamic).
 * - `tls-module-offset`: symbol + addend is at `value` in its module's TLS block.
 */
export interface MatchFact {
  readonly symbolIndex: number;
  /** Offset from the symbol, the distance to the end of the instruction already taken out. */
  readonly addend: number;
  readonly kind: FactKind;
  readonly value: number;
}

export type FactKind =
  | "address"
  | "call"
  | "got-slot"
  | "tls"
  | "tls-got-slot"
  | "tls-index-slot"
  | "tls-module-offset";

/** Bytes of the module by address, or undefined where it has none. */
export type ReadImage = (address: FileAddr, size: number) => Uint8Array | undefined;

/** An object and its tables. */
export interface MatchContext {
  readonly object: ElfFile;
  readonly symbols: readonly ElfSymbol[];
  readonly relocationsOfSection: (sectionIndex: number) => readonly Relocation[];
}

/** One side of the walk: a function of the object. */
export interface ObjectFunction {
  readonly symbol: ElfSymbol;
  readonly bytes: Uint8Array;
  readonly instructions: readonly CodeInstruction[];
  /** In the order of their offsets, which count from the function's start. */
  readonly relocations: readonly Relocation[];
}

export interface Step {
  /** How many instructions of each side the step consumes. */
  readonly objectCount: number;
  readonly linkedCount: number;
  readonly facts: readonly MatchFact[];
  /** Two targets inside the function that must turn out to correspond. */
  readonly branch?: BranchPair;
}

export interface StepRequest {
  readonly pre: ObjectFunction;
  readonly own: CodeInstruction;
  /** Index of `own`. */
  readonly i: number;
  readonly run: readonly CodeInstruction[];
  readonly other: CodeInstruction;
  readonly linked: Uint8Array;
  readonly address: FileAddr;
  /** Facts found so far. */
  readonly facts: readonly MatchFact[];
  readonly context: MatchContext;
}

export interface Different {
  readonly mismatch: string;
}

/** The fact of a PC-relative field: the distance to the instruction's end goes into the addend. */
export function fact(
  { symbolIndex, r_addend, r_offset }: Relocation,
  own: CodeInstruction,
  kind: FactKind,
  value: number,
): MatchFact {
  return { symbolIndex, addend: r_addend + own.end - r_offset, kind, value };
}

/** The register in a ModRM byte's `reg` field, with REX.R. */
export const registerOfField = (bytes: Uint8Array, opcode: number): number =>
  (((bytes[opcode + 1] ?? 0) >> 3) & 7) | (((bytes[opcode - 1] ?? 0) & 0xf4) === 0x44 ? 8 : 0);

/** The register in a ModRM byte's `rm` field, with REX.B. */
export const registerOfOperand = (bytes: Uint8Array, opcode: number): number =>
  ((bytes[opcode + 1] ?? 0) & 7) | (((bytes[opcode - 1] ?? 0) & 0xf1) === 0x41 ? 8 : 0);
