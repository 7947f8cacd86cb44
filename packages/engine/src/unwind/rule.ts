import { DW_OP, REGISTER, REGISTER_COUNT } from "../dwarf/constants.ts";
import { type Operation, parseExpression } from "../dwarf/expression.ts";
import type { CfaRule, FrameRow, RegisterRule } from "../dwarf/frame-row.ts";

/**
 * One step out of a frame, made from a row of the unwind table so that the usual case is a loop
 * over two numbers a register:
 *
 *     cfa          = registers[cfaRegister] + cfaOffset         (then dereferenced, if so said)
 *     registers[r] = word at cfa + offset                       (pairs r, offset in `saved`)
 *     rsp          = cfa                                        (unless a rule sets it)
 */
export interface StepRule {
  /** -1 where `cfaExpression` computes the CFA. */
  readonly cfaRegister: number;
  readonly cfaOffset: number;
  /** The CFA is the word at register + offset, as in signal frames. */
  readonly cfaInMemory: boolean;
  readonly cfaExpression: readonly Operation[];
  /** Pairs: register, offset from the CFA. */
  readonly saved: readonly number[];
  /** Everything else, computed from the callee's registers before any is overwritten. */
  readonly others: readonly OtherRule[];
  /** The return address is undefined: this is the outermost frame. */
  readonly outermost: boolean;
  /** A signal trampoline: the next pc is where the thread was interrupted, not a return address. */
  readonly signal: boolean;
}

export type OtherRule =
  | { readonly kind: "undefined"; readonly register: number }
  /** cfa + offset */
  | { readonly kind: "cfa"; readonly register: number; readonly offset: number }
  /** registers[from] */
  | { readonly kind: "register"; readonly register: number; readonly from: number }
  /** The word at registers[from] + offset. */
  | {
      readonly kind: "memory";
      readonly register: number;
      readonly from: number;
      readonly offset: number;
    }
  /** The word at what the expression gives, or that value itself. */
  | {
      readonly kind: "expression";
      readonly register: number;
      readonly operations: readonly Operation[];
      readonly inMemory: boolean;
    };

/**
 * The step for a row, or undefined where it says nothing of the return address.
 *
 * Throws FormatError for expressions that cannot be evaluated.
 */
export function compileRule(row: FrameRow, signal: boolean): StepRule | undefined {
  const returnRule = row.registers.get(REGISTER.rip);
  if (returnRule === undefined || returnRule.kind === "same") return undefined;
  const saved: number[] = [];
  const others: OtherRule[] = [];
  for (const [register, rule] of row.registers) {
    if (rule.kind === "offset") saved.push(register, rule.offset);
    else if (rule.kind !== "same") others.push(compileOther(register, rule));
  }
  return {
    ...compileCfa(row.cfa),
    saved,
    others,
    outermost: returnRule.kind === "undefined",
    signal,
  };
}

type CfaPart = Pick<StepRule, "cfaRegister" | "cfaOffset" | "cfaInMemory" | "cfaExpression">;

function compileCfa(cfa: CfaRule): CfaPart {
  if (cfa.kind === "register") {
    const cfaRegister = cfa.register < REGISTER_COUNT ? cfa.register : -1;
    return { cfaRegister, cfaOffset: cfa.offset, cfaInMemory: false, cfaExpression: [] };
  }
  const operations = parseExpression(cfa.expression);
  const [first, second] = operations;
  if (operations.length === 2 && first?.opcode === DW_OP.DW_OP_breg0) {
    if (second?.opcode === DW_OP.DW_OP_deref) {
      return {
        cfaRegister: first.register,
        cfaOffset: first.operand,
        cfaInMemory: true,
        cfaExpression: [],
      };
    }
  }
  return { cfaRegister: -1, cfaOffset: 0, cfaInMemory: false, cfaExpression: operations };
}

function compileOther(
  register: number,
  rule: Exclude<RegisterRule, { kind: "offset" | "same" }>,
): OtherRule {
  switch (rule.kind) {
    case "undefined":
      return { kind: "undefined", register };
    case "val-offset":
      return { kind: "cfa", register, offset: rule.offset };
    case "register":
      return { kind: "register", register, from: rule.register };
    case "expression":
    case "val-expression": {
      const operations = parseExpression(rule.expression);
      const inMemory = rule.kind === "expression";
      const [first] = operations;
      if (inMemory && operations.length === 1 && first?.opcode === DW_OP.DW_OP_breg0) {
        return { kind: "memory", register, from: first.register, offset: first.operand };
      }
      return { kind: "expression", register, operations, inMemory };
    }
  }
}

/** Offsets in the kernel's struct ucontext (asm/sigcontext.h), in the order r8 ... rip. */
const UCONTEXT_REGISTERS = 40;
const UCONTEXT_ORDER = [8, 9, 10, 11, 12, 13, 14, 15, 5, 4, 6, 3, 1, 0, 2, 7, 16] as const;

/**
 * The step out of a signal trampoline that has no unwind information (musl, Go): when the
 * handler has returned to it, rsp points to the ucontext that the kernel pushed.
 */
export const SIGNAL_TRAMPOLINE: StepRule = {
  cfaRegister: REGISTER.rsp,
  cfaOffset: UCONTEXT_REGISTERS + 8 * UCONTEXT_ORDER.indexOf(REGISTER.rsp),
  cfaInMemory: true,
  cfaExpression: [],
  saved: [],
  others: UCONTEXT_ORDER.map((register, index) => ({
    kind: "memory",
    register,
    from: REGISTER.rsp,
    offset: UCONTEXT_REGISTERS + 8 * index,
  })),
  outermost: false,
  signal: true,
};
