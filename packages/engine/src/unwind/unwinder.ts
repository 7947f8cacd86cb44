/**
 * The unwinder: registers and a way to read memory in, the frames of a thread out.
 *
 * The problem. Before a function is switched, no thread may be inside it, and a thread is inside
 * every function that its stack will return to. The stack of a stopped thread:
 *
 *     rsp ->  | locals of f     |
 *             | return address  |  into g      <- CFA of f is the word above
 *             | saved rbx       |
 *             | locals of g     |
 *             | return address  |  into main
 *
 * Nothing on it says what is a return address. The unwind tables do: they give, for each
 * instruction, the place of the CFA, of the return address and of the registers that the function
 * saved. Applying them turns the registers in f into the registers that g will have once f has
 * returned; that repeats until a function says that its return address is undefined (_start and
 * clone3 do), which proves that the walk saw everything.
 *
 * Approach. It runs while the target stands still, so the steady state must cost next to nothing:
 * the step of each pc is looked up once (module by range, FDE by the linker's sorted table, row
 * by running its program), compiled to pairs of numbers (rule.ts) and kept in a map by pc. The
 * threads of a server sleep at a handful of places, so nearly every frame after the first few
 * walks is one map lookup and two or three reads. Numbers are plain: NaN is "not known", and
 * spreads through arithmetic by itself until someone needs the value.
 *
 * Which pc is looked up matters. A return address may be the first byte of the next function,
 * when the call was the last instruction of its own (a call of abort). So return addresses are
 * looked up one byte before. The pc of the first frame is exact, and so is that of a frame that
 * a signal interrupted: it may stand on the first instruction of its function. Signal trampolines
 * are returned to by handlers but never call: glibc moves the start of their FDE one byte down,
 * others do not, so a trampoline that begins at the return address wins.
 *
 * The end. A walk that could not be completed says why, and how far it came: `stackPointer` is
 * the rsp of the first frame that could not be left. All return addresses that were not seen lie
 * above it, and the caller takes every word there that points into a replaced function for a
 * frame. (After a signal handler on an alternative stack they may lie on another stack: the
 * interrupted thread's rsp.) That is why nothing here guesses: frame pointers or heuristics would
 * only turn an honest "unknown" into a possible lie.
 *
 * The walk ends: the CFA must grow from frame to frame, except across a signal trampoline, where
 * the stack may change; and FRAMES_MAX bounds it whatever the tables say.
 */
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { REGISTER, REGISTER_COUNT } from "../dwarf/constants.ts";
import { evaluate, type ReadWord } from "../dwarf/expression.ts";
import { FRAMES_MAX } from "./limits.ts";
import {
  createModuleTables,
  type ModuleTables,
  type NoStep,
  type UnwindModule,
} from "./module-tables.ts";
import { SIGNAL_TRAMPOLINE, type StepRule } from "./rule.ts";

export type { UnwindModule } from "./module-tables.ts";

/** Registers 0 to 16 by DWARF number (rip is 16); NaN where the value is not known. */
export type Registers = Float64Array;

/** The 8 bytes at an address; NaN where they cannot be read or are 2^53 and more. */
export type MemoryReader = ReadWord;

export interface Frame {
  readonly pc: VirtualAddr;
  /** An address inside the instruction that is being executed: to find the function by. */
  readonly lookup: VirtualAddr;
  /** The caller's rsp; NaN for a frame that could not be left. */
  readonly cfa: VirtualAddr;
  /** A signal trampoline. */
  readonly signal: boolean;
}

export interface UnwindResult {
  /** From the innermost outwards. The last one of an incomplete walk could not be left. */
  readonly frames: readonly Frame[];
  /** The outermost frame was reached. */
  readonly complete: boolean;
  readonly stoppedBecause?:
    | "no-unwind-information"
    | "unreadable-stack"
    | "too-many-frames"
    | "unsupported-rule";
  /** rsp in the last frame: where a scan for unseen return addresses has to begin. */
  readonly stackPointer: VirtualAddr;
}

