/**
 * From the names in a hotpatch object to addresses in one live process.
 *
 * The new code must call and read exactly what the code that it replaces would. A name alone does
 * not say what that is. `memcpy` may be
 *
 *     memcpy@GLIBC_2.2.5     kept for old programs       hidden: only for those who ask for it
 *     memcpy@@GLIBC_2.14     the default                 an indirect function
 *     memcpy                 in a library of the program that interposes on libc's
 *     memcpy                 the program's own PLT entry, when the program takes its address
 *
 * and all four can be in one process. So the dynamic linker's rules are followed, not imitated
 * by a search for something suitable:
 *
 *   order    the executable, then what was loaded at the start, breadth first along DT_NEEDED;
 *            then, for a target loaded later (dlopen), the target and what it needs; the rest
 *            last, for a module loaded with RTLD_GLOBAL cannot be told from the outside. A target
 *            linked with -Bsymbolic looks into itself first. The vdso is not searched.
 *   version  as in dynamic-symbols.ts. A reference without version takes the one that the target
 *            itself asks for; where the target asks for none, what ld.so gives to references
 *            without version; where the target never mentions the name, the default version.
 *   copies   A variable of a library that was copied into the executable (R_X86_64_COPY) needs no
 *            rule: the executable defines it too and comes first.
 *
 * What an indirect function has become, and where thread-local variables are, only the process
 * knows: ifunc.ts and tls.ts read it from slots that the dynamic linker has filled.
 *
 * References of the kind `module` were settled when the hotpatch was built: they are addresses of
 * the target's file. Not trusted is any number: a hotpatch file and a process may both be hostile,
 * and the worst that they may bring about is a refusal.
 */
import {
  type FileAddr,
  fileAddr,
  formatAddress,
  toVirtualAddr,
  virtualAddr,
} from "../bytes/address.ts";
import { PT, SHN, STT, STV } from "../elf/constants.ts";
import { type ElfSymbol, symbolTable } from "../elf/symbol.ts";
import type { ResolvedSymbol, SymbolResolver } from "../link/relocate.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import { type DynamicTable, openDynamicTable, type VersionWanted } from "./dynamic-symbols.ts";
import { boundImplementation, type IndirectFunction, isIfuncResolver } from "./ifunc.ts";
import { breadthFirst, findExecutable } from "./link-order.ts";
import type { LoadedModule, ReadMemory } from "./loaded-module.ts";
import type { SymbolReference } from "./patch-description.ts";
import { findTlsPlace, type TlsPlace } from "./tls.ts";

export { linkOrder } from "./link-order.ts";

export interface ResolverRequest {
  /** In the dynamic linker's order (`linkOrder`), the executable first. */
  readonly modules: readonly LoadedModule[];
  /** The module that the hotpatch is for. */
  readonly target: LoadedModule;
  readonly references: readonly SymbolReference[];
  readonly readMemory: ReadMemory;
}

/**
 * Makes the function that finds the undefined symbols of a hotpatch object in the process.
 *
 * It refuses names that the references do not list or nobody defines (`missing-symbol`), indirect
 * functions that no one has used yet (`unresolved-ifunc`), and thread-local variables whose module
 * has none or contradictory slots (`unresolved-tls`). It throws FormatError for damaged modules.
 */
export function createResolver(request: ResolverRequest): SymbolResolver {
  const references = new Map(request.references.map((entry) => [entry.symbol, entry]));
  const context = createContext(request);
  const known = new Map<string, ResolvedSymbol | Refusal>();
  return (name) => {
    const before = known.get(name);
    if (before) return before;
    const reference = references.get(name);
    const found = reference ? resolveReference(context, reference) : unlisted(name);
    known.set(name, found);
    return found;
  };
}

const unlisted = (name: string): Refusal =>
  refuse(
    "missing-symbol",
    `${name} is not among the references of the hotpatch`,
    "Build the hotpatch again from its source and its fix.",
  );

