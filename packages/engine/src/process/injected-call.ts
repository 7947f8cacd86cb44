/**
 * System calls made by the target itself, in a way that survives the death of the tracer.
 *
 * The usual way to inject a call (set the registers, step over a `syscall` instruction, put the
 * registers back) leaves a broken thread when the tracer is killed in between. Here a stopped
 * thread is sent once to a small piece of code that makes all the calls and then itself puts
 * back every register and jumps to where the thread was. From the moment it goes on nothing
 * more is needed from us, and the thread is away for some microseconds only.
 *
 * The registers' values stand in the code as immediate operands, so the code needs no stack and
 * no data. The flags do not change: there are only moves, and `syscall` keeps them.
 *
 *     mov eax, 319 ; mov rdi, NAME ; mov esi, 1 ; syscall     memfd_create
 *     mov r8, rax                                             keep its result
 *     ...                                                     mmap ..., close
 *     movabs rax, VALUE ; movabs rcx, VALUE ; ...             nine registers
 *     jmp [rip] ; .quad WHERE
 *
 * A thread stopped in a system call that the kernel would restart goes back to the `syscall`
 * instruction with the number of the call in rax, as the kernel does it (arch/x86/kernel/signal.c,
 * arch_do_signal_or_restart). Calls that go on with restart_syscall keep their remaining time.
 */
import type { VirtualAddr } from "../bytes/address.ts";
import { type Area, createArea } from "./libc.ts";
import { type RegisterName, type RegisterView, USER_CS_64, USER_REGS } from "./registers.ts";

/** An argument: a number, or what the call marked `keep` returned. */
export type Argument = number | "kept";

export interface InjectedCall {
  readonly number: number;
  readonly args: readonly Argument[];
  /** Keep the result (a file descriptor) as an argument of later calls. */
  readonly keep?: boolean;
}

export const SYSCALL = {
  mmap: 9,
  munmap: 11,
  madvise: 28,
  close: 3,
  restart_syscall: 219,
  memfd_create: 319,
} as const;

const ERESTARTSYS = 512;
const ERESTARTNOINTR = 513;
const ERESTARTNOHAND = 514;
const ERESTART_RESTARTBLOCK = 516;
const SYSCALL_SIZE = 2;

/** Where the thread goes on afterwards, and with which rax. */
export interface ReturnPoint {
  readonly rip: VirtualAddr;
  readonly rax: bigint;
}

/**
 * Where a stopped thread has to go on, or undefined where it must not be used for a call: it
 * runs 32-bit code, or its system call ended with EINTR for the process to see.
 */
export function returnPoint(registers: RegisterView): ReturnPoint | undefined {
  if (registers.signed("cs") !== USER_CS_64) return undefined;
  const rip = registers.rip;
  const back = (rip - SYSCALL_SIZE) as VirtualAddr;
  if (registers.signed("orig_rax") < 0) return { rip, rax: registers.big("rax") };
  switch (-registers.signed("rax")) {
    case ERESTARTSYS:
    case ERESTARTNOINTR:
    case ERESTARTNOHAND:
      return { rip: back, rax: registers.big("orig_rax") };
    case ERESTART_RESTARTBLOCK:
      return { rip: back, rax: BigInt(SYSCALL.restart_syscall) };
    case 4: // EINTR that was left because of a signal
      return undefined;
    default:
      return { rip, rax: registers.big("rax") };
  }
}

/** The registers that system calls take or change, in the order of the encoding's numbers. */
const CLOBBERED: readonly { readonly name: RegisterName; readonly code: number }[] = [
  { name: "rax", code: 0 },
  { name: "rcx", code: 1 },
  { name: "rdx", code: 2 },
  { name: "rsi", code: 6 },
  { name: "rdi", code: 7 },
  { name: "r8", code: 8 },
  { name: "r9", code: 9 },
  { name: "r10", code: 10 },
  { name: "r11", code: 11 },
];

const RAX = 0;
/** rdi, rsi, rdx, r10, r8, r9: the arguments of a system call. */
const ARGUMENT_CODES: readonly number[] = [7, 6, 2, 10, 8, 9];
/** Results are kept in r8, where mmap expects the file descriptor; no call changes it. */
const KEPT = 8;

