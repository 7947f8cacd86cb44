/**
 * Where the thread-local variables of a module are.
 *
 * x86-64 uses variant II (ELF Handling For Thread-Local Storage, section 3): blocks of modules
 * loaded at the start lie below the thread pointer, the executable's next to it,
 *
 *      ... | libb's block | liba's block | executable's block | TCB
 *                                                             ^ %fs:0
 *
 * and blocks of modules loaded later anywhere, found by `__tls_get_addr` with a module id. The
 * executable's place is computed as its linker did. The others' are decided by the dynamic linker,
 * which keeps them in structures of its own, but has written them into slots for those who refer
 * to such variables: DTPMOD64 holds a module id, TPOFF64 a variable's offset from the thread
 * pointer. One slot tells the place of its whole module.
 */
import { virtualAddr } from "../bytes/address.ts";
import { createReader } from "../bytes/reader.ts";
import { PT, STB } from "../elf/constants.ts";
import { R_X86_64, type Relocation } from "../elf/relocation.ts";
import { type Refusal, refuse } from "../refusals.ts";
import type { LoadedModule } from "./loaded-module.ts";
import type { SlotSearch } from "./slot-search.ts";

export interface TlsPlace {
  /** Of the first byte of the module's TLS segment; negative. Absent where no slot tells it. */
  readonly threadPointerOffset?: number;
  /** Absent where no slot tells it. */
  readonly moduleId?: number;
}

export interface TlsSearch extends SlotSearch {
  readonly executable: LoadedModule | undefined;
}

const SLOT_TYPES: ReadonlySet<number> = new Set([
  R_X86_64.R_X86_64_DTPMOD64,
  R_X86_64.R_X86_64_TPOFF64,
]);

/** Module ids are small: they count modules with thread-local variables. */
const MODULE_ID_MAX = 1_000_000;

/**
 * The place of a module's thread-local variables in the process.
 *
 * Refuses (`unresolved-tls`) a module without any, and slots that contradict each other. Parts
 * that no slot tells are absent. Throws FormatError for damaged modules.
 */
export function findTlsPlace(module: LoadedModule, search: TlsSearch): TlsPlace | Refusal {
  const segment = module.elf.segments.find(({ p_type }) => p_type === PT.PT_TLS);
  if (!segment)
    return refuse(
      "unresolved-tls",
      `${module.name} has no thread-local variables`,
      "Check that the hotpatch was built for this file.",
    );
  if (module === search.executable) {
    const alignment = Math.max(segment.p_align, 1);
    const size = Math.ceil(segment.p_memsz / alignment) * alignment;
    return { threadPointerOffset: -size, moduleId: 1 };
  }
  const found: { threadPointerOffset?: number; moduleId?: number } = {};
  for (const owner of search.modules)
    for (const relocation of search.tableOf(owner).relocations(SLOT_TYPES)) {
      const value = readSlot(search, owner, relocation);
      const offset = value === undefined ? undefined : offsetIn(module, owner, relocation, search);
      if (value === undefined || offset === undefined) continue;
      const isId = relocation.type === R_X86_64.R_X86_64_DTPMOD64;
      const key = isId ? "moduleId" : "threadPointerOffset";
      const told = isId ? value : value - offset;
      if (found[key] !== undefined && found[key] !== told) return contradiction(module);
      found[key] = told;
    }
  return found;
}

/** The slot's value, where the dynamic linker has written a possible one. */
function readSlot(
  { readMemory }: TlsSearch,
  owner: LoadedModule,
  { r_offset, type }: Relocation,
): number | undefined {
  const bytes = readMemory(virtualAddr(r_offset + owner.bias), 8);
  if (bytes?.length !== 8) return undefined;
  const value = Number(BigInt.asIntN(64, createReader(bytes, "TLS slot").u64big(0)));
  if (type === R_X86_64.R_X86_64_DTPMOD64)
    return value > 0 && value <= MODULE_ID_MAX ? value : undefined;
  return value < 0 && value >= -(2 ** 31) ? value : undefined;
}

/** The offset in `module`'s TLS segment that the slot is about; undefined for other modules'. */
function offsetIn(
  module: LoadedModule,
  owner: LoadedModule,
  { symbolIndex, r_addend }: Relocation,
  search: TlsSearch,
): number | undefined {
  // Without a symbol the slot is about the module it is in.
  if (symbolIndex === 0) return owner === module ? r_addend : undefined;
  const symbol = search.tableOf(owner).symbolAt(symbolIndex);
  if (symbol.binding === STB.STB_LOCAL)
    return owner === module ? symbol.st_value + r_addend : undefined;
  const bound = search.binds(owner, symbol);
  return bound?.module === module ? bound.symbol.st_value + r_addend : undefined;
}

const contradiction = (module: LoadedModule): Refusal =>
  refuse(
    "unresolved-tls",
    `the slots for thread-local variables of ${module.name} contradict each other`,
    "Restart the program on the fixed version.",
  );
