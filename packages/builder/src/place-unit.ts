/**
 * Finds a translation unit in the linked program: run-pre matching of all its functions.
 *
 * The unit's object was compiled again, so its functions are known as code with holes where
 * addresses go. Global functions are found by name and compared with the code that stands there.
 * What fits fills the holes: a matched call tells where a static function is, a matched load
 * where a static variable is, although three other files have one of the same name. So matching
 * goes on with the places learnt, until nothing new is found:
 *
 *     object                      linked at 0x5f20                 learnt
 *     call helper   (.text.helper)   call 0x5e00                      helper is at 0x5e00
 *     mov  count(%rip) (.bss.count)  mov 0x1c3a0(%rip)                count is at 0x1c3a0
 *
 * In a stripped module, functions without a known place are searched by their code.
 */
import { basename } from "node:path";
import {
  createMatcher,
  type ElfFile,
  type ElfSymbol,
  type Mismatch,
  SHN,
  STB,
  STT,
  symbolTable,
} from "./engine.ts";
import { createLearntPlaces, type LearntPlaces } from "./learnt-places.ts";
import { doubtShareMin, foundShareMin } from "./limits.ts";
import type { Module } from "./module-symbols.ts";
import { createCodeSearch } from "./search-code.ts";
import { type PlacedFunction, tryPlaces } from "./try-places.ts";

export interface PlacedUnit {
  readonly symbols: readonly ElfSymbol[];
  /** Functions whose linked code is that of the object, by symbol index. */
  readonly functions: ReadonlyMap<number, PlacedFunction>;
  /** Why a function that the module has by name does not match, by symbol index. */
  readonly mismatches: ReadonlyMap<number, Mismatch>;
  /** In how many places a function may be that was searched by its code, by symbol index. */
  readonly possible: ReadonlyMap<number, number>;
  /** Functions that were looked for; those whose name the module does not have are among them. */
  readonly tried: number;
  /** Some code of a stripped module is the unit's, but not enough to take it for the unit. */
  readonly isDoubtful: boolean;
  /** The address that matched code gives a symbol; undefined where none or several are given. */
  readonly addressOf: (symbolIndex: number) => number | undefined;
  /** The STT_FILE groups that the matched static functions belong to. */
  readonly groups: ReadonlySet<number>;
}

/** Places the unit of a source file. `object` is its object from before the fix. */
export function placeUnit(object: ElfFile, source: string, module: Module): PlacedUnit {
  const symbols = symbolTable(object);
  const matcher = createMatcher(object);
  const learnt = createLearntPlaces(object, symbols, module);
  const { code } = module;
  const search = code && createCodeSearch(object, matcher, { ...module, code });
  const functions = new Map<number, PlacedFunction>();
  const mismatches = new Map<number, Mismatch>();
  const possible = new Map<number, number>();
  const groups = new Set<number>();
  const wanted = symbols.filter((symbol) => isFunction(symbol));
  const findPlace = (symbol: ElfSymbol): PlacedFunction | undefined => {
    const candidates = candidatesOf(symbol, { module, source, learnt });
    if (candidates.length === 0 && search !== undefined) {
      const found = search.find(symbol, { learnt, placed: functions, pending });
      if ("match" in found) return found;
      possible.set(symbol.index, found.count);
      return undefined;
    }
    const found = tryPlaces(matcher, { symbol, candidates }, module);
    for (const mismatch of found.mismatches) mismatches.set(symbol.index, mismatch);
    return found.matches.length === 1 ? found.matches[0] : undefined;
  };
  // Large functions are the surest: they come first, and small ones are told apart by them.
  let pending = search === undefined ? wanted : wanted.toSorted((a, b) => b.st_size - a.st_size);
  for (let progress = true; progress; ) {
    progress = false;
    for (const symbol of pending) {
      const only = findPlace(symbol);
      if (only === undefined) continue;
      functions.set(symbol.index, only);
      mismatches.delete(symbol.index);
      learnt.learn(symbol, only);
      for (const group of groupsAt(module, symbol.name, only.address)) groups.add(group);
      pending = pending.filter((other) => other !== symbol);
      progress = true;
    }
  }
  let isDoubtful = false;
  if (search !== undefined && functions.size < wanted.length * foundShareMin) {
    isDoubtful = functions.size >= wanted.length * doubtShareMin;
    // Programs of one tree share code: what was found is another unit's copy of it.
    for (const index of functions.keys()) possible.set(index, 1);
    functions.clear();
  }
  const { addressOf } = learnt;
  return {
    symbols,
    functions,
    mismatches,
    possible,
    tried: wanted.length,
    isDoubtful,
    addressOf,
    groups,
  };
}

const isFunction = (symbol: ElfSymbol): boolean =>
  symbol.type === STT.STT_FUNC &&
  symbol.st_shndx !== SHN.SHN_UNDEF &&
  symbol.st_size > 0 &&
  !/\.cold(\.\d+)?$/.test(symbol.name);

function candidatesOf(
  symbol: ElfSymbol,
  place: { readonly module: Module; readonly source: string; readonly learnt: LearntPlaces },
): readonly number[] {
  const known = place.learnt.addressOf(symbol.index);
  if (known !== undefined) return [known];
  const { globals, locals } = place.module.symbols;
  if (symbol.binding !== STB.STB_LOCAL) {
    const found = globals.get(symbol.name);
    return found === undefined ? [] : [found.st_value];
  }
  if (!place.module.symbols.complete) return [];
  const file = basename(place.source);
  const list = (locals.get(symbol.name) ?? []).filter((local) => local.file === file);
  return [...new Set(list.map((local) => local.symbol.st_value))];
}

function groupsAt(module: Module, name: string, address: number): readonly number[] {
  const list = module.symbols.locals.get(name) ?? [];
  return list.filter(({ symbol }) => symbol.st_value === address).map(({ group }) => group);
}
