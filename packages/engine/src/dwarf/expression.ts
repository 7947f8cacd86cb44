import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { type ByteCursor, createCursor } from "../bytes/cursor.ts";
import { FormatError } from "../bytes/format-error.ts";
import { DW_OP, REGISTER_COUNT } from "./constants.ts";
import { EXPRESSION_STACK_MAX, EXPRESSION_STEPS_MAX } from "./limits.ts";

/** An operation with its operands; targets of branches are indices of operations. */
export interface Operation {
  readonly opcode: number;
  readonly operand: number;
  /** The register of DW_OP_breg, else -1. */
  readonly register: number;
}

/** Reads 8 bytes of the traced memory; NaN where that is not possible or 2^53 and more. */
export type ReadWord = (address: VirtualAddr) => number;

/**
 * The operations of an expression of frame information (DWARF 5, 2.5.1).
 *
 * Throws FormatError for operations that frame information on x86-64 does not use, such as
 * DW_OP_addr, which position-independent code cannot contain.
 */
export function parseExpression(expression: Uint8Array): Operation[] {
  const cursor = createCursor(expression, "DWARF expression");
  const offsets: number[] = [];
  const indices = new Map<number, number>();
  const operations: Operation[] = [];
  while (cursor.offset < expression.length) {
    indices.set(cursor.offset, operations.length);
    offsets.push(cursor.offset);
    operations.push(parseOperation(cursor));
  }
  indices.set(expression.length, operations.length);
  return operations.map((operation, index) => {
    if (operation.opcode !== DW_OP.DW_OP_bra && operation.opcode !== DW_OP.DW_OP_skip) {
      return operation;
    }
    const target = indices.get(operation.operand);
    if (target !== undefined) return { ...operation, operand: target };
    throw problem(offsets[index] ?? 0, "a branch to an operation", `${operation.operand}`);
  });
}

function parseOperation(cursor: ByteCursor): Operation {
  const opcode = cursor.u8();
  const plain = (operand: number): Operation => ({ opcode, operand, register: -1 });
  if (opcode >= DW_OP.DW_OP_lit0 && opcode <= DW_OP.DW_OP_lit31) {
    return { opcode: DW_OP.DW_OP_constu, operand: opcode - DW_OP.DW_OP_lit0, register: -1 };
  }
  if (opcode >= DW_OP.DW_OP_breg0 && opcode <= DW_OP.DW_OP_breg31) {
    return registerOperation(cursor, opcode - DW_OP.DW_OP_breg0);
  }
  if (opcode === DW_OP.DW_OP_bregx) return registerOperation(cursor, cursor.uleb());
  if (opcode >= DW_OP.DW_OP_const1u && opcode <= DW_OP.DW_OP_consts) {
    return { opcode: DW_OP.DW_OP_constu, operand: parseConstant(cursor, opcode), register: -1 };
  }
  switch (opcode) {
    case DW_OP.DW_OP_plus_uconst:
      return plain(cursor.uleb());
    case DW_OP.DW_OP_pick:
      return plain(cursor.u8());
    case DW_OP.DW_OP_bra:
    case DW_OP.DW_OP_skip: {
      const distance = cursor.i16();
      return plain(cursor.offset + distance);
    }
  }
  const known =
    opcode === DW_OP.DW_OP_deref ||
    opcode === DW_OP.DW_OP_nop ||
    (opcode >= DW_OP.DW_OP_dup && opcode <= DW_OP.DW_OP_rot) ||
    (opcode >= DW_OP.DW_OP_abs && opcode <= DW_OP.DW_OP_ne);
  if (known) return plain(0);
  throw problem(cursor.offset - 1, "an operation of frame information", hex(opcode));
}

function registerOperation(cursor: ByteCursor, register: number): Operation {
  if (register >= REGISTER_COUNT) {
    throw problem(cursor.offset, `a register below ${REGISTER_COUNT}`, `${register}`);
  }
  return { opcode: DW_OP.DW_OP_breg0, operand: cursor.sleb(), register };
}

function parseConstant(cursor: ByteCursor, opcode: number): number {
  switch (opcode) {
    case DW_OP.DW_OP_const1u:
      return cursor.u8();
    case DW_OP.DW_OP_const1s:
      return cursor.i8();
    case DW_OP.DW_OP_const2u:
      return cursor.u16();
    case DW_OP.DW_OP_const2s:
      return cursor.i16();
    case DW_OP.DW_OP_const4u:
      return cursor.u32();
    case DW_OP.DW_OP_const4s:
      return cursor.i32();
    case DW_OP.DW_OP_const8u:
      return cursor.u64();
    case DW_OP.DW_OP_const8s:
      return cursor.i64();
    case DW_OP.DW_OP_constu:
      return cursor.uleb();
    default:
      return cursor.sleb();
  }
}

/**
 * The value of an expression, or NaN where memory cannot be read, a register is unknown, the
 * stack of values runs empty or over, or EXPRESSION_STEPS_MAX is reached.
 *
 * `initial` is put on the stack first (the CFA, for the rules of registers); NaN puts nothing.
 * Values are signed; a result outside +-2^53 is NaN.
 */
