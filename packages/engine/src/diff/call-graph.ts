/**
 * Register summaries of a unit's functions over the calls inside the unit.
 *
 * This repeats what the compiler knew: for a call to a function of the same unit, the registers
 * that it and everything below it write; for any other call, all that the psABI lets it write.
 */
import { type CodeInstruction, decodeCode } from "./code.ts";
import {
  type Entity,
  entityBytes,
  entityOf,
  type ObjectModel,
  type Reference,
} from "./object-model.ts";
import {
  ARGUMENT_REGISTERS,
  CALLER_SAVED,
  type RegisterSet,
  type RegisterUse,
  registerUses,
} from "./registers.ts";

export interface CallSite {
  /** Index of the instruction in the caller's code. */
  readonly instruction: number;
  /** The called function of the unit, or undefined for one that is not in it. */
  readonly callee: number | undefined;
  /** A jump that does not come back. */
  readonly tail: boolean;
}

export interface FunctionCode {
  readonly entity: Entity;
  readonly instructions: readonly CodeInstruction[];
  readonly uses: readonly RegisterUse[];
  readonly calls: readonly CallSite[];
}

export interface CallGraph {
  readonly codeOf: (entityIndex: number) => FunctionCode;
  /** Caller-saved registers that a call of the function may change. */
  readonly clobbersOf: (entityIndex: number) => RegisterSet;
  /** Functions of the unit that call this one directly. */
  readonly callersOf: (entityIndex: number) => readonly number[];
}

/** Decodes all functions of a unit; costs time, so it is made only when something changed. */
export function buildCallGraph(model: ObjectModel): CallGraph {
  const codes = new Map<number, FunctionCode>();
  for (const entity of model.entities) {
    if (entity.kind === "function" && entity.section !== undefined) {
      codes.set(entity.index, decodeFunction(model, entity));
    }
  }
  const clobbers = computeClobbers(codes);
  const callers = new Map<number, number[]>();
  for (const [caller, { calls }] of codes) {
    for (const callee of new Set(calls.map((call) => call.callee))) {
      if (callee === undefined || callee === caller) continue;
      const list = callers.get(callee);
      if (list === undefined) callers.set(callee, [caller]);
      else list.push(caller);
    }
  }
  return {
    codeOf: (index) => codes.get(index) ?? decodeFunction(model, entityOf(model, index)),
    clobbersOf: (index) => clobbers.get(index) ?? CALLER_SAVED,
    callersOf: (index) => callers.get(index) ?? [],
  };
}

/** Decodes one function and finds what it calls. */
export function decodeFunction(model: ObjectModel, entity: Entity): FunctionCode {
  const bytes = entityBytes(model, entity);
  const instructions = decodeCode(bytes);
  const calls: CallSite[] = [];
  // An indirect jump goes through the jump table, or it is a call in the place of a return.
  const hasJumpTable = entity.references.some(
    ({ target }) => entityOf(model, target).kind === "constants",
  );
  let next = 0;
  instructions.forEach((instruction, position) => {
    let reference: Reference | undefined;
    for (
      ;
      (entity.references[next]?.offset ?? Number.POSITIVE_INFINITY) < instruction.end;
      next++
    ) {
      reference = entity.references[next];
    }
    const leaves = instruction.flow === "branch" || instruction.flow === "conditional";
    if (instruction.flow === "call" || (leaves && reference !== undefined)) {
      calls.push({
        instruction: position,
        callee: calleeOf(model, instruction, reference),
        tail: leaves,
      });
    } else if (instruction.flow === "indirect" && !hasJumpTable) {
      calls.push({ instruction: position, callee: undefined, tail: true });
    }
  });
  return { entity, instructions, uses: registerUses(bytes), calls };
}

function calleeOf(
  model: ObjectModel,
  instruction: CodeInstruction,
  reference: Reference | undefined,
): number | undefined {
  if (reference === undefined || instruction.target === undefined) return undefined;
  const target = entityOf(model, reference.target);
  return target.kind === "function" && target.section !== undefined ? target.index : undefined;
}

function computeClobbers(codes: ReadonlyMap<number, FunctionCode>): Map<number, RegisterSet> {
  const clobbers = new Map<number, RegisterSet>();
  for (const [index, { uses }] of codes) {
    const own = uses.reduce((set, { writes }) => set | writes, 0);
    clobbers.set(index, (own & CALLER_SAVED) >>> 0);
  }
  // Sets only grow and are finite, so this ends; recursion in the program needs the repetition.
  for (let grew = true; grew; ) {
    grew = false;
    for (const [index, { calls }] of codes) {
      const old = clobbers.get(index) ?? 0;
      const all = calls.reduce(
        (set, { callee }) =>
          set | (callee === undefined ? CALLER_SAVED : (clobbers.get(callee) ?? CALLER_SAVED)),
        old,
      );
      if (all >>> 0 === old) continue;
      clobbers.set(index, all >>> 0);
      grew = true;
    }
  }
  return clobbers;
}

/** Parameter registers whose value at the entry is used by an instruction of the function. */
export function entryArguments(code: FunctionCode): RegisterSet {
  const calls = new Set(code.calls.map(({ instruction }) => instruction));
  return (
    (readBeforeWritten(code, 0, ARGUMENT_REGISTERS, (position) =>
      calls.has(position) ? CALLER_SAVED : 0,
    ) &
      ARGUMENT_REGISTERS) >>>
    0
  );
}

/**
 * Which of `wanted` some instruction reads on a path from instruction `from` before it is
 * written; `killedBy` says what a call at an instruction destroys. Only what instructions read
 * themselves counts, not what a called function takes.
 */
export function readBeforeWritten(
  { instructions, uses }: FunctionCode,
  from: number,
  wanted: RegisterSet,
  killedBy: (instruction: number) => RegisterSet,
): RegisterSet {
  const indexOf = new Map(instructions.map(({ offset }, index) => [offset, index]));
  const seen = new Map<number, RegisterSet>();
  const work: { at: number; live: RegisterSet }[] = [{ at: from, live: wanted }];
  let read = 0;
  for (let item = work.pop(); item !== undefined; item = work.pop()) {
    const { at } = item;
    const live = (item.live & ~(seen.get(at) ?? 0)) >>> 0;
    const instruction = instructions[at];
    const use = uses[at];
    if (live === 0 || instruction === undefined || use === undefined) continue;
    seen.set(at, ((seen.get(at) ?? 0) | live) >>> 0);
    read |= live & use.reads;
    const rest = (live & ~use.kills & ~killedBy(at)) >>> 0;
    const { flow, target } = instruction;
    if (flow === "next" || flow === "conditional" || flow === "call") {
      work.push({ at: at + 1, live: rest });
    }
    const jump = target === undefined || flow === "call" ? undefined : indexOf.get(target);
    if (jump !== undefined) work.push({ at: jump, live: rest });
  }
  return read >>> 0;
}
