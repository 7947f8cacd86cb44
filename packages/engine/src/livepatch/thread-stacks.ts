/**
 * Which memory below a stack pointer is dead: where a thread stands on a stack of its own.
 *
 * The kernel writes the frames of signal handlers there, and so do we. But a program may switch
 * stacks itself (coroutines, an alternative signal stack), and then other data may lie below. So
 * only two kinds of stack count: the process's first one, and one that ends in the thread control
 * block that fs points to, as the C library's threads have it.
 */
import type { VirtualAddr } from "../bytes/address.ts";
import type { Mapping } from "../process/maps.ts";
import type { RegisterView } from "../process/registers.ts";

/** How much stays free below what is written. */
const MARGIN = 4096;

export class ThreadStacks {
  readonly #stacks: readonly Mapping[];

  constructor(mappings: readonly Mapping[]) {
    this.#stacks = mappings.filter(
      ({ readable, writable, shared, inode }) => readable && writable && !shared && inode === 0,
    );
  }

  /** True when `size` bytes below the thread's stack pointer are dead memory of its stack. */
  hasRoom(registers: RegisterView, size: number): boolean {
    const { rsp } = registers;
    const stack = this.#at(rsp);
    if (stack === undefined || rsp - size - MARGIN < stack.start) return false;
    if (stack.path === "[stack]") return true;
    const block = registers.addressOf("fs_base");
    return rsp < block && block < stack.end;
  }

  #at(address: VirtualAddr): Mapping | undefined {
    let low = 0;
    let high = this.#stacks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const mapping = this.#stacks[middle] as Mapping;
      if (mapping.end <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.#stacks[low];
    return found !== undefined && found.start <= address ? found : undefined;
  }
}
