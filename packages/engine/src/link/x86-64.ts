/**
 * The relocation types of x86-64 as data: what is computed, and into which field it must fit.
 *
 * Formulas are spelled as the System V ABI, AMD64 supplement, table 4.9 ("Relocation Types")
 * spells them: S symbol, A addend, P place, G the symbol's slot from the start of the GOT, GOT its
 * address, L the PLT stub (or the function itself where a stub is not needed), Z the symbol's size;
 * `tpoff` and `dtpoff` are a thread-local variable's offsets from the thread pointer and in its
 * module's TLS segment (ELF Handling For Thread-Local Storage, section 3.4.6 and 4.4).
 */
import { R_X86_64 } from "../elf/relocation.ts";

export type Formula =
  | "none"
  | "S + A"
  | "S + A - P"
  | "L + A - P"
  | "Z + A"
  | "G + A"
  | "G + GOT + A - P"
  | "GOT + A - P"
  | "S + A - GOT"
  | "L + A - GOT"
  | "tpoff + A"
  | "dtpoff + A";

/**
 * What a slot of the GOT holds: an address; an offset from the thread pointer; the two words that
 * `__tls_get_addr` takes for one variable; the same for the start of a module's TLS segment.
 */
export type SlotKind = "address" | "tpoff" | "tls-variable" | "tls-module";

/** Words of eight bytes in a slot. */
export const SLOT_WORDS: Readonly<Record<SlotKind, number>> = {
  address: 1,
  tpoff: 1,
  "tls-variable": 2,
  "tls-module": 2,
};

/** `either`: the field is read as signed or unsigned, so both ranges fit. */
export type FieldRange = "signed" | "unsigned" | "either" | "wraps";

export interface RelocationRule {
  readonly formula: Formula;
  /** Of the field in bytes. */
  readonly size: 0 | 1 | 2 | 4 | 8;
  readonly range: FieldRange;
  readonly slot?: SlotKind;
}

const rule = (
  formula: Formula,
  size: RelocationRule["size"],
  range: FieldRange,
  slot?: SlotKind,
): RelocationRule => ({ formula, size, range, ...(slot && { slot }) });

const RULES: ReadonlyMap<number, RelocationRule> = new Map([
  [R_X86_64.R_X86_64_NONE, rule("none", 0, "wraps")],
  [R_X86_64.R_X86_64_64, rule("S + A", 8, "wraps")],
  [R_X86_64.R_X86_64_32, rule("S + A", 4, "unsigned")],
  [R_X86_64.R_X86_64_32S, rule("S + A", 4, "signed")],
  [R_X86_64.R_X86_64_16, rule("S + A", 2, "either")],
  [R_X86_64.R_X86_64_8, rule("S + A", 1, "either")],
  [R_X86_64.R_X86_64_PC64, rule("S + A - P", 8, "wraps")],
  [R_X86_64.R_X86_64_PC32, rule("S + A - P", 4, "signed")],
  [R_X86_64.R_X86_64_PC16, rule("S + A - P", 2, "signed")],
  [R_X86_64.R_X86_64_PC8, rule("S + A - P", 1, "signed")],
  [R_X86_64.R_X86_64_PLT32, rule("L + A - P", 4, "signed")],
  [R_X86_64.R_X86_64_PLTOFF64, rule("L + A - GOT", 8, "wraps")],
  [R_X86_64.R_X86_64_SIZE32, rule("Z + A", 4, "unsigned")],
  [R_X86_64.R_X86_64_SIZE64, rule("Z + A", 8, "wraps")],
  [R_X86_64.R_X86_64_GOT32, rule("G + A", 4, "signed", "address")],
  [R_X86_64.R_X86_64_GOT64, rule("G + A", 8, "wraps", "address")],
  [R_X86_64.R_X86_64_GOTPCREL, rule("G + GOT + A - P", 4, "signed", "address")],
  [R_X86_64.R_X86_64_GOTPCRELX, rule("G + GOT + A - P", 4, "signed", "address")],
  [R_X86_64.R_X86_64_REX_GOTPCRELX, rule("G + GOT + A - P", 4, "signed", "address")],
  [R_X86_64.R_X86_64_GOTPCREL64, rule("G + GOT + A - P", 8, "wraps", "address")],
  [R_X86_64.R_X86_64_GOTPC32, rule("GOT + A - P", 4, "signed")],
  [R_X86_64.R_X86_64_GOTPC64, rule("GOT + A - P", 8, "wraps")],
  [R_X86_64.R_X86_64_GOTOFF64, rule("S + A - GOT", 8, "wraps")],
  [R_X86_64.R_X86_64_TPOFF32, rule("tpoff + A", 4, "signed")],
  [R_X86_64.R_X86_64_TPOFF64, rule("tpoff + A", 8, "wraps")],
  [R_X86_64.R_X86_64_GOTTPOFF, rule("G + GOT + A - P", 4, "signed", "tpoff")],
  [R_X86_64.R_X86_64_TLSGD, rule("G + GOT + A - P", 4, "signed", "tls-variable")],
  [R_X86_64.R_X86_64_TLSLD, rule("G + GOT + A - P", 4, "signed", "tls-module")],
  [R_X86_64.R_X86_64_DTPOFF32, rule("dtpoff + A", 4, "signed")],
  [R_X86_64.R_X86_64_DTPOFF64, rule("dtpoff + A", 8, "wraps")],
]);

