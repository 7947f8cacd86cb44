/**
 * What matched code has told about the places of a unit's symbols.
 *
 * Addresses are kept by section, for with -ffunction-sections -fdata-sections a section is one
 * thing; an undefined symbol has an address of its own. What two functions say differently is
 * forgotten for good (strings that the linker merged, for example).
 */
import { type ElfFile, type ElfSymbol, type MatchFact, PT, SHF, SHN, STB, STT } from "./engine.ts";
import { isInPlt } from "./image-bytes.ts";
import type { Module } from "./module-symbols.ts";
import type { PlacedFunction } from "./try-places.ts";

export interface LearntPlaces {
  readonly learn: (symbol: ElfSymbol, placed: PlacedFunction) => void;
  /** Undefined where nothing was said, or not the same. A TLS symbol's is its offset. */
  readonly addressOf: (symbolIndex: number) => number | undefined;
  /** How a match fits what is known; one fact that does not fit makes it a contradiction. */
  readonly judge: (facts: readonly MatchFact[]) => "confirmed" | "contradicted" | "unknown";
}

/** `object` is the unit's, with its symbol table. */
export function createLearntPlaces(
  object: ElfFile,
  symbols: readonly ElfSymbol[],
  module: Module,
): LearntPlaces {
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
    const place = placeInFact(fact, module.image);
    if (symbol !== undefined && place !== undefined) noteSymbol(symbol, place);
  };
  const addressOf = (symbolIndex: number): number | undefined => {
    const symbol = symbols[symbolIndex];
    if (symbol === undefined) return undefined;
    const external = externals.get(symbolIndex);
    if (external !== undefined) return external;
    const base = sections.get(symbol.st_shndx);
    return base === undefined ? undefined : base + symbol.st_value;
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
    addressOf,
    judge: (facts) => {
      let verdict: "confirmed" | "unknown" = "unknown";
      for (const fact of facts) {
        const symbol = symbols[fact.symbolIndex];
        const fits =
          symbol && (fitsImports(fact, symbol, module) ?? fitsPlace({ fact, symbol, object }));
        if (fits === false) return "contradicted";
        if (fits === true) verdict = "confirmed";
      }
      return verdict;
    },
  };

  function fitsPlace(at: {
    readonly fact: MatchFact;
    readonly symbol: ElfSymbol;
    readonly object: ElfFile;
  }): boolean | undefined {
    const place = placeInFact(at.fact, module.image);
    if (place === undefined || !isOnePlace(at)) return undefined;
    const known = addressOf(at.symbol.index) ?? namedPlace(at.symbol, module);
    return known === undefined ? undefined : known === place;
  }
}

/** The address (or the offset in the TLS segment) of the fact's symbol, where the fact tells it. */
function placeInFact({ kind, value, addend }: MatchFact, image: ElfFile): number | undefined {
  if (kind === "tls-module-offset") return value - addend;
  if (kind === "tls") {
    // ELF Handling For Thread-Local Storage, section 3: the executable's block ends at %fs:0.
    const tls = image.segments.find(({ p_type }) => p_type === PT.PT_TLS);
    if (tls === undefined) return undefined;
    const align = Math.max(1, tls.p_align);
    return value - addend + Math.ceil(tls.p_memsz / align) * align;
  }
  const direct = (kind === "address" || kind === "call") && !isInPlt(image, value);
  return direct ? value - addend : undefined;
}

/** Whether what the code calls or reads from others has the name that the object says. */
function fitsImports(
  { kind, value }: MatchFact,
  symbol: ElfSymbol,
  { image, code, symbols }: Module,
): boolean | undefined {
  if (kind === "got-slot") {
    const name = code?.importInSlot(value);
    return name === undefined ? undefined : name === symbol.name;
  }
  if (kind !== "call") return undefined;
  if (isInPlt(image, value)) {
    const name = code?.importAt(value);
    return name === undefined ? undefined : name === symbol.name;
  }
  const isLocal = symbol.binding === STB.STB_LOCAL;
  return !isLocal && symbols.needed.has(symbol.name) ? false : undefined;
}

/** Whether every fact about the symbol must give one place: entries of functions, variables. */
function isOnePlace({
  fact,
  symbol,
  object,
}: {
  readonly fact: MatchFact;
  readonly symbol: ElfSymbol;
  readonly object: ElfFile;
}): boolean {
  const section = object.sections[symbol.st_shndx];
  if (symbol.st_shndx === SHN.SHN_UNDEF || section === undefined) return true;
  if ((section.sh_flags & SHF.SHF_EXECINSTR) !== 0) return symbol.st_value + fact.addend === 0;
  return (section.sh_flags & SHF.SHF_WRITE) !== 0;
}

/** Where the module's own symbols have a name that is not static. */
function namedPlace(symbol: ElfSymbol, { symbols }: Module): number | undefined {
  if (symbol.binding === STB.STB_LOCAL) return undefined;
  const named = symbols.globals.get(symbol.name);
  return named === undefined || named.type === STT.STT_GNU_IFUNC ? undefined : named.st_value;
}
