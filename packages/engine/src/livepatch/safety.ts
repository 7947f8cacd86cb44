/**
 * Step 7: no code that is switched may be in use.
 *
 * Each stopped thread's stack is unwound. A frame in a function that is replaced (or in new code
 * that is to go) means that the thread would return into it, so the attempt has to wait. Where
 * there is no unwind information for a frame, every word of the rest of that stack that points
 * into such code counts as a frame: a false alarm costs a retry, a missed frame the process.
 */
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { type Area, createArea, type Libc } from "../process/libc.ts";
import type { Mapping } from "../process/maps.ts";
import type { Thread } from "../process/thread.ts";
import type { Unwinder } from "../unwind/unwinder.ts";
import { STACK_SCAN_SIZE_MAX } from "./limits.ts";

export interface CodeRange {
  readonly name: string;
  readonly start: VirtualAddr;
  readonly end: VirtualAddr;
}

/** A thread that is in the way. */
export interface Conflict {
  readonly tid: number;
  readonly function: string;
  /** False when only a word on the stack suggests it. */
  readonly certain: boolean;
}

/** A stack that cannot be read may hold anything. */
const UNKNOWN_CODE: CodeRange = {
  name: "code that could not be told, for its stack cannot be read",
  start: virtualAddr(0),
  end: virtualAddr(0),
};

const WINDOW_SIZE = 2048;
const WORD_SIZE = 8;

export class StackCheck {
  /** The conflicts that were found since the last clear. */
  readonly conflicts: Conflict[] = [];
  readonly #unwinder: Unwinder;
  readonly #ranges: readonly CodeRange[];
  readonly #lowest: number;
  readonly #highest: number;
  readonly #mappings: readonly Mapping[];
  readonly #stack: StackReader;
  readonly #registers = new Float64Array(17);

  constructor(request: {
    readonly stack: StackReader;
    readonly pid: number;
    readonly unwinder: Unwinder;
    readonly ranges: readonly CodeRange[];
    readonly mappings: readonly Mapping[];
  }) {
    this.#unwinder = request.unwinder;
    this.#ranges = request.ranges;
    this.#lowest = Math.min(...request.ranges.map((range) => range.start));
    this.#highest = Math.max(...request.ranges.map((range) => range.end));
    this.#mappings = request.mappings;
    this.#stack = request.stack;
    this.#stack.open(request.pid);
  }

  /** True when the thread is not in the way; else the conflict is noted. */
  check(thread: Thread): boolean {
    thread.registers.toDwarf(this.#registers);
    this.#stack.moveTo(thread.registers.rsp);
    const result = this.#unwinder.unwind(this.#registers, this.#stack.read);
    for (const frame of result.frames) {
      const range = this.#rangeAt(frame.lookup);
      if (range !== undefined) return this.#note(thread.tid, range, true);
    }
    return result.complete || this.#scan(thread.tid, result.stackPointer);
  }

  #scan(tid: number, from: VirtualAddr): boolean {
    const stack = this.#mappings.find((mapping) => mapping.start <= from && from < mapping.end);
    const end = Math.min(stack?.end ?? Number.MAX_SAFE_INTEGER, from + STACK_SCAN_SIZE_MAX);
    if (!this.#stack.moveTo(from)) return this.#note(tid, UNKNOWN_CODE, false);
    for (let at = Math.ceil(from / WORD_SIZE) * WORD_SIZE; at < end; at += WORD_SIZE) {
      if (!this.#stack.covers(at) && !this.#stack.moveTo(virtualAddr(at))) break;
      // A return address may be the first byte behind the function that called.
      const range = this.#rangeAt(this.#stack.read(virtualAddr(at)) - 1);
      if (range !== undefined) return this.#note(tid, range, false);
    }
    return true;
  }

  #note(tid: number, range: CodeRange, certain: boolean): false {
    this.conflicts.push({ tid, function: range.name, certain });
    return false;
  }

  #rangeAt(address: number): CodeRange | undefined {
    if (!(address >= this.#lowest && address < this.#highest)) return undefined;
    return this.#ranges.find((range) => range.start <= address && address < range.end);
  }
}

/**
 * The stack's words, fetched in windows: one system call for most threads.
 *
 * One for all processes that an engine works on, one after the other: the unwinder's compiled code
 * then always meets the same function.
 */
export class StackReader {
  readonly #libc: Libc;
  #pid = 0;
  readonly #area: Area = createArea(WINDOW_SIZE);
  readonly #view: DataView;
  #start = 0;
  #end = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#view = new DataView(this.#area.bytes.buffer);
  }

  /** Goes over to another process. */
  open(pid: number): void {
    this.#pid = pid;
    this.#start = 0;
    this.#end = 0;
  }

  covers(address: number): boolean {
    return address >= this.#start && address + WORD_SIZE <= this.#end;
  }

  /** Fetches from `address` on; false where nothing is readable. */
  moveTo(address: VirtualAddr): boolean {
    const count = this.#libc.readProcess(this.#pid, address, this.#area, WINDOW_SIZE);
    this.#start = address;
    this.#end = address + Math.max(0, count);
    return count >= WORD_SIZE;
  }

  /** As a function for the unwinder; the method does the work, for it is compiled once for all. */
  readonly read = (address: VirtualAddr): number => this.word(address);

  /** The word at `address`, or NaN where it is unreadable or no user address. */
  word(address: VirtualAddr): number {
    if (!this.covers(address) && !(this.moveTo(address) && this.covers(address))) return Number.NaN;
    const at = address - this.#start;
    const high = this.#view.getUint32(at + 4, true);
    return high >= 0x20_0000 ? Number.NaN : high * 2 ** 32 + this.#view.getUint32(at, true);
  }
}
