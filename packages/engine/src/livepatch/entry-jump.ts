/**
 * The jump that redirects a function at its entry.
 *
 *     f3 0f 1e fa        endbr64, kept: indirect calls may insist on it
 *     e9 xx xx xx xx     jmp NEW
 *
 * No register is used, for callers may rely on registers that the original left alone
 * (-fipa-ra). A function shorter than the jump gives way only when what follows it, up to the
 * next function, is padding.
 */
import { createRequire } from "node:module";
import type * as Iced from "iced-x86";
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";

/** Loaded when the first short function needs it: it takes 9 MiB. */
const loadDecoder = (): typeof Iced => createRequire(import.meta.url)("iced-x86");

const ENDBR64 = [0xf3, 0x0f, 0x1e, 0xfa];
export const JUMP_SIZE = 5;

export interface EntryJump {
  readonly address: VirtualAddr;
  readonly original: Uint8Array;
  readonly after: Uint8Array;
}

/**
 * The jump for a function of `size` bytes whose code, with at least 9 bytes from its entry on,
 * is `code`; undefined where there is no room for it. `to` must be within reach.
 */
export function planEntryJump(request: {
  readonly entry: VirtualAddr;
  readonly size: number;
  readonly code: Uint8Array;
  readonly to: VirtualAddr;
}): EntryJump | undefined {
  const { entry, size, code, to } = request;
  const skip = ENDBR64.every((byte, index) => code[index] === byte) ? ENDBR64.length : 0;
  const end = skip + JUMP_SIZE;
  if (code.length < end) return undefined;
  if (end > size && !isPadding(code.subarray(size, end), code.subarray(size))) return undefined;
  const address = virtualAddr(entry + skip);
  const after = new Uint8Array(JUMP_SIZE);
  after[0] = 0xe9;
  new DataView(after.buffer).setInt32(1, to - (address + JUMP_SIZE), true);
  return { address, original: code.slice(skip, end), after };
}

/** True when instructions that do nothing (nop, int3) cover at least `needed`. */
function isPadding(needed: Uint8Array, behind: Uint8Array): boolean {
  const { Code, Decoder, DecoderOptions } = loadDecoder();
  const padding = [Code.Int3, Code.Nopw, Code.Nopd, Code.Nop_rm16, Code.Nop_rm32, Code.Nop_rm64];
  const decoder = new Decoder(64, behind, DecoderOptions.None);
  try {
    while (decoder.position < needed.length) {
      if (!decoder.canDecode) return false;
      const instruction = decoder.decode();
      const { code } = instruction;
      instruction.free();
      if (!padding.includes(code)) return false;
    }
    return true;
  } finally {
    decoder.free();
  }
}
