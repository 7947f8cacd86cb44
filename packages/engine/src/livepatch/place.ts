/**
 * Step 4, first half: an address range for the hotpatch within reach of its module.
 *
 * Jumps and references reach 2 GiB in both directions, from every byte of the module to every
 * byte of the hotpatch. Below the module comes first: above an executable grows its heap.
 */
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import type { Mapping } from "../process/maps.ts";

const REACH = 2 ** 31;
/** Never the lowest addresses: vm.mmap_min_addr keeps them free. */
const LOWEST = 0x10000;
/** Room that is left to every neighbour, so that overruns meet an unmapped page. */
const GUARD_SIZE = 0x10000;
/** Room that is left above the heap and below stacks, which grow. */
const GROWTH_SIZE = 2 ** 30;
const USER_SPACE_END = 0x7fff_ffff_f000;

/**
 * The free ranges' best place for `size` bytes near the module from `start` to `end`, or
 * undefined. `taken` are places that were tried already.
 */
export function choosePlace(request: {
  readonly mappings: readonly Mapping[];
  readonly start: VirtualAddr;
  readonly end: VirtualAddr;
  readonly size: number;
  readonly taken: readonly VirtualAddr[];
}): VirtualAddr | undefined {
  const { mappings, start, end, size, taken } = request;
  const lowest = Math.max(LOWEST, end - REACH + GUARD_SIZE);
  const highest = Math.min(USER_SPACE_END, start + REACH - GUARD_SIZE) - size;
  const candidates: number[] = [];
  let previousEnd = LOWEST;
  let previousGrowth = GUARD_SIZE;
  for (const next of [...mappings, undefined]) {
    const nextStart = next?.start ?? USER_SPACE_END;
    const room = next?.path === "[stack]" ? GROWTH_SIZE : GUARD_SIZE;
    const first = Math.max(lowest, previousEnd + previousGrowth);
    const last = Math.min(highest, nextStart - room - size);
    if (first <= last) candidates.push(last, first);
    if (next === undefined) break;
    previousEnd = next.end;
    previousGrowth = next.path === "[heap]" ? GROWTH_SIZE : GUARD_SIZE;
  }
  const distance = (place: number): number =>
    place < start ? start - place : (place - end + GUARD_SIZE) * 16;
  const free = candidates.filter((place) => !taken.includes(virtualAddr(place)));
  free.sort((a, b) => distance(a) - distance(b));
  return free[0] === undefined ? undefined : virtualAddr(free[0]);
}