/**
 * The code that makes `calls` in order and goes on as the thread would have, with the registers'
 * values still to be filled in: that alone is left to do while the thread is stopped.
 *
 * The code is position-independent. A `kept` result occupies r8, so calls between must not use
 * their fifth argument for anything else.
 */
export class InjectedCode {
  readonly size: number;
  readonly #area: Area;
  readonly #view: DataView;
  readonly #values: number;

  constructor(calls: readonly InjectedCall[]) {
    const code: number[] = [];
    for (const call of calls) encodeCall(code, call);
    this.#values = code.length;
    for (const { code: register } of CLOBBERED) moveBig(code, register, 0n);
    code.push(0xff, 0x25, 0, 0, 0, 0); // jmp [rip + 0]
    pushLittleEndian(code, 0n, 8);
    this.size = code.length;
    this.#area = createArea(code.length);
    this.#area.bytes.set(code);
    this.#view = new DataView(this.#area.bytes.buffer);
  }

  get address(): bigint {
    return this.#area.address;
  }

  /** Fills in where the stopped thread goes on, and with which registers. */
  complete(registers: RegisterView, goOn: ReturnPoint): void {
    let at = this.#values + MOVE_OPCODE_SIZE;
    for (const { name } of CLOBBERED) {
      const word = USER_REGS[name] * 2;
      this.#view.setUint32(at, registers.words[word] as number, true);
      this.#view.setUint32(at + 4, registers.words[word + 1] as number, true);
      at += MOVE_SIZE;
    }
    const rax = this.#values + MOVE_OPCODE_SIZE; // The first of CLOBBERED.
    this.#view.setBigUint64(rax, goOn.rax, true);
    this.#view.setUint32(this.size - 8, goOn.rip >>> 0, true);
    this.#view.setUint32(this.size - 4, Math.floor(goOn.rip / 2 ** 32), true);
  }
}

/** movabs: prefix and opcode, then the value. */
const MOVE_OPCODE_SIZE = 2;
const MOVE_SIZE = 10;

function encodeCall(code: number[], call: InjectedCall): void {
  call.args.forEach((argument, index) => {
    const target = ARGUMENT_CODES[index] as number;
    if (argument !== "kept") moveNumber(code, target, argument);
    else if (target !== KEPT) moveKept(code, target);
  });
  moveNumber(code, RAX, call.number);
  code.push(0x0f, 0x05); // syscall
  if (call.keep === true) code.push(0x49, 0x89, 0xc0); // mov r8, rax
}

/** An upper bound for the size of the code, for finding room before the values are known. */
export const encodedSizeMax = (calls: readonly InjectedCall[]): number =>
  calls.reduce((size, call) => size + 8 + 10 * (call.args.length + 1), 0) + 9 * 10 + 14;

/** Points the stopped thread at the code. orig_rax = -1: there is no call left to restart. */
export function redirect(registers: RegisterView, to: VirtualAddr): void {
  registers.set("rip", to);
  registers.set("orig_rax", -1);
}

function moveNumber(code: number[], register: number, value: number): void {
  if (value >= 0 && value <= 0xffff_ffff) {
    if (register >= 8) code.push(0x41);
    code.push(0xb8 + (register & 7)); // mov r32, imm32: the upper half becomes zero
    pushLittleEndian(code, BigInt(value), 4);
  } else {
    moveBig(code, register, BigInt.asUintN(64, BigInt(value)));
  }
}

function moveBig(code: number[], register: number, value: bigint): void {
  code.push(register >= 8 ? 0x49 : 0x48, 0xb8 + (register & 7)); // movabs r64, imm64
  pushLittleEndian(code, value, 8);
}

/** mov register, r8 */
function moveKept(code: number[], register: number): void {
  code.push(register >= 8 ? 0x4d : 0x4c, 0x89, 0xc0 + (register & 7));
}

function pushLittleEndian(code: number[], value: bigint, size: number): void {
  for (let index = 0; index < size; index++)
    code.push(Number((value >> BigInt(8 * index)) & 0xffn));
}