export function evaluate(
  operations: readonly Operation[],
  registers: Float64Array,
  readWord: ReadWord,
  initial: number,
): number {
  const stack: number[] = Number.isNaN(initial) ? [] : [initial];
  let next = 0;
  for (let steps = 0; steps < EXPRESSION_STEPS_MAX; steps++) {
    const operation = operations[next];
    if (operation === undefined) return stack.pop() ?? Number.NaN;
    next++;
    const { opcode, operand } = operation;
    if (opcode === DW_OP.DW_OP_skip) next = operand;
    else if (opcode === DW_OP.DW_OP_bra) {
      const condition = stack.pop() ?? Number.NaN;
      if (Number.isNaN(condition)) return Number.NaN;
      if (condition !== 0) next = operand;
    } else if (opcode === DW_OP.DW_OP_deref)
      stack.push(readWord(virtualAddr(stack.pop() ?? Number.NaN)));
    else if (opcode === DW_OP.DW_OP_breg0) {
      stack.push((registers[operation.register] ?? Number.NaN) + operand);
    } else apply(stack, opcode, operand);
    if (stack.length > EXPRESSION_STACK_MAX) return Number.NaN;
  }
  return Number.NaN;
}

/** Operations on the stack alone. A missing value counts as NaN, which spreads to the result. */
function apply(stack: number[], opcode: number, operand: number): void {
  const pop = (): number => stack.pop() ?? Number.NaN;
  const at = (depth: number): number => stack.at(-1 - depth) ?? Number.NaN;
  switch (opcode) {
    case DW_OP.DW_OP_constu:
      stack.push(operand);
      return;
    case DW_OP.DW_OP_nop:
      return;
    case DW_OP.DW_OP_dup:
      stack.push(at(0));
      return;
    case DW_OP.DW_OP_drop:
      pop();
      return;
    case DW_OP.DW_OP_over:
      stack.push(at(1));
      return;
    case DW_OP.DW_OP_pick:
      stack.push(at(operand));
      return;
    case DW_OP.DW_OP_swap: {
      const [top, second] = [pop(), pop()];
      stack.push(top, second);
      return;
    }
    case DW_OP.DW_OP_rot: {
      const [top, second, third] = [pop(), pop(), pop()];
      stack.push(top, third, second);
      return;
    }
    case DW_OP.DW_OP_abs:
      stack.push(Math.abs(pop()));
      return;
    case DW_OP.DW_OP_neg:
      stack.push(-pop());
      return;
    case DW_OP.DW_OP_not:
      stack.push(-pop() - 1);
      return;
    case DW_OP.DW_OP_plus_uconst:
      stack.push(exact(pop() + operand));
      return;
    default: {
      const [top, second] = [pop(), pop()];
      const unknown = Number.isNaN(top) || Number.isNaN(second);
      stack.push(unknown ? Number.NaN : exact(binary(opcode, second, top)));
    }
  }
}

const exact = (value: number): number => (Number.isSafeInteger(value) ? value : Number.NaN);

function binary(opcode: number, left: number, right: number): number {
  switch (opcode) {
    case DW_OP.DW_OP_and:
      return bitwise(left, right, (a, b) => a & b);
    case DW_OP.DW_OP_or:
      return bitwise(left, right, (a, b) => a | b);
    case DW_OP.DW_OP_xor:
      return bitwise(left, right, (a, b) => a ^ b);
    case DW_OP.DW_OP_plus:
      return left + right;
    case DW_OP.DW_OP_minus:
      return left - right;
    case DW_OP.DW_OP_mul:
      return left * right;
    case DW_OP.DW_OP_div:
      return Math.trunc(left / right);
    case DW_OP.DW_OP_mod: // Unsigned: what a negative number would be does not fit 2^53.
      return left < 0 || right < 0 ? Number.NaN : left % right;
    case DW_OP.DW_OP_shl:
      return right < 0 ? Number.NaN : left * 2 ** right;
    case DW_OP.DW_OP_shr:
      return left < 0 || right < 0 ? Number.NaN : Math.floor(left / 2 ** right);
    case DW_OP.DW_OP_shra:
      return right < 0 ? Number.NaN : Math.floor(left / 2 ** right);
    default:
      return compare(opcode, left, right) ? 1 : 0;
  }
}

function compare(opcode: number, left: number, right: number): boolean {
  switch (opcode) {
    case DW_OP.DW_OP_eq:
      return left === right;
    case DW_OP.DW_OP_ne:
      return left !== right;
    case DW_OP.DW_OP_ge:
      return left >= right;
    case DW_OP.DW_OP_gt:
      return left > right;
    case DW_OP.DW_OP_le:
      return left <= right;
    default:
      return left < right;
  }
}

/** Both halves of the two's complement one after the other, for bit operators have 32 bits. */
function bitwise(left: number, right: number, operator: (a: number, b: number) => number): number {
  const high = operator(Math.floor(left / 2 ** 32), Math.floor(right / 2 ** 32));
  const low = operator(left % 2 ** 32, right % 2 ** 32) >>> 0;
  return high * 2 ** 32 + low;
}

const hex = (value: number): string => `0x${value.toString(16)}`;

const problem = (offset: number, expected: string, found: string): FormatError =>
  new FormatError({ what: "DWARF expression", offset, expected, found });
