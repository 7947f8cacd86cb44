/**
 * The order in which the dynamic linker searches the modules of a process.
 *
 * The debugger's interface tells it (glibc elf/link.h): the executable's DT_DEBUG points at an
 * r_debug, whose r_map is the list of all modules in the order they were loaded. All of it is
 * memory of the process and may be anything, so the walk is bounded and every entry must agree
 * with a mapping that the kernel shows.
 *
 *     r_debug   0 r_version   8 r_map   16 r_brk   24 r_state   32 r_ldbase
 *     link_map  0 l_addr      8 l_name  16 l_ld    24 l_next    32 l_prev
 */
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { createReader } from "../bytes/reader.ts";
import { DT, ET, PT, SIZE } from "../elf/constants.ts";
import { dynamicEntries, dynamicValue, parseDynamic } from "../elf/dynamic.ts";
import type { ElfFile } from "../elf/file.ts";
import type { LoadedModule, ReadMemory } from "./loaded-module.ts";

/** No process has more modules: the kernel's own limit on mappings is 65530 by default. */
const LINK_MAP_LENGTH_MAX = 65_536;

/** Entries of one dynamic section; linkers write about thirty. */
const DYNAMIC_LENGTH_MAX = 1024;

/**
 * The modules in the dynamic linker's order, the executable first.
 *
 * Modules that the dynamic linker does not know of (files that are merely mapped) are left out.
 * Where there is no list, or it is being changed, or it contradicts the mappings, the order is
 * that of the start: the executable, then breadth first along DT_NEEDED.
 */
export function linkOrder(
  modules: readonly LoadedModule[],
  readMemory: ReadMemory,
): readonly LoadedModule[] {
  const executable = findExecutable(modules);
  if (!executable) return [];
  const listed = readLinkMap(executable, modules, readMemory);
  return listed?.[0] === executable ? listed : breadthFirst(executable, modules);
}

/**
 * The program itself among the modules of a process: what has a fixed address, or says that it is
 * a PIE, or expects a debugger's list; else the first.
 */
export function findExecutable(modules: readonly LoadedModule[]): LoadedModule | undefined {
  return (
    modules.find(({ elf }) => elf.e_type === ET.ET_EXEC) ??
    modules.find(({ elf }) => isPie(elf)) ??
    modules.find(({ elf }) => dynamicValue(dynamicEntries(elf), DT.DT_DEBUG) !== undefined) ??
    modules[0]
  );
}

const DF_1_PIE = 0x0800_0000;

const isPie = (elf: ElfFile): boolean =>
  ((dynamicValue(dynamicEntries(elf), DT.DT_FLAGS_1) ?? 0) & DF_1_PIE) !== 0;

/** A module and those it needs, breadth first, each once. */
export function breadthFirst(
  root: LoadedModule,
  modules: readonly LoadedModule[],
): readonly LoadedModule[] {
  const bySoname = new Map<string, LoadedModule>();
  for (const module of modules) {
    const soname = parseDynamic(module.elf)?.soname;
    for (const name of [soname, module.name, module.path])
      if (name !== undefined && !bySoname.has(name)) bySoname.set(name, module);
  }
  const order = new Set([root]);
  // A Set gives what is added during the walk too.
  for (const module of order)
    for (const name of parseDynamic(module.elf)?.needed ?? []) {
      const needed = bySoname.get(name);
      if (needed) order.add(needed);
    }
  return [...order];
}

/** Where a module's dynamic section is in the process: it identifies the module in the list. */
function dynamicAddress({ elf, bias }: LoadedModule): VirtualAddr | undefined {
  const segment = elf.segments.find(({ p_type }) => p_type === PT.PT_DYNAMIC);
  return segment && virtualAddr(segment.p_vaddr + bias);
}

function readLinkMap(
  executable: LoadedModule,
  modules: readonly LoadedModule[],
  readMemory: ReadMemory,
): readonly LoadedModule[] | undefined {
  const words = (address: number, count: number): number[] | undefined => {
    if (!Number.isSafeInteger(address)) return undefined;
    const bytes = readMemory(virtualAddr(address), count * 8);
    if (bytes?.length !== count * 8) return undefined;
    const reader = createReader(bytes, "r_debug");
    // A word beyond 2^53 is no address; NaN equals none and is refused above.
    return Array.from({ length: count }, (_, i) => {
      const word = reader.u64big(i * 8);
      return word < 2n ** 53n ? Number(word) : Number.NaN;
    });
  };
  const debug = debugAddress(executable, words);
  const r_debug = debug ? words(debug, 4) : undefined;
  // r_state is an int: RT_CONSISTENT is 0.
  if (!r_debug || (r_debug[3] ?? 1) % 2 ** 32 !== 0) return undefined;
  const known = new Map(modules.map((module) => [dynamicAddress(module), module]));
  const order = new Set<LoadedModule>();
  let next = r_debug[1] ?? 0;
  for (let length = 0; next !== 0; length++) {
    const entry = length < LINK_MAP_LENGTH_MAX ? words(next, 5) : undefined;
    if (!entry) return undefined;
    const [l_addr, , l_ld, l_next] = entry as [number, number, number, number, number];
    const module = known.get(virtualAddr(l_ld));
    if (module && l_addr !== module.bias) return undefined;
    // A module twice: the list is a ring.
    if (module && order.has(module)) return undefined;
    if (module) order.add(module);
    next = l_next;
  }
  return [...order];
}

function debugAddress(
  executable: LoadedModule,
  words: (address: number, count: number) => number[] | undefined,
): number | undefined {
  const start = dynamicAddress(executable);
  const segment = executable.elf.segments.find(({ p_type }) => p_type === PT.PT_DYNAMIC);
  if (start === undefined || !segment) return undefined;
  const count = Math.min(Math.floor(segment.p_memsz / SIZE.dyn), DYNAMIC_LENGTH_MAX);
  const live = words(start, count * 2) ?? [];
  for (let i = 0; i < live.length && live[i] !== DT.DT_NULL; i += 2)
    if (live[i] === DT.DT_DEBUG) return live[i + 1];
  return undefined;
}