export interface Unwinder {
  /** The frames of a thread. `registers` are not changed. Never throws for what it reads. */
  unwind(registers: Registers, memory: MemoryReader): UnwindResult;
  /**
   * Looks an address up so that a later walk finds it in the cache; for others it does nothing.
   *
   * `exact` is where a thread may stop, `return` a word of a stack that may be a return address.
   */
  prepare(address: VirtualAddr, kind: "exact" | "return"): void;
}

const { rip: RIP, rsp: RSP } = REGISTER;

/** An unwinder for a process that maps these modules. Costs little until an address is met. */
export function createUnwinder(modules: readonly UnwindModule[]): Unwinder {
  return new TableUnwinder(modules);
}

/**
 * Classes, here and in module-tables.ts, because methods are compiled once for all unwinders,
 * and closures anew for each: the walk in the first stop would be interpreted.
 */
class TableUnwinder implements Unwinder {
  readonly #lookup: StepLookup;
  readonly #registers = new Float64Array(REGISTER_COUNT);
  readonly #previous = new Float64Array(REGISTER_COUNT);

  constructor(modules: readonly UnwindModule[]) {
    this.#lookup = new StepLookup(modules);
  }

  unwind(start: Registers, memory: MemoryReader): UnwindResult {
    const registers = this.#registers;
    registers.set(start);
    const frames: Frame[] = [];
    let isExact = true;
    let lastCfa = 0;
    let stackPointer = registers[RSP] ?? Number.NaN;
    while (frames.length < FRAMES_MAX) {
      const pc: number = registers[RIP] ?? Number.NaN;
      const rule: StepRule | NoStep = isExact
        ? this.#lookup.exact(pc, memory)
        : this.#lookup.afterReturn(pc, memory);
      if (typeof rule === "string") {
        frames.push(frame(pc, isExact ? pc : pc - 1, Number.NaN, false));
        return stopped(frames, rule, stackPointer);
      }
      const at = isExact || rule.signal ? pc : pc - 1;
      if (rule.outermost) {
        frames.push(frame(pc, at, Number.NaN, rule.signal));
        return { frames, complete: true, stackPointer: virtualAddr(stackPointer) };
      }
      const cfa = takeStep(rule, registers, this.#previous, memory);
      const isSane = cfa > lastCfa && (registers[RIP] ?? Number.NaN) >= 0;
      frames.push(frame(pc, at, isSane ? cfa : Number.NaN, rule.signal));
      if (!isSane) return stopped(frames, "unreadable-stack", stackPointer);
      stackPointer = registers[RSP] ?? Number.NaN;
      isExact = rule.signal;
      lastCfa = rule.signal ? 0 : cfa;
    }
    return stopped(frames, "too-many-frames", stackPointer);
  }

  prepare(address: VirtualAddr, kind: "exact" | "return"): void {
    if (kind === "exact") this.#lookup.exact(address, unreadable);
    else this.#lookup.afterReturn(address, unreadable);
  }
}

const unreadable: MemoryReader = () => Number.NaN;

const frame = (pc: number, lookup: number, cfa: number, signal: boolean): Frame => ({
  pc: virtualAddr(pc),
  lookup: virtualAddr(lookup),
  cfa: virtualAddr(cfa),
  signal,
});

const stopped = (
  frames: readonly Frame[],
  stoppedBecause: NonNullable<UnwindResult["stoppedBecause"]>,
  stackPointer: number,
): UnwindResult => ({
  frames,
  complete: false,
  stoppedBecause,
  stackPointer: virtualAddr(stackPointer),
});

/** Turns the registers into those of the caller and gives the CFA, or NaN. */
function takeStep(
  rule: StepRule,
  registers: Registers,
  previous: Registers,
  memory: MemoryReader,
): number {
  let cfa: number;
  if (rule.cfaRegister >= 0) {
    cfa = (registers[rule.cfaRegister] ?? Number.NaN) + rule.cfaOffset;
    if (rule.cfaInMemory) cfa = memory(virtualAddr(cfa));
  } else {
    cfa = evaluate(rule.cfaExpression, registers, memory, Number.NaN);
  }
  if (Number.isNaN(cfa)) return cfa;
  const { saved, others } = rule;
  if (others.length > 0) previous.set(registers);
  registers[RSP] = cfa;
  for (let index = 0; index < saved.length; index += 2) {
    const address = cfa + (saved[index + 1] ?? Number.NaN);
    registers[saved[index] ?? RIP] = memory(virtualAddr(address));
  }
  if (others.length > 0) applyOthers(rule, { registers, previous, memory, cfa });
  return cfa;
}

function applyOthers(
  { others }: StepRule,
  at: { registers: Registers; previous: Registers; memory: MemoryReader; cfa: number },
): void {
  const { registers, previous, memory, cfa } = at;
  for (const rule of others) {
    switch (rule.kind) {
      case "undefined":
        registers[rule.register] = Number.NaN;
        break;
      case "cfa":
        registers[rule.register] = cfa + rule.offset;
        break;
      case "register":
        registers[rule.register] = previous[rule.from] ?? Number.NaN;
        break;
      case "memory": {
        const address = (previous[rule.from] ?? Number.NaN) + rule.offset;
        registers[rule.register] = memory(virtualAddr(address));
        break;
      }
      case "expression": {
        const value = evaluate(rule.operations, previous, memory, cfa);
        registers[rule.register] = rule.inMemory ? memory(virtualAddr(value)) : value;
      }
    }
  }
}

/** Steps by pc, remembered: a thread sleeps where others slept before. */
class StepLookup {
  readonly #modules: readonly ModuleTables[];
  readonly #exactSteps = new Map<number, StepRule | NoStep>();
  readonly #returnSteps = new Map<number, StepRule | NoStep>();