interface Definition {
  readonly module: LoadedModule;
  readonly symbol: ElfSymbol;
}

interface Context {
  readonly modules: readonly LoadedModule[];
  readonly target: LoadedModule;
  readonly executable: LoadedModule | undefined;
  readonly readMemory: ReadMemory;
  readonly tableOf: (module: LoadedModule) => DynamicTable;
  /** What a name means to a module of the process. */
  readonly lookUp: (
    module: LoadedModule,
    name: string,
    wanted: VersionWanted,
  ) => Definition | undefined;
  readonly binds: (
    module: LoadedModule,
    symbol: ElfSymbol & { readonly version?: string },
  ) => Definition | undefined;
  readonly tlsPlaceOf: (module: LoadedModule) => TlsPlace | Refusal;
  /** Whether an address of the target's file is an indirect function's resolver. */
  readonly isIndirect: (address: FileAddr) => boolean;
}

/** A function that computes each answer once. */
function memoize<Key, Value>(compute: (key: Key) => Value): (key: Key) => Value {
  const known = new Map<Key, { value: Value }>();
  return (key) => {
    const entry = known.get(key) ?? { value: compute(key) };
    known.set(key, entry);
    return entry.value;
  };
}

function createContext({ modules, target, readMemory }: ResolverRequest): Context {
  const tableOf = memoize((module: LoadedModule) => openDynamicTable(module.elf));
  const scopeOf = memoize((module: LoadedModule) => searchScope(module, modules, tableOf));
  const lookUp: Context["lookUp"] = (from, name, wanted) => {
    for (const module of scopeOf(from)) {
      const symbol = tableOf(module).find(name, wanted);
      if (symbol) return { module, symbol };
    }
    return undefined;
  };
  const binds: Context["binds"] = (from, symbol) => {
    // A protected definition is never interposed (gABI, "Symbol Visibility").
    if (symbol.visibility === STV.STV_PROTECTED && symbol.st_shndx !== SHN.SHN_UNDEF)
      return { module: from, symbol };
    return lookUp(from, symbol.name, versionOf(symbol.version, { kind: "oldest" }));
  };
  const executable = findExecutable(modules);
  const shared = { modules, readMemory, tableOf, binds, executable };
  const tlsPlaceOf = memoize((module: LoadedModule) => findTlsPlace(module, shared));
  return { ...shared, target, lookUp, tlsPlaceOf, isIndirect: createIfuncTest(target, tableOf) };
}

const versionOf = (version: string | undefined, otherwise: VersionWanted): VersionWanted =>
  version === undefined ? otherwise : { kind: "exact", version };

const VDSO_SONAME = "linux-vdso.so.1";

/** The modules in the order in which a module's references are looked up; essay, "order". */
function searchScope(
  from: LoadedModule,
  modules: readonly LoadedModule[],
  tableOf: (module: LoadedModule) => DynamicTable,
): readonly LoadedModule[] {
  const [executable] = modules;
  const needed = new Set(executable ? breadthFirst(executable, modules) : []);
  // All that precedes a module loaded at the start was loaded at the start (LD_PRELOAD).
  const atStart = modules.slice(0, modules.findLastIndex((module) => needed.has(module)) + 1);
  const own = tableOf(from).symbolic ? [from] : [];
  const order = new Set([...own, ...atStart, ...breadthFirst(from, modules), ...modules]);
  return [...order].filter((module) => tableOf(module).soname !== VDSO_SONAME);
}

function resolveReference(context: Context, reference: SymbolReference): ResolvedSymbol | Refusal {
  switch (reference.kind) {
    case "module":
      return resolveInModule(context, reference);
    case "dynamic":
      return resolveDynamic(context, reference);
    case "module-tls":
      return resolveTls(context, context.target, reference.offset);
  }
}

