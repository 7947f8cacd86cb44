import { readFileSync } from "node:fs";
import { fileAddr, loadBias, type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { createReader } from "../bytes/reader.ts";
import { unwindTables } from "../dwarf/unwind-tables.ts";
import { PF, PT, SIZE } from "../elf/constants.ts";
import { type ElfFile, parseElf, parseElfImage } from "../elf/file.ts";
import { type Note, parseNotes } from "../elf/note.ts";
import type { MemoryReader, Registers, UnwindModule } from "./unwinder.ts";

/** What a core file holds of a process that the unwinder needs. */
export interface Core {
  readonly threads: readonly { readonly tid: number; readonly registers: Registers }[];
  readonly modules: readonly UnwindModule[];
  readonly memory: MemoryReader;
}

interface Load {
  readonly start: number;
  readonly offset: number;
  readonly size: number;
}

const NT_PRSTATUS = 1;
const NT_AUXV = 6;
const NT_FILE = 0x4649_4c45;
const AT_SYSINFO_EHDR = 33;

/** DWARF numbers in the order of the kernel's user_regs_struct; -1 is no such register. */
const KERNEL_ORDER = [15, 14, 13, 12, 6, 3, 11, 10, 9, 8, 0, 2, 1, 4, 5, -1, 16, -1, -1, 7];
const PRSTATUS_PID = 32;
const PRSTATUS_REGISTERS = 112;

/**
 * Reads a core file of gdb's gcore. parseElf would refuse it: the kernel's vsyscall page, which
 * it lists, lies beyond 2^53.
 */
export function readCore(path: string): Core {
  const bytes = new Uint8Array(readFileSync(path));
  const reader = createReader(bytes, "core file");
  const loads: Load[] = [];
  const notes: Note[] = [];
  for (let index = 0; index < reader.u16(56); index++) {
    const at = reader.u64(32) + index * SIZE.phdr;
    const [offset, size] = [reader.u64(at + 8), reader.u64(at + 32)];
    const start = reader.u64big(at + 16);
    if (reader.u32(at) === PT.PT_NOTE) notes.push(...parseNotes(reader.bytes(offset, size), 4));
    else if (start < 2n ** 53n) loads.push({ start: Number(start), offset, size });
  }
  const vdso = vdsoAt(notes);
  return {
    threads: notes.filter(({ type, name }) => type === NT_PRSTATUS && name === "CORE").map(thread),
    modules: [
      ...mappedFiles(notes).flatMap(({ start, path: file }) =>
        unwindModules(file, start, parseElf(new Uint8Array(readFileSync(file)))),
      ),
      ...loads
        .filter(({ start }) => start === vdso)
        .flatMap(({ start, offset, size }) =>
          unwindModules("vdso", start, parseElfImage(bytes.slice(offset, offset + size))),
        ),
    ],
    memory: memoryOf(bytes, loads),
  };
}

function thread({ description }: Note): { tid: number; registers: Registers } {
  const reader = createReader(description, "NT_PRSTATUS");
  const registers = new Float64Array(17);
  KERNEL_ORDER.forEach((register, index) => {
    const value = reader.u64big(PRSTATUS_REGISTERS + index * 8);
    if (register >= 0) registers[register] = value < 2n ** 53n ? Number(value) : Number.NaN;
  });
  return { tid: reader.u32(PRSTATUS_PID), registers };
}

/** The files mapped from their beginning: count, page size, triples, then as many names. */
function mappedFiles(notes: readonly Note[]): { start: number; path: string }[] {
  const note = notes.find(({ type }) => type === NT_FILE);
  if (note === undefined) throw new Error("the core file lists no mapped files");
  const reader = createReader(note.description, "NT_FILE");
  const count = reader.u64(0);
  const files: { start: number; path: string }[] = [];
  let nameAt = 16 + count * 24;
  for (let index = 0; index < count; index++) {
    const path = reader.cstring(nameAt);
    nameAt += Buffer.byteLength(path) + 1;
    const at = 16 + index * 24;
    if (reader.u64(at + 16) === 0) files.push({ start: reader.u64(at), path });
  }
  return files;
}

function vdsoAt(notes: readonly Note[]): number | undefined {
  const note = notes.find(({ type }) => type === NT_AUXV);
  if (note === undefined) return undefined;
  const reader = createReader(note.description, "NT_AUXV");
  for (let at = 0; at + 16 <= reader.size; at += 16) {
    if (reader.u64(at) === AT_SYSINFO_EHDR) return reader.u64(at + 8);
  }
  return undefined;
}

/** One module for each executable segment of the file whose first page is at `start`. */
export function unwindModules(name: string, start: number, elf: ElfFile): UnwindModule[] {
  const tables = unwindTables(elf);
  const loads = elf.segments.filter(({ p_type }) => p_type === PT.PT_LOAD);
  const first = loads[0]?.p_vaddr ?? fileAddr(0);
  const bias = start - Math.floor(first / 4096) * 4096;
  if (tables === undefined) return [];
  return loads
    .filter(({ p_flags }) => (p_flags & PF.PF_X) !== 0)
    .map(({ p_vaddr, p_memsz }) => ({
      name,
      start: virtualAddr(p_vaddr + bias),
      end: virtualAddr(p_vaddr + p_memsz + bias),
      bias: loadBias(bias),
      ...tables,
    }));
}

function memoryOf(bytes: Uint8Array, loads: readonly Load[]): MemoryReader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return (address: VirtualAddr) => {
    for (const { start, offset, size } of loads) {
      if (!(address >= start && address + 8 <= start + size)) continue;
      const value = view.getBigUint64(offset + address - start, true);
      return value < 2n ** 53n ? Number(value) : Number.NaN;
    }
    return Number.NaN;
  };
}
