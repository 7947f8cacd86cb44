/**
 * A function's instructions, as far as the passes need them.
 *
 * The decoder's objects live in WebAssembly memory and must be freed by hand, so they never leave
 * this file: what comes out are plain numbers.
 */
import { Code, Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic } from "iced-x86";

export interface CodeInstruction {
  /** Offset of the first byte, from the start of the decoded bytes. */
  readonly offset: number;
  /** Offset behind the last byte: what PC-relative operands are relative to. */
  readonly end: number;
  readonly flow: Flow;
  /** Where a direct branch goes, as an offset from the start of the bytes; may lie outside. */
  readonly target: number | undefined;
  /** Distinguishes conditional branches; equal for short and long encodings of one branch. */
  readonly mnemonic: number;
  /** What a RIP-relative memory operand addresses, as an offset like `target`. */
  readonly ipRelative: number | undefined;
  /** Where in the bytes the displacement of that operand stands. */
  readonly displacement: number | undefined;
  /** True for the fillers an assembler puts between functions and loops. */
  readonly filler: boolean;
}

export type Flow = "next" | "branch" | "conditional" | "call" | "return" | "indirect" | "stop";

/** Decodes x86-64 code; undecodable bytes become one instruction of one byte with flow `stop`. */
export function decodeCode(bytes: Uint8Array): CodeInstruction[] {
  const decoder = new Decoder(64, bytes, DecoderOptions.None);
  const instruction = new Instruction();
  try {
    const instructions: CodeInstruction[] = [];
    let offset = 0;
    while (decoder.canDecode) {
      decoder.decodeOut(instruction);
      const end = decoder.position;
      const displacement = instruction.isIpRelMemoryOperand
        ? offset + displacementOffset(decoder, instruction)
        : undefined;
      instructions.push({ ...describe(instruction, { offset, end }), displacement });
      offset = end;
    }
    return instructions;
  } finally {
    instruction.free();
    decoder.free();
  }
}

function describe(
  instruction: Instruction,
  range: { readonly offset: number; readonly end: number },
): Omit<CodeInstruction, "displacement"> {
  const flow = flowOf(instruction);
  const direct = flow === "branch" || flow === "conditional" || flow === "call";
  const near = direct && isNear(instruction);
  return {
    ...range,
    flow,
    target: near ? Number(BigInt.asIntN(64, instruction.nearBranchTarget)) : undefined,
    mnemonic: instruction.mnemonic,
    ipRelative: instruction.isIpRelMemoryOperand
      ? Number(BigInt.asIntN(64, instruction.ipRelMemoryAddress))
      : undefined,
    filler: instruction.mnemonic === Mnemonic.Nop || isExchangeWithItself(instruction),
  };
}

function displacementOffset(decoder: Decoder, instruction: Instruction): number {
  const offsets = decoder.getConstantOffsets(instruction);
  const offset = offsets.displacementOffset;
  offsets.free();
  return offset;
}

function isNear(instruction: Instruction): boolean {
  return (
    instruction.isJmpShortOrNear ||
    instruction.isJccShortOrNear ||
    instruction.isJcxShort ||
    instruction.isCallNear ||
    instruction.mnemonic === Mnemonic.Loop ||
    instruction.mnemonic === Mnemonic.Loope ||
    instruction.mnemonic === Mnemonic.Loopne
  );
}

/** `xchg %ax,%ax`, which assemblers write as a two-byte filler. */
function isExchangeWithItself(instruction: Instruction): boolean {
  return instruction.code === Code.Nopw || instruction.code === Code.Nopd;
}

function flowOf(instruction: Instruction): Flow {
  switch (instruction.flowControl) {
    case FlowControl.Next:
      return "next";
    case FlowControl.UnconditionalBranch:
      return "branch";
    case FlowControl.IndirectBranch:
      return "indirect";
    case FlowControl.ConditionalBranch:
      return "conditional";
    case FlowControl.Return:
      return "return";
    case FlowControl.Call:
    case FlowControl.IndirectCall:
      return "call";
    case FlowControl.Exception:
      return "stop";
    default:
      return "next";
  }
}
