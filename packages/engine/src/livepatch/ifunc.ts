/**
 * What an indirect function has become in the process.
 *
 * The symbol of an STT_GNU_IFUNC names a resolver, which the dynamic linker calls to learn which
 * implementation fits the processor (`memcpy` has a dozen). We never call anything in the process
 * for an answer that is there already: whoever uses the function has the answer in a slot.
 *
 *     R_X86_64_IRELATIVE   in the defining module; the addend is the resolver's address
 *     R_X86_64_GLOB_DAT, R_X86_64_64, R_X86_64_JUMP_SLOT
 *                          in any module that refers to it by name and binds to this definition
 *
 * A JUMP_SLOT that was never called through still holds what the file holds, the address of its
 * own PLT entry. Nothing in such a slot is an answer.
 */
import { type FileAddr, fileAddr, type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { createReader } from "../bytes/reader.ts";
import { SHF } from "../elf/constants.ts";
import { addressBytes, hasFlag } from "../elf/file.ts";
import { R_X86_64, type Relocation } from "../elf/relocation.ts";
import type { DynamicTable } from "./dynamic-symbols.ts";
import type { LoadedModule } from "./loaded-module.ts";
import type { SlotSearch } from "./slot-search.ts";

const NAMED_TYPES: ReadonlySet<number> = new Set([
  R_X86_64.R_X86_64_64,
  R_X86_64.R_X86_64_GLOB_DAT,
  R_X86_64.R_X86_64_JUMP_SLOT,
]);

const IRELATIVE: ReadonlySet<number> = new Set([R_X86_64.R_X86_64_IRELATIVE]);

/** Whether the module asks for a resolver at this address of its file to be called. */
export const isIfuncResolver = (table: DynamicTable, address: number): boolean =>
  table.relocations(IRELATIVE).some(({ r_addend }) => r_addend === address);

export interface IndirectFunction {
  readonly name: string;
  /** The module that defines it. */
  readonly module: LoadedModule;
  /** Of the resolver, as the file states it. */
  readonly resolver: FileAddr;
}

/** The implementation chosen for an indirect function; undefined where no slot tells it. */
export function boundImplementation(
  { name, module, resolver }: IndirectFunction,
  search: SlotSearch,
): VirtualAddr | undefined {
  for (const relocation of search.tableOf(module).relocations(IRELATIVE)) {
    if (relocation.r_addend !== resolver) continue;
    const value = readSlot(search, module, relocation, resolver + module.bias);
    if (value !== undefined) return value;
  }
  for (const owner of search.modules) {
    const table = search.tableOf(owner);
    for (const relocation of table.relocations(NAMED_TYPES)) {
      if (relocation.r_addend !== 0 || relocation.symbolIndex === 0) continue;
      const symbol = table.symbolAt(relocation.symbolIndex);
      if (symbol.name !== name) continue;
      const value = readSlot(search, owner, relocation, resolver + module.bias);
      if (value === undefined) continue;
      const bound = search.binds(owner, symbol);
      if (bound?.module === module && bound.symbol.st_value === resolver) return value;
    }
  }
  return undefined;
}

/** The slot's value, where it is the entry of an implementation. */
function readSlot(
  { modules, readMemory }: SlotSearch,
  owner: LoadedModule,
  { r_offset }: Relocation,
  resolver: number,
): VirtualAddr | undefined {
  const live = readMemory(virtualAddr(r_offset + owner.bias), 8);
  if (live?.length !== 8) return undefined;
  const word = createReader(live, "slot").u64big(0);
  if (word >= 2n ** 53n) return undefined;
  const value = Number(word);
  if (value === 0 || value === resolver || value === resolver - owner.bias) return undefined;
  const inFile = addressBytes(owner.elf, fileAddr(r_offset), 8);
  const initial = inFile ? createReader(inFile, "slot").u64big(0) : 0n;
  if (initial !== 0n && word === initial + BigInt(owner.bias)) return undefined;
  if (modules.some((module) => isInPlt(module, value))) return undefined;
  return isCode(modules, value) ? virtualAddr(value) : undefined;
}

const PLT_NAME = /^\.i?plt(\.|$)/;

/** By the section headers; a module without any is told by the file's value of the slot alone. */
function isInPlt({ elf, bias, start, end }: LoadedModule, address: number): boolean {
  if (address < start || address >= end) return false;
  return elf.sections.some(
    ({ name, sh_flags, sh_addr, sh_size }) =>
      hasFlag(sh_flags, SHF.SHF_EXECINSTR) &&
      PLT_NAME.test(name) &&
      address >= sh_addr + bias &&
      address < sh_addr + bias + sh_size,
  );
}

const isCode = (modules: readonly LoadedModule[], address: number): boolean =>
  modules.some(({ mappings }) =>
    mappings.some(({ start, end, executable }) => executable && address >= start && address < end),
  );
