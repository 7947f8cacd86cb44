/** Tries whether a function's code stands at an address. */
import {
  type ElfSymbol,
  type FunctionMatch,
  fileAddr,
  isMismatch,
  type Mismatch,
  type ObjectMatcher,
} from "./engine.ts";
import { bytesFrom } from "./image-bytes.ts";
import type { Module } from "./module-symbols.ts";

export interface PlacedFunction {
  readonly address: number;
  readonly match: FunctionMatch;
}

export interface TriedPlaces {
  readonly matches: readonly PlacedFunction[];
  readonly mismatches: readonly Mismatch[];
}

/** Compares a function with the code at each candidate; `sizeMax` bounds what is looked at. */
export function tryPlaces(
  matcher: ObjectMatcher,
  wanted: { readonly symbol: ElfSymbol; readonly candidates: readonly number[] },
  module: Module,
  sizeMax = wanted.symbol.st_size * 2 + 256,
): TriedPlaces {
  const matches: PlacedFunction[] = [];
  const mismatches: Mismatch[] = [];
  for (const address of wanted.candidates) {
    const linked = bytesFrom(module.image, address, sizeMax);
    if (linked === undefined) continue;
    const match = matcher.match({
      symbolIndex: wanted.symbol.index,
      linked,
      address: fileAddr(address),
      read: (from, size) => bytesFrom(module.image, from, size),
    });
    if (isMismatch(match)) mismatches.push(match);
    else matches.push({ address, match });
  }
  return { matches, mismatches };
}
