/**
 * What the engine must know of a hotpatch besides its code: the section `.suture.patch`.
 *
 * JSON, UTF-8, one object. It is written by the builder and read again, field by field, by
 * whoever applies: a hotpatch file is input like any other and may be hostile. docs/patch-format.md
 * describes the whole file. Numbers that are addresses are strings of lower-case hexadecimal.
 */
import type { FileAddr } from "../bytes/address.ts";

/** The section of a hotpatch file that holds the patch description. */
export const PATCH_SECTION = ".suture.patch";

export interface PatchDescription {
  readonly format: 1;
  /** Names the hotpatch in the process, in messages and in /proc/PID/maps. */
  readonly id: string;
  /** Later hotpatches of one baseline have higher numbers and replace the earlier ones. */
  readonly sequence: number;
  readonly target: PatchTarget;
  readonly functions: readonly ReplacedFunction[];
  readonly references: readonly SymbolReference[];
  /** Functions of the hotpatch that run when it is applied or reverted, in their order. */
  readonly callbacks?: readonly Callback[];
}

/** When a callback runs: docs/writing-hotpatches.md. */
export const CALLBACK_TIMES = ["pre-apply", "post-apply", "pre-revert", "post-revert"] as const;
export type CallbackTime = (typeof CALLBACK_TIMES)[number];

export interface Callback {
  readonly when: CallbackTime;
  /** The defined symbol of the hotpatch object. */
  readonly symbol: string;
  /** The translation unit. Its post-revert callbacks run after its pre-apply callbacks only. */
  readonly unit: string;
}

/** The one program or shared library that the hotpatch fits. */
export interface PatchTarget {
  /** Lower-case hexadecimal of the NT_GNU_BUILD_ID note. */
  readonly buildId: string;
  /** The file's name, for messages: `redis-server`, `libpng16.so.16`. */
  readonly name: string;
}

/** A function of the running module whose entry is redirected. */
export interface ReplacedFunction {
  readonly name: string;
  /** Where the original stands in the module. */
  readonly address: FileAddr;
  /** Bytes of the original, without the padding behind it. */
  readonly size: number;
  /** SHA-256 over the original's bytes, lower-case hexadecimal. */
  readonly sha256: string;
  /** The defined symbol of the hotpatch object that holds the new code. */
  readonly replacement: string;
  /**
   * Further ranges of the original that lie elsewhere (`NAME.cold`): they are part of the
   * function when stacks are checked.
   */
  readonly parts: readonly FunctionPart[];
}

export interface FunctionPart {
  readonly address: FileAddr;
  readonly size: number;
  readonly sha256: string;
}

/**
 * How an undefined symbol of the hotpatch object is found in the process.
 *
 * - `module`: at a fixed address of the target module (static functions and variables, and
 *   whatever the module defines and nothing can interpose).
 * - `dynamic`: by name, and version where there is one, in the dynamic linker's order.
 * - `module-tls`: a thread-local variable of the target module, at this offset in its TLS segment.
 */
export type SymbolReference =
  | { readonly symbol: string; readonly kind: "module"; readonly address: FileAddr }
  | {
      readonly symbol: string;
      readonly kind: "dynamic";
      readonly name: string;
      readonly version?: string;
    }
  | { readonly symbol: string; readonly kind: "module-tls"; readonly offset: number };
