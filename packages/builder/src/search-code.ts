/**
 * Finds functions without names: by their code, among all ranges that unwind information lists.
 *
 * Many functions look alike: getters, wrappers, one static function that a header gives to ten
 * units. A function found in the wrong place would be a hotpatch that breaks another. So a place
 * counts only when it is the only one, and then:
 *
 * - it agrees with all that is known: imported functions by name, exported ones by address, and
 *   what the functions placed so far have told;
 * - no other function of the unit that is still without a place could stand there;
 * - a small function needs such a known thing in its code; without one, the only place may be
 *   somebody else's, where the linker threw the function itself away (--gc-sections).
 *
 * Trying each function everywhere is slow, so ranges of another size are left out. Sizes are
 * those of the object but where a branch to another function became short (3 or 4 bytes less)
 * and the fillers behind it moved.
 */
import type { CodeRanges } from "./code-ranges.ts";
import {
  type ElfFile,
  type ElfSymbol,
  type ObjectMatcher,
  relocationsOf,
  sectionBytes,
} from "./engine.ts";
import type { LearntPlaces } from "./learnt-places.ts";
import { aloneSizeMin, branchShrinkMax, sizeSlack } from "./limits.ts";
import type { Module } from "./module-symbols.ts";
import { type PlacedFunction, tryPlaces } from "./try-places.ts";

export interface CodeSearch {
  /** The only place that a function can have, or how many there are. */
  readonly find: (symbol: ElfSymbol, state: SearchState) => PlacedFunction | { count: number };
}

export interface SearchState {
  readonly learnt: LearntPlaces;
  readonly placed: ReadonlyMap<number, PlacedFunction>;
  /** Functions of the unit that are without a place. */
  readonly pending: readonly ElfSymbol[];
}

/** Searches the code of a module for the functions of one object. */
export function createCodeSearch(
  object: ElfFile,
  matcher: ObjectMatcher,
  module: Module & { readonly code: CodeRanges },
): CodeSearch {
  const known = new Map<number, readonly PlacedFunction[]>();
  const matchesOf = (symbol: ElfSymbol): readonly PlacedFunction[] => {
    const found = known.get(symbol.index) ?? searchAll(symbol);
    known.set(symbol.index, found);
    return found;
  };
  const searchAll = (symbol: ElfSymbol): readonly PlacedFunction[] => {
    const slack = sizeSlack + branchShrinkMax * branchesOut(object, symbol);
    const ranges = module.code.ofSize(symbol.st_size - slack, symbol.st_size + slack);
    return ranges.flatMap(({ start, size }) => {
      const { matches } = tryPlaces(matcher, { symbol, candidates: [start] }, module, size);
      return matches.filter(({ match }) => match.size === size);
    });
  };
  return {
    find: (symbol, { learnt, placed, pending }) => {
      const takenBy = (place: PlacedFunction, other: ElfSymbol): boolean =>
        !isAlias(symbol, other) &&
        matchesOf(other).some(({ address }) => address === place.address);
      const taken = new Set([...placed.values()].map(({ address }) => address));
      const possible = matchesOf(symbol)
        .filter(({ address }) => !taken.has(address))
        .map((place) => ({ place, verdict: learnt.judge(place.match.facts) }))
        .filter(({ verdict }) => verdict !== "contradicted");
      const [only] = possible;
      if (only === undefined || possible.length > 1) return { count: possible.length };
      const isSure = symbol.st_size >= aloneSizeMin || only.verdict === "confirmed";
      const isOwn = isSure && !pending.some((other) => takenBy(only.place, other));
      return isOwn ? only.place : { count: 1 };
    },
  };
}

/** Two names of one function. */
const isAlias = (a: ElfSymbol, b: ElfSymbol): boolean =>
  a.st_shndx === b.st_shndx && a.st_value === b.st_value;

/** Jumps of a function to other sections: `jmp`, `jcc` with a relocation (Intel SDM 2A). */
function branchesOut(object: ElfFile, symbol: ElfSymbol): number {
  const section = object.sections[symbol.st_shndx];
  if (section === undefined) return 0;
  const code = sectionBytes(object, section);
  return relocationsOf(object, section).filter(({ r_offset }) => {
    const isInside = r_offset >= symbol.st_value && r_offset < symbol.st_value + symbol.st_size;
    const [prefix = 0, opcode = 0] = [code[r_offset - 2], code[r_offset - 1]];
    const isConditional = prefix === 0x0f && (opcode & 0xf0) === 0x80;
    return isInside && (opcode === 0xe9 || isConditional);
  }).length;
}
