/**
 * What differs between two objects of one translation unit, function by function.
 *
 * This file is the list of passes; each pass is a file of its own and opens with what it must
 * get right. Input are two relocatable objects that the same compiler made with
 * -ffunction-sections -fdata-sections from the source before and after a fix. The second list of
 * a hotpatch's passes, which turns diffs into one object, is in write.ts.
 */
import type { ElfFile } from "../elf/file.ts";
import type { ObjectModel } from "./object-model.ts";

/**
 * Compares two objects of one translation unit.
 *
 * Never throws for what it cannot patch: that is in `refusals`, and an ObjectDiff with refusals
 * must not be built into a hotpatch. Throws FormatError for bytes that are no object.
 */
export function diffObjects(before: ElfFile, after: ElfFile): ObjectDiff {
  void before;
  void after;
  throw new Error("not yet");
}

export interface ObjectDiff {
  /** Functions of both objects whose new code must run instead of the old. */
  readonly changed: readonly ChangedFunction[];
  /** Functions that only the object after has; they come along where included code needs them. */
  readonly added: readonly string[];
  /** Functions that only the object before has. */
  readonly vanished: readonly string[];
  /** Static and global variables that only the object after has and included code uses. */
  readonly newVariables: readonly string[];
  /** Why this unit cannot be patched live; empty when it can. */
  readonly refusals: readonly DiffRefusal[];
  /**
   * Functions that stay, and call a changed function with knowledge of its inside (the registers
   * it leaves alone, the stack alignment it needs). Their code after the fix is their code
   * before it, which proves that they may call the new function; it remains to be shown with
   * matchFunction that the running module has this very code. Names of the object before.
   */
  readonly callersToMatch: readonly string[];
  /** What the passes found, for writeHotpatch. */
  readonly findings: DiffFindings;
}

export interface ChangedFunction {
  /** The name in the object before, which is the name in the running module. */
  readonly name: string;
  /** The name in the object after: a clone may have another number there. */
  readonly afterName: string;
  readonly binding: "local" | "global";
  readonly beforeSymbolIndex: number;
  readonly afterSymbolIndex: number;
  /** The split-off parts of the function before (`NAME.cold`). */
  readonly parts: readonly { readonly name: string; readonly symbolIndex: number }[];
  /** gcc put it among the functions that run once at start: a fix of it comes too late. */
  readonly onlyAtStart: boolean;
}

export interface DiffRefusal {
  readonly code: DiffRefusalCode;
  /** The function, variable or section that stands in the way. */
  readonly name: string;
  readonly detail: string;
}

/** Every reason for which a unit is refused. */
export const DIFF_REFUSALS = {
  "changed-data": "the initial value of an existing variable changes",
  "changed-data-size": "the size of an existing variable changes",
  "tls-variable": "a thread-local variable is new or changes",
  "function-never-returns": "a changed function is always on a stack",
  "vanished-function": "a function is gone that remaining code refers to",
  "register-use": "a caller relies on registers that the new function uses",
  "unclear-variable": "a static variable of a function cannot be told from its namesakes",
  constructor: "the functions that run at start or exit of the program change",
  assembly: "code outside of function sections changes",
  lto: "the object holds intermediate code for link-time optimisation",
  "symbol-kind": "a name stands for a function before and for data after, or the reverse",
} as const;
export type DiffRefusalCode = keyof typeof DIFF_REFUSALS;

/** Opaque to callers: what writeHotpatch needs of a diff. */
export interface DiffFindings {
  readonly before: ObjectModel;
  readonly after: ObjectModel;
  /** For functions and variables of the object after that stay: their twins before. */
  readonly twinBefore: ReadonlyMap<number, number>;
  /** Entities of the object after that go into the hotpatch, by index in its model. */
  readonly included: ReadonlySet<number>;
}
