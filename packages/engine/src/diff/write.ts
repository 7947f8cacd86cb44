/** Makes one relocatable object from the diffs of several translation units. */
import type { ElfFile } from "../elf/file.ts";
import type { RelocatableObject } from "../elf/write.ts";
import type { ObjectDiff } from "./diff.ts";

export interface HotpatchUnit {
  /** Unique name of the translation unit, as in `src/rdb.c`. */
  readonly name: string;
  readonly before: ElfFile;
  readonly after: ElfFile;
  readonly diff: ObjectDiff;
}

export interface HotpatchObject {
  readonly object: RelocatableObject;
  readonly functions: readonly HotpatchFunction[];
  /** Undefined symbols of the object: what the builder must find in the running module. */
  readonly external: readonly ExternalSymbol[];
}

/** A changed function and the symbol of the object that replaces it. */
export interface HotpatchFunction {
  readonly unit: string;
  /** Name in the object before. */
  readonly name: string;
  readonly replacement: string;
  readonly beforeSymbolIndex: number;
  readonly binding: "local" | "global";
  readonly parts: readonly { readonly name: string; readonly symbolIndex: number }[];
}

export interface ExternalSymbol {
  /** Name in the hotpatch object: the plain name for globals, `NAME@UNIT` for locals. */
  readonly symbol: string;
  readonly unit: string;
  /** Name in the object before, or the undefined name where only the object after mentions it. */
  readonly beforeName: string;
  /** Index in the symbol table of the object before, where it mentions the symbol. */
  readonly beforeSymbolIndex?: number;
  /** Its section in the object before (section symbols stand for it in relocations). */
  readonly beforeSection?: number;
  readonly binding: "local" | "global";
  /** True when the unit itself defines the symbol. */
  readonly definedInUnit: boolean;
  readonly type: "function" | "object" | "tls" | "unknown";
}

/**
 * Makes one relocatable object that holds the changed and new functions of all units.
 *
 * The diffs must be without refusals.
 */
export function writeHotpatch(units: readonly HotpatchUnit[]): HotpatchObject {
  void units;
  throw new Error("not yet");
}
