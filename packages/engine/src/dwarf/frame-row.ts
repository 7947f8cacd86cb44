import { type FileAddr, fileAddr } from "../bytes/address.ts";
import { type ByteCursor, createCursor } from "../bytes/cursor.ts";
import { FormatError } from "../bytes/format-error.ts";
import { type CallFrames, type Cie, type Fde, fdeEnd, type InstructionRange } from "./cfi.ts";
import { DW_CFA, REGISTER_COUNT } from "./constants.ts";
import { REMEMBERED_STATES_MAX } from "./limits.ts";
import { parsePointer } from "./pointer.ts";

/** How the CFA is computed. Registers are DWARF numbers. */
export type CfaRule =
  | { readonly kind: "register"; readonly register: number; readonly offset: number }
  | { readonly kind: "expression"; readonly expression: Uint8Array };

/** Where the caller's value of a register is (DWARF 5, 6.4.1). */
export type RegisterRule =
  | { readonly kind: "undefined" }
  | { readonly kind: "same" }
  /** In memory at CFA + offset. */
  | { readonly kind: "offset"; readonly offset: number }
  /** CFA + offset itself. */
  | { readonly kind: "val-offset"; readonly offset: number }
  | { readonly kind: "register"; readonly register: number }
  /** In memory where the expression says. */
  | { readonly kind: "expression"; readonly expression: Uint8Array }
  /** What the expression gives. */
  | { readonly kind: "val-expression"; readonly expression: Uint8Array };

/** One row of the table: the rules that hold at an address. */
export interface FrameRow {
  readonly cfa: CfaRule;
  /** Registers 0 to 16 that have a rule; the others keep their value. */
  readonly registers: ReadonlyMap<number, RegisterRule>;
  /** The addresses for which the row holds: from `start` up to, not including, `end`. */
  readonly start: FileAddr;
  readonly end: FileAddr;
}

/**
 * The row for an address inside the FDE's range: its CIE's program, then its own up to there.
 *
 * Throws FormatError for instructions that are unknown, incomplete or leave no CFA rule.
 */
export function buildRow(frames: CallFrames, fde: Fde, address: FileAddr): FrameRow {
  const cursor = createCursor(frames.section.bytes, ".eh_frame");
  const machine: Machine = {
    cursor,
    cie: fde.cie,
    sectionAddress: frames.section.address,
    location: fde.start,
    cfa: undefined,
    registers: new Map(),
    initial: new Map(),
    remembered: [],
  };
  run(machine, fde.cie.instructions, Number.MAX_SAFE_INTEGER);
  machine.initial = new Map(machine.registers);
  machine.location = fde.start;
  const next = run(machine, fde.instructions, address);
  if (machine.cfa === undefined) {
    throw problem(fde.offset, "a rule for the CFA", "none");
  }
  return {
    cfa: machine.cfa,
    registers: machine.registers,
    start: fileAddr(machine.location),
    end: fileAddr(Math.min(next ?? fdeEnd(fde), fdeEnd(fde))),
  };
}

interface Machine {
  readonly cursor: ByteCursor;
  readonly cie: Cie;
  readonly sectionAddress: FileAddr;
  location: number;
  cfa: CfaRule | undefined;
  registers: Map<number, RegisterRule>;
  /** The rules after the CIE's program, for DW_CFA_restore. */
  initial: ReadonlyMap<number, RegisterRule>;
  readonly remembered: { cfa: CfaRule | undefined; registers: Map<number, RegisterRule> }[];
}

/**
 * Runs until the location passes `address`: the row in force is the one before that. Returns the
 * location where the next row begins, if there is one.
 */
function run(machine: Machine, range: InstructionRange, address: number): number | undefined {
  machine.cursor.seek(range.start, range.end);
  while (machine.cursor.offset < range.end) {
    const opcode = machine.cursor.u8();
    const advanced = advance(machine, opcode);
    if (advanced === undefined) execute(machine, opcode);
    else if (advanced > address) return advanced;
    else machine.location = advanced;
  }
  return undefined;
}

/** The new location where the instruction sets one. */
function advance(machine: Machine, opcode: number): number | undefined {
  const { cursor, cie, location } = machine;
  if ((opcode & 0xc0) === DW_CFA.DW_CFA_advance_loc) {
    return location + (opcode & 0x3f) * cie.codeAlignment;
  }
  switch (opcode) {
    case DW_CFA.DW_CFA_set_loc:
      return parsePointer(cursor, cie.pointerEncoding, { sectionAddress: machine.sectionAddress });
    case DW_CFA.DW_CFA_advance_loc1:
      return location + cursor.u8() * cie.codeAlignment;
    case DW_CFA.DW_CFA_advance_loc2:
      return location + cursor.u16() * cie.codeAlignment;
    case DW_CFA.DW_CFA_advance_loc4:
      return location + cursor.u32() * cie.codeAlignment;
    default:
      return undefined;
  }
}

