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
 * Addresses are kept by section, for with -ffunction-sections -fdata-sections a section is one
 * thing; an undefined symbol has an address of its own. What two functions say differently is
 * forgotten for good (strings that the linker merged, for example).
 */
import { basename } from "node:path";
import {
  createMatcher,
  type ElfFile,
  type ElfSymbol,
  type FunctionMatch,
  fileAddr,
  isMismatch,
  type MatchFact,
  type Mismatch,
  type ObjectMatcher,
  SHF,
  SHN,
  STB,
  STT,
  symbolTable,
} from "./engine.ts";
import { bytesFrom, isInPlt, type Module } from "./module-symbols.ts";

export interface PlacedFunction {
  readonly address: number;
  readonly match: FunctionMatch;
}

export interface PlacedUnit {
  readonly symbols: readonly ElfSymbol[];
  /** Functions whose linked code is that of the object, by symbol index. */
  readonly functions: ReadonlyMap<number, PlacedFunction>;
  /** Why a function that the module has by name does not match, by symbol index. */
  readonly mismatches: ReadonlyMap<number, Mismatch>;
  /** Functions that were looked for; those whose name the module does not have are among them. */
  readonly tried: number;
  /** The address that matched code gives a symbol; undefined where none or several are given. */
  readonly addressOf: (symbolIndex: number) => number | undefined;
  /** The STT_FILE groups that the matched static functions belong to. */
  readonly groups: ReadonlySet<number>;
}

/** Places the unit of a source file. `object` is its object from before the fix. */
export function placeUnit(object: ElfFile, source: string, module: Module): PlacedUnit {
  const symbols = symbolTable(object);
  const matcher = createMatcher(object);
  const learnt = createLearnt(object, symbols, module);
  const functions = new Map<number, PlacedFunction>();
  const mismatches = new Map<number, Mismatch>();
  const groups = new Set<number>();
  const wanted = symbols.filter((symbol) => isFunction(symbol));
  let pending = wanted;
  for (let progress = true; progress; ) {
    progress = false;
    const later: ElfSymbol[] = [];
    for (const symbol of pending) {
      const candidates = candidatesOf(symbol, { module, source, learnt });
      const found = tryCandidates(matcher, { symbol, candidates }, module);
      for (const mismatch of found.mismatches) mismatches.set(symbol.index, mismatch);
      const only = found.matches.length === 1 ? found.matches[0] : undefined;
      if (only === undefined) {
        later.push(symbol);
        continue;
      }
      functions.set(symbol.index, only);
      mismatches.delete(symbol.index);
      learnt.learn(symbol, only);
      for (const group of groupsAt(module, symbol.name, only.address)) groups.add(group);
      progress = true;
    }
    pending = later;
  }
  const { addressOf } = learnt;
  return { symbols, functions, mismatches, tried: wanted.length, addressOf, groups };
}

const isFunction = (symbol: ElfSymbol): boolean =>
  symbol.type === STT.STT_FUNC &&
  symbol.st_shndx !== SHN.SHN_UNDEF &&
  symbol.st_size > 0 &&
  !/\.cold(\.\d+)?$/.test(symbol.name);

function candidatesOf(
  symbol: ElfSymbol,
  place: { readonly module: Module; readonly source: string; readonly learnt: Learnt },
): readonly number[] {
  const known = place.learnt.addressOf(symbol.index);
  if (known !== undefined) return [known];
  const { globals, locals } = place.module.symbols;
  if (symbol.binding !== STB.STB_LOCAL) {
    const found = globals.get(symbol.name);
    return found === undefined ? [] : [found.st_value];
  }
  const file = basename(place.source);
  const list = (locals.get(symbol.name) ?? []).filter((local) => local.file === file);
  return [...new Set(list.map((local) => local.symbol.st_value))];
}

function tryCandidates(
  matcher: ObjectMatcher,
  wanted: { readonly symbol: ElfSymbol; readonly candidates: readonly number[] },
  module: Module,
): { readonly matches: readonly PlacedFunction[]; readonly mismatches: readonly Mismatch[] } {
  const matches: PlacedFunction[] = [];
  const mismatches: Mismatch[] = [];
  for (const address of wanted.candidates) {
    const linked = bytesFrom(module.image, address, wanted.symbol.st_size * 2 + 256);
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

function groupsAt(module: Module, name: string, address: number): readonly number[] {
  const list = module.symbols.locals.get(name) ?? [];
  return list.filter(({ symbol }) => symbol.st_value === address).map(({ group }) => group);
}

interface Learnt {
  readonly learn: (symbol: ElfSymbol, placed: PlacedFunction) => void;
  readonly addressOf: (symbolIndex: number) => number | undefined;
}

function createLearnt(object: ElfFile, symbols: readonly ElfSymbol[], module: Module): Learnt {
  // Places of sections and of undefined symbols; undefined once two facts disagreed.
  const sections = new Map<number, number | undefined>();
  const externals = new Map<number, number | undefined>();
  const note = (map: Map<number, number | undefined>, key: number, value: number): void => {
    if (!map.has(key)) map.set(key, value);
    else if (map.get(key) !== value) map.set(key, undefined);
  };
  const noteSymbol = (symbol: ElfSymbol, address: number): void => {
    if (symbol.st_shndx === SHN.SHN_UNDEF || symbol.st_shndx >= SHN.SHN_LORESERVE) {
      note(externals, symbol.index, address);
      return;
    }
    const section = object.sections[symbol.st_shndx];
    if (section === undefined || (section.sh_flags & SHF.SHF_MERGE) !== 0) return;
    note(sections, symbol.st_shndx, address - symbol.st_value);
  };
  const noteFact = (fact: MatchFact): void => {
    const symbol = symbols[fact.symbolIndex];
    const direct =
      fact.kind === "address" || (fact.kind === "call" && !isInPlt(module.image, fact.value));
    if (symbol !== undefined && direct) noteSymbol(symbol, fact.value - fact.addend);
  };
  return {
    learn: (symbol, { address, match }) => {
      noteSymbol(symbol, address);
      for (const fact of match.facts) noteFact(fact);
      for (const part of match.parts) {
        const partSymbol = symbols[part.symbolIndex];
        if (partSymbol !== undefined) noteSymbol(partSymbol, part.address);
      }
    },
    addressOf: (symbolIndex) => {
      const symbol = symbols[symbolIndex];
      if (symbol === undefined) return undefined;
      const external = externals.get(symbolIndex);
      if (external !== undefined) return external;
      const base = sections.get(symbol.st_shndx);
      return base === undefined ? undefined : base + symbol.st_value;
    },
  };
}
