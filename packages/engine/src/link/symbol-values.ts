/** What the symbols of a hotpatch object stand for in the process. */
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { SHN, STB, STT } from "../elf/constants.ts";
import type { ElfSymbol } from "../elf/symbol.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import type { Layout } from "./layout.ts";

/** Finds an undefined symbol of the object in the process. */
export type SymbolResolver = (name: string) => ResolvedSymbol | Refusal;

export type ResolvedSymbol =
  | { readonly kind: "address"; readonly address: VirtualAddr }
  | {
      readonly kind: "tls";
      /** In its module's TLS segment (the Global and Local Dynamic models). */
      readonly offset: number;
      /** From the thread pointer, negative (Initial and Local Exec). Absent where unknown. */
      readonly threadPointerOffset?: number;
      /** What `__tls_get_addr` knows the module by. Absent where unknown. */
      readonly moduleId?: number;
    };

/** The value of a symbol, by its index in the object's symbol table. */
export type SymbolValues = (symbolIndex: number) => ResolvedSymbol | Refusal;

const bad = (detail: string): Refusal =>
  refuse("bad-hotpatch", detail, "Build the hotpatch again from its source and its fix.");

/** Values of symbols by index, each asked for once. */
export function createSymbolValues(
  layout: Layout,
  base: VirtualAddr,
  resolve: SymbolResolver,
): SymbolValues {
  const known = new Map<number, ResolvedSymbol | Refusal>();
  const placed = new Map(layout.sections.map(({ section, offset }) => [section.index, offset]));
  const address = (value: number): ResolvedSymbol => ({
    kind: "address",
    address: virtualAddr(value),
  });
  const find = (symbolIndex: number): ResolvedSymbol | Refusal => {
    const symbol = layout.symbols[symbolIndex];
    if (symbolIndex === 0 || !symbol) return address(0);
    switch (symbol.st_shndx) {
      case SHN.SHN_UNDEF:
        if (symbol.name === "_GLOBAL_OFFSET_TABLE_") return address(base + layout.got);
        if (symbol.name === "") return bad(`${nameOf(symbol)} has neither name nor place`);
        return weakIsZero(symbol, resolve(symbol.name));
      case SHN.SHN_ABS:
        return address(symbol.st_value);
      case SHN.SHN_COMMON:
        return address(base + (layout.commons.get(symbolIndex) ?? 0));
      default: {
        const offset = placed.get(symbol.st_shndx);
        if (offset !== undefined) return address(base + offset + symbol.st_value);
        const kept = layout.kept.get(symbol.st_shndx);
        if (kept !== undefined) return address(kept + symbol.st_value);
        return bad(`${nameOf(symbol)} is in a section that is not part of the program`);
      }
    }
  };
  return (symbolIndex) => {
    const value = known.get(symbolIndex) ?? find(symbolIndex);
    known.set(symbolIndex, value);
    return value;
  };
}

function weakIsZero(symbol: ElfSymbol, found: ResolvedSymbol | Refusal): ResolvedSymbol | Refusal {
  const absent = isRefusal(found) && found.refused === "missing-symbol";
  if (absent && symbol.binding === STB.STB_WEAK)
    return { kind: "address", address: virtualAddr(0) };
  return found;
}

export const nameOf = (symbol: ElfSymbol): string => symbol.name || `symbol ${symbol.index}`;

const placeKey = (st_shndx: number, offset: number): string => `${st_shndx}+${offset}`;

/** The original entries of replaced functions, by the place of each replacement. */
export type OriginalEntries = ReadonlyMap<string, VirtualAddr>;

/** Refuses (`bad-hotpatch`) a replacement that the object does not define exactly once. */
export function originalEntries(
  symbols: readonly ElfSymbol[],
  replaced: ReadonlyMap<string, VirtualAddr>,
): OriginalEntries | Refusal {
  const entries = new Map<string, VirtualAddr>();
  for (const [name, original] of replaced) {
    const found = symbols.filter(
      (symbol) =>
        symbol.name === name &&
        symbol.type !== STT.STT_SECTION &&
        symbol.st_shndx !== SHN.SHN_UNDEF &&
        symbol.st_shndx < SHN.SHN_LORESERVE,
    );
    const [symbol] = found;
    if (!symbol || found.length > 1)
      return bad(`the object defines the replacement ${name} ${found.length} times`);
    entries.set(placeKey(symbol.st_shndx, symbol.st_value), original);
  }
  return entries;
}

/** The original entry, where symbol + offset is the entry of a replacement. */
export const originalAt = (
  originals: OriginalEntries,
  symbol: ElfSymbol | undefined,
  offset: number,
): VirtualAddr | undefined =>
  symbol && originals.get(placeKey(symbol.st_shndx, symbol.st_value + offset));