/**
 * How a relocation type is applied; undefined where it cannot be.
 *
 * R_X86_64_TLSDESC and R_X86_64_GOTPC32_TLSDESC are among the undefined: their resolver is the
 * dynamic linker's own. R_X86_64_GLOB_DAT and its kind have no place in an object.
 */
export const relocationRule = (type: number): RelocationRule | undefined => RULES.get(type);

/** Whether a value fits in the field: no relocation may lose bits silently. */
export function fits(value: number, rule: RelocationRule): boolean {
  if (rule.range === "wraps") return true;
  const span = 2 ** (rule.size * 8);
  const low = rule.range === "unsigned" ? 0 : -span / 2;
  const high = rule.range === "signed" ? span / 2 : span;
  return value >= low && value < high;
}

/**
 * Whether the four-byte field at `offset` is the displacement of a direct call or jump.
 *
 * Told by the byte before it: `e8` call, `e9` jmp, `0f 80`..`0f 8f` jcc. No other operand with a
 * four-byte displacement from the instruction pointer looks so, for it has a ModRM byte of the form
 * 00xxx101 there (Intel SDM volume 2, table 2-2).
 */
export function isBranchField(code: Uint8Array, offset: number): boolean {
  const last = code[offset - 1];
  if (last === undefined) return false;
  if (last === 0xe8 || last === 0xe9) return true;
  return (last & 0xf0) === 0x80 && code[offset - 2] === 0x0f;
}

/** Bytes of one PLT stub: `jmp *slot(%rip)` and two bytes of int3. */
export const STUB_SIZE = 8;

/** Writes the stub that stands at `stub` and jumps to where the slot at `slot` says. */
export function writeStub(code: DataView, at: number, distance: { stub: number; slot: number }) {
  code.setUint16(at, 0xff25, false);
  code.setInt32(at + 2, distance.slot - (distance.stub + 6), true);
  code.setUint16(at + 6, 0xcccc, false);
}

/** The size of what `stubUnwindTable` gives. */
export const STUB_UNWIND_SIZE = 48;

/**
 * A CIE and an FDE for the stubs, so that a thread found in one can be unwound.
 *
 * A stub never moves the stack: the frame is at rsp + 8 and the return address just below it
 * (DWARF 5 section 6.4; LSB 5.0 section 10.6 for `zR` and pointer encoding 0x1b, pcrel | sdata4).
 */
export function stubUnwindTable(address: {
  table: number;
  stubs: number;
  size: number;
}): Uint8Array {
  const bytes = new Uint8Array(STUB_UNWIND_SIZE);
  const view = new DataView(bytes.buffer);
  // CIE: version 1, "zR", code alignment 1, data alignment -8, return address in column 16;
  // DW_CFA_def_cfa rsp 8, DW_CFA_offset column 16 at -8.
  const cie = [1, 0x7a, 0x52, 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0];
  view.setUint32(0, 20, true);
  view.setUint32(4, 0, true);
  bytes.set(cie, 8);
  // FDE: distance back to the CIE, first address from here, length, no augmentation data.
  view.setUint32(24, 20, true);
  view.setUint32(28, 28, true);
  view.setInt32(32, address.stubs - (address.table + 32), true);
  view.setUint32(36, address.size, true);
  return bytes;
}
