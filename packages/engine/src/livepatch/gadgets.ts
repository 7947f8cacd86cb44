/**
 * Code of the process itself that injected calls need: `syscall; ret`, and rt_sigreturn.
 *
 * The dynamic loader and the C library have both. They are taken where unwind tables describe them
 * rightly only (the bytes may also lie inside longer instructions), so that a thread that is on such
 * a detour can be unwound like any other.
 */
import { fileAddr, toVirtualAddr, type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { REGISTER, REGISTER_COUNT } from "../dwarf/constants.ts";
import { addressBytes } from "../elf/file.ts";
import type { Gadgets } from "../process/signal-frames.ts";
import { createUnwinder, type Unwinder } from "../unwind/unwinder.ts";
import type { LoadedModule, ReadMemory } from "./loaded-module.ts";
import type { ProcessImage } from "./locate.ts";
import { unwindModules } from "./unwind-modules.ts";

const SYSCALL_RET = Uint8Array.from([0x0f, 0x05, 0xc3]);
/** mov $15, %rax; syscall. The shorter mov to %eax is used by some C libraries. */
const SIGRETURN = [
  Uint8Array.from([0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05]),
  Uint8Array.from([0xb8, 0x0f, 0, 0, 0, 0x0f, 0x05]),
];
const PT_LOAD = 1;
const PF_X = 1;
const TRIED_MAX = 64;

/** The first pair that the unwind tables describe, or undefined where there is none. */
export function findGadgets(image: ProcessImage, read: ReadMemory): Gadgets | undefined {
  const unwinder = createUnwinder(unwindModules(image, [], read));
  for (const bytes of SIGRETURN) {
    for (const sigreturn of findCode(image.modules, read, bytes)) {
      for (const systemCall of findCode(image.modules, read, SYSCALL_RET)) {
        if (isUnwound(unwinder, systemCall, sigreturn)) return { systemCall, sigreturn };
      }
    }
  }
  return undefined;
}

/** Where the bytes stand in code, TRIED_MAX places at most. */
function* findCode(
  modules: readonly LoadedModule[],
  read: ReadMemory,
  wanted: Uint8Array,
): Generator<VirtualAddr> {
  let count = 0;
  for (const module of modules) {
    for (const { p_type, p_flags, p_vaddr, p_filesz } of module.elf.segments) {
      if (p_type !== PT_LOAD || (p_flags & PF_X) === 0) continue;
      const bytes = addressBytes(module.elf, fileAddr(p_vaddr), p_filesz);
      if (bytes === undefined) continue;
      const code = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
      for (let at = code.indexOf(wanted); at >= 0; at = code.indexOf(wanted, at + 1)) {
        if (++count > TRIED_MAX) return;
        const address = toVirtualAddr(fileAddr(p_vaddr + at), module.bias);
        if (isEqual(read(address, wanted.length), wanted)) yield address;
      }
    }
  }
}

const isEqual = (found: Uint8Array | undefined, wanted: Uint8Array): boolean =>
  found !== undefined && Buffer.compare(found, wanted) === 0;

/** A made-up stack with the frames of one call: the walk must come out where they say. */
const STACK = 0x1000;
const BEHIND = { rip: 0x1234_5678, rsp: 0x2000 };
const UC_RSP = 40 + 15 * 8;
const UC_RIP = 40 + 16 * 8;

function isUnwound(unwinder: Unwinder, systemCall: VirtualAddr, sigreturn: VirtualAddr): boolean {
  const words = new Map<number, number>([
    [STACK, sigreturn],
    [STACK + 8 + UC_RSP, BEHIND.rsp],
    [STACK + 8 + UC_RIP, BEHIND.rip],
  ]);
  const registers = new Float64Array(REGISTER_COUNT).fill(Number.NaN);
  registers[REGISTER.rip] = systemCall;
  registers[REGISTER.rsp] = STACK;
  const { frames } = unwinder.unwind(registers, (address) => words.get(address) ?? Number.NaN);
  const [call, trampoline, interrupted] = frames;
  return (
    call?.cfa === virtualAddr(STACK + 8) &&
    trampoline?.signal === true &&
    trampoline.pc === sigreturn &&
    trampoline.cfa === virtualAddr(BEHIND.rsp) &&
    interrupted?.pc === virtualAddr(BEHIND.rip)
  );
}
