/**
 * Executable bytes that nothing uses: the end of the last page of a code segment.
 *
 * The kernel maps whole pages, so behind the segment's last byte up to the page's end lies what
 * the file holds there: zeros. The code of an injected call goes there for a moment.
 */
import { fileAddr, toVirtualAddr, type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import type { LoadedModule, ReadMemory } from "./loaded-module.ts";

const PAGE_SIZE = 4096;
const PT_LOAD = 1;
const PF_X = 1;
/** Kept free between the segment's last byte and the injected code. */
const DISTANCE = 16;

/** What an injected call writes first, so that left-over ones are known. */
export const ROOM_MARK = "suture:";

export interface SpareRoom {
  readonly address: VirtualAddr;
  readonly size: number;
}

/** The first module's room for `size` bytes, or undefined where no module has any. */
export function findSpareRoom(
  modules: readonly LoadedModule[],
  readMemory: ReadMemory,
  size: number,
): SpareRoom | undefined {
  for (const room of rooms(modules)) {
    // At the page's very end: right behind the vdso's code stand its section headers.
    const address = virtualAddr(Math.floor((room.address + room.size - size) / 16) * 16);
    if (address < room.address) continue;
    if (readMemory(address, size)?.every((byte) => byte === 0) === true) return { address, size };
  }
  return undefined;
}

/** Rooms that hold the code of an injected call whose command was killed. */
export function findUsedRooms(
  modules: readonly LoadedModule[],
  readMemory: ReadMemory,
): SpareRoom[] {
  return rooms(modules).flatMap(({ address, size }) => {
    const bytes = readMemory(address, size);
    const at = bytes === undefined ? -1 : Buffer.from(bytes).indexOf(ROOM_MARK, 0, "latin1");
    return at < 0 ? [] : [{ address: virtualAddr(address + at), size: size - at }];
  });
}

function rooms(modules: readonly LoadedModule[]): SpareRoom[] {
  const found: SpareRoom[] = [];
  for (const module of modules) {
    for (const segment of module.elf.segments) {
      if (segment.p_type !== PT_LOAD || (segment.p_flags & PF_X) === 0) continue;
      const end = toVirtualAddr(fileAddr(segment.p_vaddr + segment.p_filesz), module.bias);
      const address = virtualAddr(Math.ceil((end + DISTANCE) / 16) * 16);
      const pageEnd = Math.ceil(end / PAGE_SIZE) * PAGE_SIZE;
      const mapped = module.mappings.some(
        (mapping) => mapping.executable && mapping.start <= address && pageEnd <= mapping.end,
      );
      if (mapped && address + ROOM_MARK.length < pageEnd) {
        found.push({ address, size: pageEnd - address });
      }
    }
  }
  return found;
}