function resolveInModule(
  context: Context,
  { symbol, address }: SymbolReference & { kind: "module" },
): ResolvedSymbol | Refusal {
  const { target } = context;
  if (!isLoaded(target, address))
    return refuse(
      "missing-symbol",
      `${symbol} at ${formatAddress(address)} is not within ${target.name}`,
      "Check that the hotpatch was built for this file.",
    );
  if (context.isIndirect(address))
    return resolveIfunc(context, { name: symbol, module: target, resolver: address });
  return { kind: "address", address: toVirtualAddr(address, target.bias) };
}

/** Whether the module has that address in memory; .bss is beyond what the file maps. */
const isLoaded = ({ elf }: LoadedModule, address: FileAddr): boolean =>
  elf.segments.some(
    ({ p_type, p_vaddr, p_memsz }) =>
      p_type === PT.PT_LOAD && address >= p_vaddr && address <= p_vaddr + p_memsz,
  );

/**
 * Tells the resolvers of indirect functions among a module's addresses. Static ones have no
 * dynamic symbol: their relocation or .symtab knows.
 */
function createIfuncTest(
  module: LoadedModule,
  tableOf: (module: LoadedModule) => DynamicTable,
): (address: FileAddr) => boolean {
  let symbols: ReadonlySet<number> | undefined;
  return (address) => {
    symbols ??= new Set(
      symbolTable(module.elf)
        .filter(({ type }) => type === STT.STT_GNU_IFUNC)
        .map(({ st_value }) => st_value),
    );
    return symbols.has(address) || isIfuncResolver(tableOf(module), address);
  };
}

function resolveDynamic(
  context: Context,
  reference: SymbolReference & { kind: "dynamic" },
): ResolvedSymbol | Refusal {
  const { target, tableOf } = context;
  const { name } = reference;
  const own = tableOf(target).reference(name);
  const wanted = versionOf(
    reference.version ?? own?.version,
    own ? { kind: "oldest" } : { kind: "default" },
  );
  const mine = tableOf(target).find(name, wanted);
  // A module's own references to its protected symbols are never interposed.
  const found =
    mine?.visibility === STV.STV_PROTECTED && mine.st_shndx !== SHN.SHN_UNDEF
      ? { module: target, symbol: mine }
      : context.lookUp(target, name, wanted);
  if (!found)
    return refuse(
      "missing-symbol",
      `${name}${wanted.kind === "exact" ? `@${wanted.version}` : ""}`,
      "Check that the process runs with the libraries that the hotpatch was built against.",
    );
  const { module, symbol } = found;
  if (symbol.type === STT.STT_TLS) return resolveTls(context, module, symbol.st_value);
  if (symbol.type === STT.STT_GNU_IFUNC && symbol.st_shndx !== SHN.SHN_UNDEF)
    return resolveIfunc(context, { name, module, resolver: fileAddr(symbol.st_value) });
  if (symbol.st_shndx === SHN.SHN_ABS)
    return { kind: "address", address: virtualAddr(symbol.st_value) };
  const address = toVirtualAddr(fileAddr(symbol.st_value), module.bias);
  return { kind: "address", address };
}

function resolveIfunc(context: Context, indirect: IndirectFunction): ResolvedSymbol | Refusal {
  const address = boundImplementation(indirect, context);
  if (address !== undefined) return { kind: "address", address };
  return refuse(
    "unresolved-ifunc",
    `${indirect.name} of ${indirect.module.name}`,
    "Try again when the program has used the function, or start it with LD_BIND_NOW=1.",
  );
}

function resolveTls(
  context: Context,
  module: LoadedModule,
  offset: number,
): ResolvedSymbol | Refusal {
  const place = context.tlsPlaceOf(module);
  if (isRefusal(place)) return place;
  const { threadPointerOffset, moduleId } = place;
  return {
    kind: "tls",
    offset,
    ...(threadPointerOffset !== undefined && { threadPointerOffset: threadPointerOffset + offset }),
    ...(moduleId !== undefined && { moduleId }),
  };
}
