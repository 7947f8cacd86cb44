/**
 * Accesses to thread-local variables that the linker made cheaper.
 *
 * When it knows that a variable belongs to the executable, or at least to a module that is there
 * from the start, it rewrites the sequences of psABI 11.1.2 in place, lengths unchanged:
 *
 *     General Dynamic   data16 lea x@tlsgd(%rip),%rdi; data16 data16 rex.W call __tls_get_addr
 *       -> Initial Exec   mov %fs:0,%rax; add x@gottpoff(%rip),%rax
 *       -> Local Exec     mov %fs:0,%rax; lea x@tpoff(%rax),%rax
 *     Local Dynamic     lea x@tlsld(%rip),%rdi; call __tls_get_addr
 *       -> Local Exec     data16 data16 data16 mov %fs:0,%rax
 *     Initial Exec      mov x@gottpoff(%rip),%reg  |  add x@gottpoff(%rip),%reg
 *       -> Local Exec     mov $x@tpoff,%reg        |  lea x@tpoff(%reg),%reg or add $x@tpoff,%reg
 */
import { R_X86_64, type Relocation } from "../elf/relocation.ts";
import {
  fact,
  registerOfField,
  registerOfOperand,
  type Step,
  type StepRequest,
} from "./match-facts.ts";

const LOAD_THREAD_POINTER = [0x64, 0x48, 0x8b, 0x04, 0x25, 0, 0, 0, 0];
const GENERAL_DYNAMIC_SIZE = 16;

/** The step over a rewritten access, or undefined when this is none. */
export function relaxedThreadLocal(request: StepRequest, relocation: Relocation): Step | undefined {
  switch (relocation.type) {
    case R_X86_64.R_X86_64_TLSGD:
      return relaxedGeneralDynamic(request, relocation);
    case R_X86_64.R_X86_64_TLSLD:
      return relaxedLocalDynamic(request);
    case R_X86_64.R_X86_64_GOTTPOFF:
      return relaxedInitialExec(request, relocation);
    default:
      return undefined;
  }
}

function startsWith(bytes: Uint8Array, at: number, pattern: readonly number[]): boolean {
  return pattern.every((byte, position) => bytes[at + position] === byte);
}

function relaxedGeneralDynamic(request: StepRequest, relocation: Relocation): Step | undefined {
  const { pre, own, i, other, linked, address } = request;
  const call = pre.instructions[i + 1];
  if (call === undefined || call.end - own.offset !== GENERAL_DYNAMIC_SIZE) return undefined;
  if (!startsWith(linked, other.offset, LOAD_THREAD_POINTER)) return undefined;
  const second = other.offset + LOAD_THREAD_POINTER.length;
  const view = new DataView(linked.buffer, linked.byteOffset, linked.byteLength);
  if (second + 7 > linked.length) return undefined;
  const field = view.getInt32(second + 3, true);
  const step = { objectCount: 2, linkedCount: 2 };
  if (startsWith(linked, second, [0x48, 0x8d, 0x80])) {
    return { ...step, facts: [fact(relocation, own, "tls", field)] };
  }
  if (!startsWith(linked, second, [0x48, 0x03, 0x05])) return undefined;
  const value = address + second + 7 + field;
  return { ...step, facts: [fact(relocation, own, "tls-got-slot", value)] };
}

function relaxedLocalDynamic({ other, linked }: StepRequest): Step | undefined {
  const prefixes = linked.subarray(other.offset, other.end).findIndex((byte) => byte !== 0x66);
  if (prefixes < 3 || !startsWith(linked, other.offset + prefixes, LOAD_THREAD_POINTER)) {
    return undefined;
  }
  return { objectCount: 2, linkedCount: 1, facts: [] };
}

function relaxedInitialExec(request: StepRequest, relocation: Relocation): Step | undefined {
  const { pre, own, other, linked } = request;
  const ours = pre.bytes.subarray(own.offset, own.end);
  const theirs = linked.subarray(other.offset, other.end);
  const opcode = relocation.r_offset - own.offset - 2;
  const [from, to] = [ours[opcode], theirs[opcode]];
  const isMove = from === 0x8b && to === 0xc7;
  const isAdd = from === 0x03 && (to === 0x81 || to === 0x8d);
  if ((!isMove && !isAdd) || ours.length !== theirs.length) return undefined;
  if (registerOfField(ours, opcode) !== registerOfOperand(theirs, opcode)) return undefined;
  const view = new DataView(theirs.buffer, theirs.byteOffset, theirs.byteLength);
  const value = view.getInt32(theirs.length - 4, true);
  return { objectCount: 1, linkedCount: 1, facts: [fact(relocation, own, "tls", value)] };
}
