import type { ElfSymbol } from "../elf/symbol.ts";
import type { DynamicTable } from "./dynamic-symbols.ts";
import type { LoadedModule, ReadMemory } from "./loaded-module.ts";

/** What it takes to read, from slots that the dynamic linker has filled, what they are about. */
export interface SlotSearch {
  readonly modules: readonly LoadedModule[];
  readonly readMemory: ReadMemory;
  readonly tableOf: (module: LoadedModule) => DynamicTable;
  /** The definition that a reference of this module binds to. */
  readonly binds: (
    module: LoadedModule,
    symbol: ElfSymbol & { readonly version?: string },
  ) => { readonly module: LoadedModule; readonly symbol: ElfSymbol } | undefined;
}
