/** One step of run-pre matching: an instruction of the object and its linked counterpart. */
import { formatAddress } from "../bytes/address.ts";
import { STT } from "../elf/constants.ts";
import { R_X86_64, type Relocation, relocationName } from "../elf/relocation.ts";
import { fieldSize } from "./fields.ts";
import {
  type Different,
  type FactKind,
  fact,
  type MatchFact,
  registerOfField,
  registerOfOperand,
  type Step,
  type StepRequest,
} from "./match-facts.ts";
import { relaxedThreadLocal } from "./match-tls.ts";

/** Compares two instructions; a step may take more than one where a sequence was rewritten. */
export function pairInstructions(request: StepRequest): Step | Different {
  const { pre, own, other } = request;
  const [relocation, ...others] = pre.relocations.filter(
    ({ r_offset }) => r_offset >= own.offset && r_offset < own.end,
  );
  if (relocation === undefined) return pairPlain(request);
  if (others.length > 0) return pairRelocated(request, [relocation, ...others]);
  const relaxed = relaxedThreadLocal(request, relocation) ?? relaxedSlot(request, relocation);
  if (relaxed !== undefined) return relaxed;
  if (own.target !== undefined) {
    if (other.target === undefined || own.mnemonic !== other.mnemonic) return different(request);
    return one(fact(relocation, own, "call", request.address + other.target));
  }
  return pairRelocated(request, [relocation]);
}

const one = (...facts: readonly MatchFact[]): Step => ({ objectCount: 1, linkedCount: 1, facts });

function different({ address, other }: StepRequest): Different {
  return { mismatch: `another instruction at ${formatAddress(address + other.offset)}` };
}

function pairPlain(request: StepRequest): Step | Different {
  const { pre, own, other, linked, address, context } = request;
  if (own.target !== undefined) {
    if (other.target === undefined || own.mnemonic !== other.mnemonic) return different(request);
    if (own.target >= 0 && own.target < pre.bytes.length) {
      return { ...one(), branch: { object: own.target, linked: other.target } };
    }
    // Without function sections the assembler itself resolves calls within .text.
    const place = pre.symbol.st_value + own.target;
    const callee = context.symbols.find(
      ({ st_shndx, st_value, type }) =>
        st_shndx === pre.symbol.st_shndx && st_value === place && type === STT.STT_FUNC,
    );
    if (callee === undefined) return { mismatch: "a branch out of the function to no symbol" };
    const value = address + other.target;
    return one({ symbolIndex: callee.index, addend: 0, kind: "call", value });
  }
  const isSame = sameBytes(
    pre.bytes.subarray(own.offset, own.end),
    linked.subarray(other.offset, other.end),
    own.displacement === undefined ? 0 : own.displacement - own.offset,
    own.displacement === undefined ? 0 : 4,
  );
  if (!isSame) return different(request);
  if (own.ipRelative === undefined || other.ipRelative === undefined) return one();
  return { ...one(), branch: { object: own.ipRelative, linked: other.ipRelative } };
}

function sameBytes(a: Uint8Array, b: Uint8Array, skip: number, skipSize: number): boolean {
  return (
    a.length === b.length &&
    a.every((byte, at) => byte === b[at] || (at >= skip && at < skip + skipSize))
  );
}

/** An instruction whose linked form differs in its relocated fields only. */
function pairRelocated(request: StepRequest, relocations: readonly Relocation[]): Step | Different {
  const { pre, own, other, linked } = request;
  const ours = Uint8Array.from(pre.bytes.subarray(own.offset, own.end));
  const theirs = Uint8Array.from(linked.subarray(other.offset, other.end));
  if (ours.length !== theirs.length) return different(request);
  const view = new DataView(theirs.buffer);
  const facts: MatchFact[] = [];
  for (const relocation of relocations) {
    const found = factOf(request, relocation, view);
    if (found === undefined) {
      const name = relocationName(relocation.type);
      return { mismatch: `a relocation that is not matched: ${name}` };
    }
    facts.push(found);
  }
  for (const { r_offset, type } of relocations) {
    const at = r_offset - own.offset;
    ours.fill(0, at, at + fieldSize(type));
    theirs.fill(0, at, at + fieldSize(type));
  }
  return sameBytes(ours, theirs, 0, 0) ? one(...facts) : different(request);
}

