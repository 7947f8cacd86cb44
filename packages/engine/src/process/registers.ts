/**
 * The general registers of a stopped thread, as PTRACE_GETREGS stores them
 * (struct user_regs_struct, arch/x86/include/asm/user_64.h): 27 fields of 64 bits.
 */
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { type Area, createArea } from "./libc.ts";

/** The index of each field. */
export const USER_REGS = {
  r15: 0,
  r14: 1,
  r13: 2,
  r12: 3,
  rbp: 4,
  rbx: 5,
  r11: 6,
  r10: 7,
  r9: 8,
  r8: 9,
  rax: 10,
  rcx: 11,
  rdx: 12,
  rsi: 13,
  rdi: 14,
  orig_rax: 15,
  rip: 16,
  cs: 17,
  eflags: 18,
  rsp: 19,
  fs_base: 21,
} as const;
export type RegisterName = keyof typeof USER_REGS;

export const USER_REGS_SIZE = 27 * 8;

/** Fields in DWARF order: rax rdx rcx rbx rsi rdi rbp rsp r8 to r15 and the return address. */
const DWARF_ORDER: readonly number[] = [10, 12, 11, 5, 13, 14, 4, 19, 9, 8, 7, 6, 3, 2, 1, 0, 16];

/** The code segment of 64-bit user code (__USER_CS). */
export const USER_CS_64 = 0x33;

const HIGH_MAX = 0x20_0000; // 2^53 / 2^32: larger values are no user addresses.

/**
 * One thread's registers in a shared buffer; nothing is copied until it is asked for.
 *
 * `words` are the 54 32-bit halves, lower half first.
 */
export class RegisterView {
  readonly words: Uint32Array;
  readonly address: bigint;

  constructor(words: Uint32Array, address: bigint) {
    this.words = words;
    this.address = address;
  }

  /** The field as an address, or NaN where it is too large to be one. */
  addressOf(name: RegisterName): number {
    return this.#at(USER_REGS[name]);
  }

  get rip(): VirtualAddr {
    return virtualAddr(this.#at(USER_REGS.rip));
  }

  get rsp(): VirtualAddr {
    return virtualAddr(this.#at(USER_REGS.rsp));
  }

  /** The field as a signed number; exact within 32 bits, which covers errors and call numbers. */
  signed(name: RegisterName): number {
    const at = USER_REGS[name] * 2;
    const high = (this.words[at + 1] as number) | 0;
    return high * 2 ** 32 + (this.words[at] as number);
  }

  /** The lower half of the field, as an int argument has it. */
  signed32(name: RegisterName): number {
    return (this.words[USER_REGS[name] * 2] as number) | 0;
  }

  big(name: RegisterName): bigint {
    const at = USER_REGS[name] * 2;
    return (BigInt(this.words[at + 1] as number) << 32n) | BigInt(this.words[at] as number);
  }

  /** Writes an address or a small number; negative ones in two's complement. */
  set(name: RegisterName, value: number): void {
    const at = USER_REGS[name] * 2;
    this.words[at] = value >>> 0;
    this.words[at + 1] = Math.floor(value / 2 ** 32) >>> 0;
  }

  setBig(name: RegisterName, value: bigint): void {
    const at = USER_REGS[name] * 2;
    this.words[at] = Number(value & 0xffff_ffffn);
    this.words[at + 1] = Number((value >> 32n) & 0xffff_ffffn);
  }

  /** A copy of all fields, for `restore`. */
  copy(): Uint32Array {
    return this.words.slice();
  }

  restore(copy: Uint32Array): void {
    this.words.set(copy);
  }

  /** Writes the 17 registers of DWARF numbering into `into`; NaN for what is no address. */
  toDwarf(into: Float64Array): void {
    for (let index = 0; index < 17; index++) into[index] = this.#at(DWARF_ORDER[index] as number);
  }

  #at(field: number): number {
    const high = this.words[field * 2 + 1] as number;
    return high >= HIGH_MAX ? Number.NaN : high * 2 ** 32 + (this.words[field * 2] as number);
  }
}

const VIEWS_PER_AREA = 64;

/** Buffers for the registers of many threads, in few allocations. */
export class RegisterPool {
  readonly #areas: Area[] = [];
  #used = 0;

  next(): RegisterView {
    const slot = this.#used++ % VIEWS_PER_AREA;
    if (slot === 0) this.#areas.push(createArea(VIEWS_PER_AREA * USER_REGS_SIZE));
    const area = this.#areas[this.#areas.length - 1] as Area; // The line above made one.
    const start = slot * USER_REGS_SIZE;
    return new RegisterView(
      area.words.subarray(start / 4, (start + USER_REGS_SIZE) / 4),
      area.address + BigInt(start),
    );
  }
}
