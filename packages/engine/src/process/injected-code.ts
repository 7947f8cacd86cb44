/**
 * Injected calls as a small piece of code that stands, for a moment, in unused bytes of a module.
 *
 *     mov rdi, NAME ; mov esi, 1 ; mov eax, 319 ; syscall     memfd_create
 *     ...
 *     movabs rax, VALUE ; movabs rcx, VALUE ; ...             nine registers
 *     jmp [rip] ; .quad WHERE
 *
 * The registers' values stand in the code as immediate operands, so it needs no stack and no data.
 * The flags do not change: there are only moves, and `syscall` keeps them.
 *
 * It works for every thread, but the page that it stands in becomes a private copy. signal-frames.ts
 * leaves nothing; this is for threads whose wait would not survive it.
 */
import type { VirtualAddr } from "../bytes/address.ts";
import type { InjectedCall, ReturnPoint } from "./injected-call.ts";
import { type Area, createArea } from "./libc.ts";
import { type RegisterName, type RegisterView, USER_REGS } from "./registers.ts";

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

/** movabs: prefix and opcode, then the value. */
const MOVE_OPCODE_SIZE = 2;
const MOVE_SIZE = 10;
const CALL_SIZE_MAX = 8 + 7 * MOVE_SIZE;
const RETURN_SIZE = 9 * MOVE_SIZE + 14;

/**
 * The code that makes `calls` in order and goes on as the thread would have, with the registers'
 * values still to be filled in: that alone is left to do while the thread is stopped.
 *
 * The code is position-independent; `nameAddress` is what stands for "name".
 */
export class InjectedCode {
  readonly size: number;
  readonly #area: Area;
  readonly #view: DataView;
  readonly #values: number;

  constructor(calls: readonly InjectedCall[], nameAddress: VirtualAddr) {
    const code: number[] = [];
    for (const call of calls) encodeCall(code, call, nameAddress);
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

/** An upper bound for the size of the code, for finding room before the values are known. */
export const encodedSizeMax = (calls: number): number => calls * CALL_SIZE_MAX + RETURN_SIZE;

function encodeCall(code: number[], call: InjectedCall, nameAddress: VirtualAddr): void {
  call.args.forEach((argument, index) => {
    const value = argument === "name" ? nameAddress : argument;
    moveNumber(code, ARGUMENT_CODES[index] as number, value);
  });
  moveNumber(code, RAX, call.number);
  code.push(0x0f, 0x05); // syscall
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

function pushLittleEndian(code: number[], value: bigint, size: number): void {
  for (let index = 0; index < size; index++)
    code.push(Number((value >> BigInt(8 * index)) & 0xffn));
}