/** What one relocated field says; undefined for a type that compilers do not put into code. */
function factOf(
  { own, other, address }: StepRequest,
  relocation: Relocation,
  view: DataView,
): MatchFact | undefined {
  const { r_offset, type, r_addend, symbolIndex } = relocation;
  const at = r_offset - own.offset;
  if (at + fieldSize(type) > view.byteLength) return undefined;
  const relative = (kind: FactKind): MatchFact =>
    fact(relocation, own, kind, address + other.end + view.getInt32(at, true));
  const direct = (kind: FactKind, value: number): MatchFact => ({
    ...{ symbolIndex, addend: r_addend, kind, value },
  });
  switch (type) {
    case R_X86_64.R_X86_64_PC32:
    case R_X86_64.R_X86_64_PLT32:
    case R_X86_64.R_X86_64_GOTPC32:
      return relative("address");
    case R_X86_64.R_X86_64_GOTPCREL:
    case R_X86_64.R_X86_64_GOTPCRELX:
    case R_X86_64.R_X86_64_REX_GOTPCRELX:
      return relative("got-slot");
    case R_X86_64.R_X86_64_GOTTPOFF:
      return relative("tls-got-slot");
    case R_X86_64.R_X86_64_TLSGD:
    case R_X86_64.R_X86_64_TLSLD:
      return relative("tls-index-slot");
    case R_X86_64.R_X86_64_32:
      return direct("address", view.getUint32(at, true));
    case R_X86_64.R_X86_64_32S:
      return direct("address", view.getInt32(at, true));
    case R_X86_64.R_X86_64_64:
      return direct("address", Number(view.getBigInt64(at, true)));
    case R_X86_64.R_X86_64_TPOFF32:
      return direct("tls", view.getInt32(at, true));
    case R_X86_64.R_X86_64_DTPOFF32: {
      const value = view.getInt32(at, true);
      // Offsets from the thread pointer are negative, those from a block's start are not.
      return direct(value < 0 ? "tls" : "tls-module-offset", value);
    }
    default:
      return undefined;
  }
}

const SLOTS: ReadonlySet<number> = new Set([
  R_X86_64.R_X86_64_GOTPCREL,
  R_X86_64.R_X86_64_GOTPCRELX,
  R_X86_64.R_X86_64_REX_GOTPCRELX,
]);

/** An access through the GOT that the linker made direct (psABI, B.2). */
function relaxedSlot(request: StepRequest, relocation: Relocation): Step | undefined {
  if (!SLOTS.has(relocation.type)) return undefined;
  const { pre, own, run, other, linked, address } = request;
  const ours = pre.bytes.subarray(own.offset, own.end);
  const theirs = linked.subarray(other.offset, other.end);
  const isIndirectBranch = ours[0] === 0xff && (ours[1] === 0x15 || ours[1] === 0x25);
  if (isIndirectBranch) {
    const wanted = ours[1] === 0x15 ? "call" : "branch";
    if (other.target === undefined || other.flow !== wanted) return undefined;
    const next = run[run.indexOf(other) + 1];
    const isPadded = next?.filler === true && next.end - own.end === other.offset - own.offset;
    return {
      ...one(fact(relocation, own, "call", address + other.target)),
      linkedCount: isPadded ? 2 : 1,
    };
  }
  if (ours.length !== theirs.length) return undefined;
  const opcode = relocation.r_offset - own.offset - 2;
  const view = new DataView(theirs.buffer, theirs.byteOffset, theirs.byteLength);
  const isLoad = ours[opcode] === 0x8b;
  if (isLoad && theirs[opcode] === 0x8d && ours[opcode + 1] === theirs[opcode + 1]) {
    return one(
      fact(
        relocation,
        own,
        "address",
        other.ipRelative === undefined ? Number.NaN : address + other.ipRelative,
      ),
    );
  }
  // In code at fixed addresses: mov $foo,%reg; test %reg,$foo; add $foo,%reg and its kin.
  const immediate = theirs[opcode] ?? 0;
  const isImmediate =
    (isLoad && immediate === 0xc7) ||
    (ours[opcode] === 0x85 && immediate === 0xf7) ||
    (!isLoad && immediate === 0x81);
  if (!isImmediate || registerOfField(ours, opcode) !== registerOfOperand(theirs, opcode)) {
    return undefined;
  }
  const value = view.getInt32(theirs.length - 4, true);
  return one(fact(relocation, own, "address", value));
}
