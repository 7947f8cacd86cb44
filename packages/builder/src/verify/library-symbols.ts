/**
 * Does the symbol of a library stand where the new code takes it to stand? Looked up by the address,
 * in the file that is mapped there: the reverse of what a dynamic linker does.
 */
import { dynamicSymbols, FormatError, parseElf } from "../engine.ts";
import { type MappedRange, type MemoryReader, moduleAt } from "./process-view.ts";

/** False where the file that is mapped at the address says that another symbol stands there. */
export type IsSymbolAt = (name: string, address: number) => boolean;

const STT_GNU_IFUNC = 10;

interface Symbols {
  /** The values of each name: versions of one symbol have different ones. */
  readonly values: ReadonlyMap<string, ReadonlySet<number>>;
  /** Those whose address a function of the library chooses. */
  readonly chosen: ReadonlySet<string>;
}

/** Looks up names of one process. `readFile` gives the file behind a range. */
export function createSymbolLookup(
  ranges: readonly MappedRange[],
  memory: MemoryReader,
  readFile: (range: MappedRange) => Uint8Array,
): IsSymbolAt {
  const known = new Map<number, Symbols | undefined>();
  return (name, address) => {
    const module = moduleAt(ranges, memory, address);
    // The vdso's functions, and what else no file holds: nothing to compare with.
    if (module === undefined) return true;
    const { first, bias } = module;
    if (!known.has(first.start)) known.set(first.start, readSymbols(readFile(first)));
    const symbols = known.get(first.start);
    if (symbols === undefined || symbols.chosen.has(name)) return true;
    return symbols.values.get(name)?.has(address - bias) === true;
  };
}

function readSymbols(bytes: Uint8Array): Symbols | undefined {
  try {
    const values = new Map<string, Set<number>>();
    const chosen = new Set<string>();
    for (const { name, st_value, type } of dynamicSymbols(parseElf(bytes))) {
      if (type === STT_GNU_IFUNC) chosen.add(name);
      const own = values.get(name) ?? new Set();
      values.set(name, own.add(st_value));
    }
    return { values, chosen };
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
