/**
 * Injected calls as a chain of signal frames on the thread's own stack, without any code of ours.
 *
 * When a signal handler ends, rt_sigreturn(2) takes all registers from the frame that the stack
 * pointer points to. It does not ask who made the frame (E. Bosman and H. Bos, "Framing Signals",
 * 2014). So each call is a frame whose registers are the call's, with the instruction pointer at a
 * `syscall; ret` that the process has anyway; the `ret` leads to the C library's rt_sigreturn, and
 * that to the next frame. The last frame has the thread's own registers:
 *
 *     lower addresses
 *     frame of call 1: rax, rdi ...; rip = syscall; ret      <- rsp of the thread, rip = rt_sigreturn
 *     address of rt_sigreturn                                <- rsp of call 1: `ret` takes it
 *     frame of call 2
 *     address of rt_sigreturn
 *     frame with all that the thread had
 *     the name, as a C string
 *     floating-point and vector registers, as XSAVE stores them
 *     128 bytes that belong to the function that was interrupted (psABI, the red zone)
 *     higher addresses
 *
 * Until the last frame all signals wait. A handler that runs before the first is below the frames.
 * Unwinders see what they know: the frames of handlers, down to the interrupted function.
 *
 * The stack below the red zone is dead memory, so nothing is left to clean up. The layout is that
 * of arch/x86/include/uapi/asm/{ucontext,sigcontext}.h.
 */
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import type { InjectedCall, ReturnPoint } from "./injected-call.ts";
import { type Area, createArea } from "./libc.ts";
import { type RegisterName, type RegisterView, USER_REGS } from "./registers.ts";
import { SIZE_WITHOUT_TILES, SW_BYTES, stateFeatures } from "./xsave.ts";

/** Code that the process has anyway. */
export interface Gadgets {
  /** `syscall; ret`. */
  readonly systemCall: VirtualAddr;
  /** `mov $15, %eax; syscall`. */
  readonly sigreturn: VirtualAddr;
}

/** struct ucontext: uc_flags, uc_link, uc_stack, uc_mcontext, uc_sigmask. */
const UC_SIZE = 304;
const UC_STACK_FLAGS = 24;
const UC_MCONTEXT = 40;
const UC_SIGMASK = 296;
/** UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS. */
const UC_FLAGS = 7;
/** No mode of sigaltstack(2): the kernel then leaves the thread's alternative stack alone. */
const INVALID_STACK_FLAGS = 4;
/** A frame and the address that the `ret` behind its call takes. */
const STRIDE = UC_SIZE + 8;
const RED_ZONE_SIZE = 128;
const STATE_ALIGNMENT = 64;

/** struct sigcontext: the registers in its order; behind them come segments and fpstate. */
const SIGCONTEXT: readonly RegisterName[] = [
  ...(["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"] as const),
  ...(["rdi", "rsi", "rbp", "rbx", "rdx", "rax", "rcx", "rsp", "rip", "eflags"] as const),
];
/** For each 32-bit half of those, where user_regs_struct has it. */
const FRAME_WORDS = SIGCONTEXT.flatMap((name) => [USER_REGS[name] * 2, USER_REGS[name] * 2 + 1]);
const RSP = offsetOf("rsp");
const RIP = offsetOf("rip");
const RAX = offsetOf("rax");
const SEGMENTS = UC_MCONTEXT + SIGCONTEXT.length * 8;
const FPSTATE = SEGMENTS + 8 + 4 * 8;
const USER_CS = 0x33;
const USER_SS = 0x2b;
const ARGUMENTS: readonly RegisterName[] = ["rdi", "rsi", "rdx", "r10", "r8", "r9"];

/** struct _fpx_sw_bytes, and the mark behind the state. */
const FP_XSTATE_MAGIC1 = 0x46505853;
const FP_XSTATE_MAGIC2 = 0x46505845;

/** The chain for some calls. What differs from thread to thread is filled in while it is stopped. */
export class SignalFrames {
  readonly #calls: readonly InjectedCall[];
  readonly #gadgets: Gadgets;
  readonly #area: Area;
  readonly #view: DataView;
  readonly #nameOffset: number;
  readonly #stateOffset: number;

