import type { LoadBias, VirtualAddr } from "../bytes/address.ts";
import type { ElfFile } from "../elf/file.ts";
import type { Mapping } from "../process/maps.ts";

export type { Mapping };

/** A program, shared library or vdso as it is loaded in one process. */
export interface LoadedModule {
  readonly path: string;
  /** The last part of the path. */
  readonly name: string;
  readonly elf: ElfFile;
  readonly bias: LoadBias;
  readonly buildId?: string;
  readonly start: VirtualAddr;
  readonly end: VirtualAddr;
  readonly mappings: readonly Mapping[];
}

/** `size` bytes of the process, or undefined where not all of them can be read. */
export type ReadMemory = (address: VirtualAddr, size: number) => Uint8Array | undefined;
