/**
 * The two ways to have a stopped thread make system calls and go on by itself.
 *
 * By signal frames on its own stack where that is possible: it needs no code of ours and leaves
 * nothing behind. By code in unused bytes of a module otherwise: a thread that waits in
 * nanosleep(2), say, would forget how long it still has to wait, for rt_sigreturn(2) drops the
 * kernel's record of it; and one on a stack of unknown kind has no room.
 */
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import type { Destination, InjectedCall, ReturnPoint } from "../process/injected-call.ts";
import { InjectedCode } from "../process/injected-code.ts";
import { type Libc, NT_X86_XSTATE, PTRACE } from "../process/libc.ts";
import type { ProcessMemory } from "../process/memory.ts";
import { type Gadgets, SignalFrames } from "../process/signal-frames.ts";
import type { Thread } from "../process/thread.ts";
import { SIZE_WITHOUT_TILES } from "../process/xsave.ts";
import type { SpareRoom } from "./spare-room.ts";
import type { ThreadStacks } from "./thread-stacks.ts";

const SIGSET_SIZE = 8;

export interface InjectionMethod {
  /** The unused bytes that it occupies, to be cleared afterwards. */
  readonly room: SpareRoom | undefined;
  /** Writes what the stopped thread needs, or undefined where it cannot be used this way. */
  readonly prepare: (thread: Thread, goOn: ReturnPoint) => Destination | undefined;
}

export class FrameInjection implements InjectionMethod {
  readonly room = undefined;
  readonly #libc: Libc;
  readonly #memory: ProcessMemory;
  readonly #stacks: ThreadStacks;
  readonly #gadgets: Gadgets;
  readonly #frames: SignalFrames;

  constructor(
    process: { readonly libc: Libc; readonly memory: ProcessMemory; readonly stacks: ThreadStacks },
    gadgets: Gadgets,
    request: { readonly calls: readonly InjectedCall[]; readonly name: string },
  ) {
    this.#libc = process.libc;
    this.#memory = process.memory;
    this.#stacks = process.stacks;
    this.#gadgets = gadgets;
    this.#frames = new SignalFrames(request.calls, request.name, gadgets);
  }

  prepare(thread: Thread, goOn: ReturnPoint): Destination | undefined {
    const { tid, registers } = thread;
    const frames = this.#frames;
    if (goOn.keepsRestartBlock) return undefined;
    if (!this.#stacks.hasRoom(registers, frames.sizeMax)) return undefined;
    const libc = this.#libc;
    const mask = libc.ptrace(PTRACE.PTRACE_GETSIGMASK, tid, SIGSET_SIZE, frames.maskAddress);
    const size = libc.registerSet(tid, NT_X86_XSTATE, frames.stateAddress, SIZE_WITHOUT_TILES);
    if (mask < 0 || size < 0) return undefined;
    const placed = frames.complete(registers, goOn, size);
    if (placed === undefined) return undefined;
    if (!this.#memory.writeArea(placed.start, frames.address, placed.size)) return undefined;
    thread.callFrames = { start: placed.start, end: virtualAddr(placed.start + placed.size) };
    return { rip: this.#gadgets.sigreturn, rsp: placed.start };
  }
}

export class CodeInjection implements InjectionMethod {
  readonly room: SpareRoom;
  readonly #memory: ProcessMemory;
  readonly #code: InjectedCode;
  readonly #at: VirtualAddr;

  constructor(
    memory: ProcessMemory,
    room: SpareRoom,
    request: { readonly calls: readonly InjectedCall[]; readonly name: string },
  ) {
    this.room = room;
    this.#memory = memory;
    const name = new TextEncoder().encode(`${request.name}\0`);
    this.#code = new InjectedCode(request.calls, room.address);
    this.#at = virtualAddr(room.address + name.length);
    // Also so that the page is the process's own before a thread is stopped.
    memory.write(room.address, name);
    memory.writeArea(this.#at, this.#code.address, this.#code.size);
  }

  prepare({ registers }: Thread, goOn: ReturnPoint): Destination | undefined {
    const { address, size } = this.room;
    if (address <= registers.rip && registers.rip < address + size) return undefined;
    this.#code.complete(registers, goOn);
    const written = this.#memory.writeArea(this.#at, this.#code.address, this.#code.size);
    return written ? { rip: this.#at } : undefined;
  }
}