  constructor(modules: readonly UnwindModule[]) {
    this.#modules = [...modules].sort((a, b) => a.start - b.start).map(createModuleTables);
  }

  exact(pc: number, memory: MemoryReader): StepRule | NoStep {
    const known = this.#exactSteps.get(pc);
    if (known !== undefined) return known;
    const step = orTrampoline(this.#stepAt(pc), pc, memory);
    if (isKept(step, memory)) this.#exactSteps.set(pc, step);
    return step;
  }

  afterReturn(pc: number, memory: MemoryReader): StepRule | NoStep {
    const known = this.#returnSteps.get(pc);
    if (known !== undefined) return known;
    const trampoline = moduleAt(this.#modules, pc)?.trampolineStep(virtualAddr(pc));
    const step = trampoline ?? orTrampoline(this.#stepAt(pc - 1), pc, memory);
    if (isKept(step, memory)) this.#returnSteps.set(pc, step);
    return step;
  }

  #stepAt(address: number): StepRule | NoStep {
    return moduleAt(this.#modules, address)?.step(virtualAddr(address)) ?? "no-unwind-information";
  }
}

/** Where memory cannot be read, code without tables may still turn out to be a trampoline. */
const isKept = (step: StepRule | NoStep, memory: MemoryReader): boolean =>
  step !== "no-unwind-information" || memory !== unreadable;

/** `mov $15,%rax`, the number of rt_sigreturn, as the 7 bytes behind the word's lowest one. */
const MOV_15_RAX = 0x0f_c0c748;

/** Code without unwind information that begins as a signal trampoline must is one. */
function orTrampoline(
  step: StepRule | NoStep,
  pc: number,
  memory: MemoryReader,
): StepRule | NoStep {
  if (step !== "no-unwind-information") return step;
  const isTrampoline = Math.floor(memory(virtualAddr(pc - 1)) / 256) === MOV_15_RAX;
  return isTrampoline ? SIGNAL_TRAMPOLINE : step;
}

function moduleAt(sorted: readonly ModuleTables[], address: number): ModuleTables | undefined {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle]?.module.start ?? 0) <= address) low = middle + 1;
    else high = middle;
  }
  const found = sorted[low - 1];
  return found !== undefined && address < found.module.end ? found : undefined;
}
