/** Run-pre matching: does linked code come from this function of an object? */
import type { FileAddr } from "../bytes/address.ts";
import type { ElfFile } from "../elf/file.ts";

export interface MatchRequest {
  readonly object: ElfFile;
  /** Index of the function's symbol in the object's symbol table. */
  readonly symbolIndex: number;
  /** Bytes of the module from `address` on; may reach beyond the function. */
  readonly linked: Uint8Array;
  readonly address: FileAddr;
  /** Reads the module's file image: with it, strings, constants and jump tables are compared too. */
  readonly read?: (address: FileAddr, size: number) => Uint8Array | undefined;
}

export interface FunctionMatch {
  /** Bytes of the linked function, without the padding behind it. */
  readonly size: number;
  /** What the linked code says about the object's symbols. */
  readonly facts: readonly MatchFact[];
  /** Where other parts of the same function stand (`NAME.cold`), by symbol index: jump targets. */
  readonly parts: ReadonlyMap<number, FileAddr>;
}

/**
 * One reference of the function as the linker resolved it.
 *
 * - `address`: symbol + addend is at `value`.
 * - `call`: a branch to symbol + addend goes to `value`: the function itself or its PLT entry.
 * - `got-slot`: the code reads the address of the symbol from the GOT slot at `value`.
 * - `tls`: `value` is the symbol's offset from the thread pointer (negative; Local Exec).
 */
export interface MatchFact {
  readonly symbolIndex: number;
  /** Offset from the symbol, the distance to the end of the instruction already taken out. */
  readonly addend: number;
  readonly kind: "address" | "call" | "got-slot" | "tls-got-slot" | "tls";
  readonly value: number;
}

export interface Mismatch {
  readonly mismatch: string;
  /** Where in the object's function, in bytes from its start. */
  readonly objectOffset: number;
  readonly address: FileAddr;
}

export const isMismatch = (result: FunctionMatch | Mismatch): result is Mismatch =>
  "mismatch" in result;

/**
 * Compares one function of an object with linked code at an address, instruction by instruction.
 *
 * Gives what the code reveals about the symbols it refers to, or where the two part.
 */
export function matchFunction(request: MatchRequest): FunctionMatch | Mismatch {
  void request;
  throw new Error("not yet");
}
