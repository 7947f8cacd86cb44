/**
 * Which registers code reads and writes: what gcc's inter-procedural register allocation knows.
 *
 * With -fipa-ra (on at -O2) a caller keeps values in caller-saved registers across a call when
 * the compiler saw that the callee leaves them alone. These sets tell what a function leaves
 * alone. A set is one number: bits 0 to 15 are rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8 to r15,
 * bits 16 to 31 the vector registers 0 to 15. Flags, x87, mask and upper vector registers are
 * never kept across calls by gcc.
 */
import {
  Decoder,
  DecoderOptions,
  Instruction,
  type InstructionInfo,
  InstructionInfoFactory,
  Mnemonic,
  OpAccess,
  Register,
  RegisterExt,
  type UsedRegister,
} from "iced-x86";

export type RegisterSet = number;

export interface RegisterUse {
  readonly reads: RegisterSet;
  /** Also what is written under a condition only. */
  readonly writes: RegisterSet;
  /** What surely holds a new value afterwards. */
  readonly kills: RegisterSet;
}

const bit = (position: number): RegisterSet => (1 << position) >>> 0;
const setOf = (...positions: readonly number[]): RegisterSet =>
  positions.reduce((set, position) => (set | bit(position)) >>> 0, 0);

const RAX = 0;
const RCX = 1;
const RDX = 2;
const RSI = 6;
const RDI = 7;
const XMM0 = 16;

/** Registers that a function may change by the psABI (figure 3.4). */
export const CALLER_SAVED: RegisterSet =
  (setOf(RAX, RCX, RDX, RSI, RDI, 8, 9, 10, 11) | 0xffff_0000) >>> 0;
/** Registers in which functions return values. */
export const RETURN_REGISTERS: RegisterSet = setOf(RAX, RDX, XMM0, XMM0 + 1);
/** Registers in which functions take parameters, `%al` for variadic ones left out. */
export const ARGUMENT_REGISTERS: RegisterSet =
  (setOf(RDI, RSI, RDX, RCX, 8, 9) | 0x00ff_0000) >>> 0;

/** What each instruction of the code does to registers, in the order of decodeCode. */
export function registerUses(bytes: Uint8Array): RegisterUse[] {
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  const instruction = new Instruction();
  const factory = new InstructionInfoFactory();
  try {
    const uses: RegisterUse[] = [];
    while (decoder.canDecode) {
      decoder.decodeOut(instruction);
      const info = factory.info(instruction);
      // Saving a register on the stack, as is done to align it, does not use the value.
      uses.push(collectUses(info, instruction.mnemonic === Mnemonic.Push));
      info.free();
    }
    return uses;
  } finally {
    factory.free();
    instruction.free();
    decoder.free();
  }
}

function collectUses(info: InstructionInfo, isPush: boolean): RegisterUse {
  let reads = 0;
  let writes = 0;
  let kills = 0;
  const registers: readonly UsedRegister[] = info.usedRegisters();
  for (const used of registers) {
    const position = positionOf(used.register);
    const { access } = used;
    used.free();
    if (position === undefined) continue;
    if (READS.has(access) && !isPush) reads |= bit(position);
    if (WRITES.has(access)) writes |= bit(position);
    if (access === OpAccess.Write || access === OpAccess.ReadWrite) kills |= bit(position);
  }
  return { reads: reads >>> 0, writes: writes >>> 0, kills: kills >>> 0 };
}

const READS: ReadonlySet<OpAccess> = new Set([
  OpAccess.Read,
  OpAccess.CondRead,
  OpAccess.ReadWrite,
  OpAccess.ReadCondWrite,
]);
const WRITES: ReadonlySet<OpAccess> = new Set([
  OpAccess.Write,
  OpAccess.CondWrite,
  OpAccess.ReadWrite,
  OpAccess.ReadCondWrite,
]);

function positionOf(register: Register): number | undefined {
  const full = RegisterExt.fullRegister(register);
  if (full >= Register.RAX && full <= Register.R15) return full - Register.RAX;
  if (full >= Register.ZMM0 && full <= Register.ZMM15) return XMM0 + full - Register.ZMM0;
  return undefined;
}

/** The registers of a set as people read them. */
export function describeRegisters(set: RegisterSet): string {
  const names = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split(" ");
  return Array.from({ length: 32 }, (_, position) => position)
    .filter((position) => (set & bit(position)) !== 0)
    .map((position) => names[position] ?? `xmm${position - XMM0}`)
    .join(", ");
}
