/**
 * Where the new code finds what it does not bring along.
 *
 * An undefined symbol of the hotpatch object is a thing of the running program. Two sources say
 * where it is: the code that matched (place-unit.ts) and the symbol table. Where both speak they
 * must agree. What the module itself does not define is left to the dynamic linker's order, and
 * so is what it exports as a shared library, unless its own code goes straight to its own copy.
 */
import { basename } from "node:path";
import type { SymbolReference } from "./engine.ts";
import { type ElfSymbol, type ExternalSymbol, fileAddr, SHN, STT } from "./engine.ts";
import type { LocalSymbol, Module } from "./module-symbols.ts";
import type { PlacedUnit } from "./place-unit.ts";
import type { RefusalItem } from "./refusals.ts";

/** A unit that is in the module, with its source's name. */
export interface PlacedSource {
  readonly source: string;
  readonly placed: PlacedUnit;
}

/** How one symbol is found in the process, or why it cannot be. */
export function findReference(
  external: ExternalSymbol,
  unit: PlacedSource,
  module: Module,
): SymbolReference | RefusalItem {
  return external.binding === "local"
    ? findLocal(external, unit, module)
    : findGlobal(external, unit, module);
}

function findLocal(
  external: ExternalSymbol,
  unit: PlacedSource,
  module: Module,
): SymbolReference | RefusalItem {
  const learnt = learntAddress(external, unit);
  const named = localCandidates(external.beforeName, unit, module);
  const addresses = new Set(named.map(({ symbol }) => symbol.st_value));
  const first = named[0]?.symbol;
  if (external.type === "tls") {
    const offset = addresses.size === 0 ? learnt : first?.st_value;
    if (offset === undefined || addresses.size > 1) return notFound(external, addresses.size);
    return { symbol: external.symbol, kind: "module-tls", offset };
  }
  if (learnt !== undefined) {
    if (named.length > 0 && !addresses.has(learnt)) return disagrees(external);
    return atAddress(external, learnt);
  }
  if (first === undefined || addresses.size !== 1) return notFound(external, addresses.size);
  return atAddress(external, first.st_value);
}

/** Static symbols of that name: of the unit's own group where it is known, else of its file name. */
function localCandidates(
  name: string,
  { source, placed }: PlacedSource,
  module: Module,
): readonly LocalSymbol[] {
  const all = module.symbols.locals.get(name) ?? [];
  const ofFile = all.filter(({ file }) => file === basename(source));
  const ofGroup = ofFile.filter(({ group }) => placed.groups.has(group));
  return placed.groups.size > 0 ? ofGroup : ofFile;
}

function findGlobal(
  external: ExternalSymbol,
  unit: PlacedSource,
  module: Module,
): SymbolReference | RefusalItem {
  const { beforeName: name } = external;
  const defined = module.symbols.globals.get(name) ?? linkerSymbol(name, module);
  if (defined === undefined && !module.symbols.complete && !module.symbols.needed.has(name)) {
    return findUnnamed(external, unit);
  }
  if (defined === undefined) {
    const version = module.symbols.needed.get(name);
    return {
      symbol: external.symbol,
      kind: "dynamic",
      name,
      ...(version !== undefined && { version }),
    };
  }
  if (defined.type === STT.STT_TLS) {
    return { symbol: external.symbol, kind: "module-tls", offset: defined.st_value };
  }
  const learnt = learntAddress(external, unit);
  const preemptible = module.isLibrary && module.symbols.exported.has(name);
  if (preemptible && learnt !== defined.st_value) {
    return { symbol: external.symbol, kind: "dynamic", name };
  }
  if (defined.type === STT.STT_GNU_IFUNC) {
    const detail = `${name} is an indirect function that the module does not export`;
    return { name, code: "symbol-not-found", detail };
  }
  if (defined.st_shndx === SHN.SHN_ABS) {
    return { name, code: "symbol-not-found", detail: `${name} is an absolute symbol` };
  }
  if (learnt !== undefined && learnt !== defined.st_value) return disagrees(external);
  return atAddress(external, defined.st_value);
}

/**
 * A name that a stripped module neither imports nor exports: its own, where its code leads to it.
 * Otherwise it is not known whose it is, and another's of that name could be the wrong one.
 */
function findUnnamed(external: ExternalSymbol, unit: PlacedSource): SymbolReference | RefusalItem {
  const learnt = learntAddress(external, unit);
  if (learnt === undefined) return notFound(external, 0);
  if (external.type !== "tls") return atAddress(external, learnt);
  return { symbol: external.symbol, kind: "module-tls", offset: learnt };
}

/** What the linker or the C runtime's start files define for each module (`__dso_handle`). */
function linkerSymbol(name: string, module: Module): ElfSymbol | undefined {
  if (module.symbols.needed.has(name) || !name.startsWith("_")) return undefined;
  const list = module.symbols.locals.get(name) ?? [];
  return list.length === 1 ? list[0]?.symbol : undefined;
}

function learntAddress(external: ExternalSymbol, { placed }: PlacedSource): number | undefined {
  const index = external.beforeSymbolIndex;
  return index === undefined ? undefined : placed.addressOf(index);
}

const atAddress = ({ symbol }: ExternalSymbol, address: number): SymbolReference => ({
  symbol,
  kind: "module",
  address: fileAddr(address),
});

const disagrees = ({ beforeName, unit }: ExternalSymbol): RefusalItem => ({
  name: beforeName,
  code: "symbol-not-found",
  detail: `the code of ${unit} and the symbol table place ${beforeName} differently`,
});

const notFound = ({ beforeName, unit }: ExternalSymbol, candidates: number): RefusalItem => ({
  name: beforeName,
  code: "symbol-not-found",
  detail:
    candidates === 0
      ? `${beforeName}, which the new code of ${unit} needs, is neither in a symbol table nor told by code that was found`
      : `${candidates} things named ${beforeName} could be the one that ${unit} means`,
});