function execute(machine: Machine, opcode: number): void {
  const { cursor, cie } = machine;
  const inOpcode = opcode & 0x3f;
  switch (opcode & 0xc0 ? opcode & 0xc0 : opcode) {
    case DW_CFA.DW_CFA_offset:
      setRule(machine, inOpcode, { kind: "offset", offset: cursor.uleb() * cie.dataAlignment });
      break;
    case DW_CFA.DW_CFA_restore:
      restore(machine, inOpcode);
      break;
    case DW_CFA.DW_CFA_restore_extended:
      restore(machine, cursor.uleb());
      break;
    case DW_CFA.DW_CFA_nop:
      break;
    case DW_CFA.DW_CFA_remember_state:
      remember(machine);
      break;
    case DW_CFA.DW_CFA_restore_state:
      recall(machine);
      break;
    case DW_CFA.DW_CFA_GNU_args_size: // Matters only for landing pads of exceptions.
      cursor.uleb();
      break;
    case DW_CFA.DW_CFA_def_cfa:
    case DW_CFA.DW_CFA_def_cfa_sf:
    case DW_CFA.DW_CFA_def_cfa_register:
    case DW_CFA.DW_CFA_def_cfa_offset:
    case DW_CFA.DW_CFA_def_cfa_offset_sf:
    case DW_CFA.DW_CFA_def_cfa_expression:
      machine.cfa = parseCfaRule(machine, opcode);
      break;
    default: {
      const register = parseRuleRegister(machine, opcode);
      setRule(machine, register, parseRegisterRule(machine, opcode));
    }
  }
}

function parseCfaRule(machine: Machine, opcode: number): CfaRule {
  const { cursor, cie, cfa } = machine;
  switch (opcode) {
    case DW_CFA.DW_CFA_def_cfa:
      return { kind: "register", register: cursor.uleb(), offset: cursor.uleb() };
    case DW_CFA.DW_CFA_def_cfa_sf:
      return {
        kind: "register",
        register: cursor.uleb(),
        offset: cursor.sleb() * cie.dataAlignment,
      };
    case DW_CFA.DW_CFA_def_cfa_expression:
      return { kind: "expression", expression: cursor.bytes(cursor.uleb()) };
  }
  if (cfa?.kind !== "register") {
    throw problem(cursor.offset, "a register rule for the CFA before its part changes", "none");
  }
  if (opcode === DW_CFA.DW_CFA_def_cfa_register) return { ...cfa, register: cursor.uleb() };
  if (opcode === DW_CFA.DW_CFA_def_cfa_offset) return { ...cfa, offset: cursor.uleb() };
  return { ...cfa, offset: cursor.sleb() * cie.dataAlignment };
}

/** All remaining instructions begin with a register; an unknown one must not read it. */
function parseRuleRegister(machine: Machine, opcode: number): number {
  const known =
    opcode === DW_CFA.DW_CFA_offset_extended ||
    (opcode >= DW_CFA.DW_CFA_undefined && opcode <= DW_CFA.DW_CFA_register) ||
    (opcode >= DW_CFA.DW_CFA_expression && opcode <= DW_CFA.DW_CFA_val_expression) ||
    opcode === DW_CFA.DW_CFA_GNU_negative_offset_extended;
  if (known) return machine.cursor.uleb();
  throw problem(
    machine.cursor.offset - 1,
    "a call frame instruction",
    `opcode 0x${opcode.toString(16)}`,
  );
}

function parseRegisterRule({ cursor, cie }: Machine, opcode: number): RegisterRule {
  switch (opcode) {
    case DW_CFA.DW_CFA_undefined:
      return { kind: "undefined" };
    case DW_CFA.DW_CFA_same_value:
      return { kind: "same" };
    case DW_CFA.DW_CFA_register:
      return { kind: "register", register: cursor.uleb() };
    case DW_CFA.DW_CFA_expression:
      return { kind: "expression", expression: cursor.bytes(cursor.uleb()) };
    case DW_CFA.DW_CFA_val_expression:
      return { kind: "val-expression", expression: cursor.bytes(cursor.uleb()) };
    case DW_CFA.DW_CFA_val_offset:
      return { kind: "val-offset", offset: cursor.uleb() * cie.dataAlignment };
    case DW_CFA.DW_CFA_val_offset_sf:
      return { kind: "val-offset", offset: cursor.sleb() * cie.dataAlignment };
    case DW_CFA.DW_CFA_offset_extended_sf:
      return { kind: "offset", offset: cursor.sleb() * cie.dataAlignment };
    case DW_CFA.DW_CFA_GNU_negative_offset_extended:
      return { kind: "offset", offset: -cursor.uleb() * cie.dataAlignment };
    default:
      return { kind: "offset", offset: cursor.uleb() * cie.dataAlignment };
  }
}

/** Rules of vector registers and others that nothing here follows are dropped. */
function setRule(machine: Machine, register: number, rule: RegisterRule): void {
  if (register < REGISTER_COUNT) machine.registers.set(register, rule);
}

function restore(machine: Machine, register: number): void {
  const rule = machine.initial.get(register);
  if (rule === undefined) machine.registers.delete(register);
  else machine.registers.set(register, rule);
}

function remember(machine: Machine): void {
  if (machine.remembered.length >= REMEMBERED_STATES_MAX) {
    throw problem(
      machine.cursor.offset,
      `at most ${REMEMBERED_STATES_MAX} remembered states`,
      "more",
    );
  }
  machine.remembered.push({ cfa: machine.cfa, registers: new Map(machine.registers) });
}

function recall(machine: Machine): void {
  const state = machine.remembered.pop();
  if (state === undefined) throw problem(machine.cursor.offset, "a remembered state", "none");
  machine.cfa = state.cfa;
  machine.registers = state.registers;
}

const problem = (offset: number, expected: string, found: string): FormatError =>
  new FormatError({ what: ".eh_frame", offset, expected, found });