  constructor(calls: readonly InjectedCall[], name: string, gadgets: Gadgets) {
    this.#calls = calls;
    this.#gadgets = gadgets;
    this.#nameOffset = calls.length * STRIDE + UC_SIZE;
    const bytes = new TextEncoder().encode(`${name}\0`);
    this.#stateOffset =
      Math.ceil((this.#nameOffset + bytes.length) / STATE_ALIGNMENT) * STATE_ALIGNMENT;
    this.#area = createArea(this.#stateOffset + SIZE_WITHOUT_TILES + 4);
    this.#area.bytes.fill(0); // So that the kernel has given the memory before a thread is stopped.
    this.#area.bytes.set(bytes, this.#nameOffset);
    this.#view = new DataView(this.#area.bytes.buffer);
    for (let index = 0; index <= calls.length; index++) this.#prepare(index);
  }

  /** The most bytes that the chain takes of the stack, the red zone included. */
  get sizeMax(): number {
    return this.#area.bytes.length + RED_ZONE_SIZE + STATE_ALIGNMENT;
  }

  get address(): bigint {
    return this.#area.address;
  }

  /** Where PTRACE_GETREGSET has to store the thread's NT_X86_XSTATE, SIZE_WITHOUT_TILES at most. */
  get stateAddress(): bigint {
    return this.#area.address + BigInt(this.#stateOffset);
  }

  /** Where PTRACE_GETSIGMASK has to store the thread's signal mask. */
  get maskAddress(): bigint {
    return this.#area.address + BigInt(this.#calls.length * STRIDE + UC_SIGMASK);
  }

  /**
   * Fills in a stopped thread whose state of `stateSize` bytes and signal mask are stored already.
   * Undefined where the thread's state cannot be described by a frame.
   */
  complete(
    registers: RegisterView,
    goOn: ReturnPoint,
    stateSize: number,
  ): { readonly start: VirtualAddr; readonly size: number } | undefined {
    if (!this.#markState(stateSize)) return undefined;
    const size = this.#stateOffset + stateSize + 4;
    const top = registers.rsp - RED_ZONE_SIZE - size;
    const start = virtualAddr(Math.floor(top / STATE_ALIGNMENT) * STATE_ALIGNMENT);
    for (let index = 0; index < this.#calls.length; index++) this.#place(index, start);
    const last = this.#calls.length * STRIDE;
    const { words } = this.#area;
    const first = (last + UC_MCONTEXT) / 4;
    for (let word = 0; word < FRAME_WORDS.length; word++) {
      words[first + word] = registers.words[FRAME_WORDS[word] as number] as number;
    }
    this.#setNumber(last + RIP, goOn.rip);
    this.#view.setBigUint64(last + RAX, goOn.rax, true);
    this.#setNumber(last + FPSTATE, start + this.#stateOffset);
    return { start, size };
  }

  /** What is the same for every thread. */
  #prepare(index: number): void {
    const at = index * STRIDE;
    this.#setNumber(at, UC_FLAGS);
    this.#setNumber(at + UC_STACK_FLAGS, INVALID_STACK_FLAGS);
    this.#view.setUint16(at + SEGMENTS, USER_CS, true);
    this.#view.setUint16(at + SEGMENTS + 6, USER_SS, true);
    const call = this.#calls[index];
    if (call === undefined) return;
    this.#view.setBigUint64(at + UC_SIGMASK, 0xffff_ffff_ffff_ffffn, true);
    this.#set(at, "rip", this.#gadgets.systemCall);
    this.#set(at, "rax", call.number);
    this.#setNumber(at + UC_SIZE, this.#gadgets.sigreturn);
    for (const [position, argument] of call.args.entries()) {
      if (argument !== "name") this.#set(at, ARGUMENTS[position] as RegisterName, argument);
    }
  }

  /** The addresses in the frame of one call, when the chain begins at `start`. */
  #place(index: number, start: VirtualAddr): void {
    const at = index * STRIDE;
    this.#setNumber(at + RSP, start + at + UC_SIZE);
    this.#setNumber(at + FPSTATE, start + this.#stateOffset);
    const args = (this.#calls[index] as InjectedCall).args;
    for (const [position, argument] of args.entries()) {
      if (argument !== "name") continue;
      this.#set(at, ARGUMENTS[position] as RegisterName, start + this.#nameOffset);
    }
  }

  /** Marks the state as the kernel marks what it stores for a handler; false where it cannot. */
  #markState(size: number): boolean {
    const at = this.#stateOffset;
    const view = this.#view;
    const features = stateFeatures(view, at, size);
    // The kernel has a place for tiles only in threads that asked for it; they are left out.
    if (!features?.endsBeforeTiles) return false;
    view.setUint32(at + SW_BYTES, FP_XSTATE_MAGIC1, true);
    view.setUint32(at + SW_BYTES + 4, size + 4, true);
    view.setUint32(at + SW_BYTES + 8, features.low, true);
    view.setUint32(at + SW_BYTES + 12, 0, true);
    view.setUint32(at + SW_BYTES + 16, size, true);
    view.setUint32(at + size, FP_XSTATE_MAGIC2, true);
    return true;
  }

  #set(frame: number, name: RegisterName, value: number): void {
    this.#setNumber(frame + offsetOf(name), value);
  }

  #setNumber(at: number, value: number): void {
    const { words } = this.#area;
    words[at / 4] = value >>> 0;
    words[at / 4 + 1] = Math.floor(value / 2 ** 32) >>> 0;
  }
}

function offsetOf(name: RegisterName): number {
  return UC_MCONTEXT + SIGCONTEXT.indexOf(name) * 8;
}
