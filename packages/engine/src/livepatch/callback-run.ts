/**
 * Calling a hotpatch's callbacks in one of the stopped threads.
 *
 * Any thread will do, wherever it stands: everything that it has is written into the save area first,
 * and the callback runs on a stack of its own beside it (link/callback-runner.ts). A thread is passed
 * over for the same reasons as for injected calls. Signals wait meanwhile, but for those that
 * the callback's own instructions cause; these are withheld from the process.
 *
 * Each callback has a record in the save area that says whether it was begun and what it answered.
 * The record is marked before the thread goes, and the thread itself completes it. So each callback
 * runs at most once, whoever is killed: the next command reads the records.
 */
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { RUNNER_PARKED, RUNNER_RESTORE, SAVE_AREA } from "../link/callback-runner.ts";
import { type ReturnPoint, redirect } from "../process/injected-call.ts";
import { type Area, createArea, NT_X86_XSTATE, PTRACE } from "../process/libc.ts";
import type { Thread } from "../process/thread.ts";
import type { ThreadStop } from "../process/thread-stop.ts";
import { ALL_BUT_FAULTS, type RunOutcome, runToSystemCall } from "../process/traced-run.ts";
import { STATE_SIZE_MAX, stateFeatures } from "../process/xsave.ts";
import { returnPointOfUsable } from "./injection.ts";
import type { LedgerCallbacks } from "./ledger.ts";
import { CALLBACK_DEADLINE_MS } from "./limits.ts";
import type { Context, Target } from "./target.ts";

/** How far a callback came, as its record says. */
export const Progress = { none: 0, begun: 1, returned: 2, cutShort: 3, skipped: 4 } as const;

export interface CallbackRecord {
  readonly progress: number;
  /** What it returned. */
  readonly answer: number;
}

const SIGSET_SIZE = 8;
const RECORD_SIZE = 8;
const MXCSR_DEFAULT = 0x1f80;
/** IF, and the bit that is always set: no direction flag, no trap flag. */
const FLAGS = 0x202;
const SAVED_FIELDS = 21;
/** A few instructions; on a machine with too much to do they take their time. */
const GO_BACK_MS = 5000;

/** The thread, and all that it had. */
interface Borrowed {
  readonly thread: Thread;
  readonly goOn: ReturnPoint;
  readonly registers: Uint32Array;
  readonly stateSize: number;
  /** True from when it was first sent to a callback. */
  sent: boolean;
}

export class CallbackRun {
  readonly #context: Context;
  readonly #target: Target;
  readonly #callbacks: LedgerCallbacks;
  readonly #save: VirtualAddr;
  readonly #saved: Area = createArea(SAVE_AREA.records);
  readonly #view: DataView;
  #borrowed: Borrowed | undefined;

  constructor(context: Context, target: Target, callbacks: LedgerCallbacks) {
    this.#context = context;
    this.#target = target;
    this.#callbacks = callbacks;
    const { address, size } = callbacks.area;
    this.#save = virtualAddr(address + size - SAVE_AREA.size);
    this.#view = new DataView(this.#saved.bytes.buffer);
  }

  /** Finds a stopped thread to run callbacks in, and notes all that it has. */
  borrow(stop: ThreadStop): boolean {
    for (const thread of stop.threads) {
      if (thread.state !== "stopped") continue;
      const goOn = returnPointOfUsable(stop, thread);
      if (goOn === undefined || stop.signals.hasDeliverableSignal(thread.tid)) continue;
      const { registers } = thread;
      const stateSize = this.#note(thread, goOn);
      if (stateSize === undefined) continue;
      this.#borrowed = { thread, goOn, registers: registers.copy(), stateSize, sent: false };
      return true;
    }
    return false;
  }

  /** Runs the callback at `index` of the ledger's list to its end. */
  run(index: number): RunOutcome & { readonly answer?: number } {
    const borrowed = this.#borrowed;
    const callback = this.#callbacks.list[index];
    if (borrowed === undefined || callback === undefined || borrowed.thread.state === "gone") {
      return { outcome: "gone" };
    }
    const { thread } = borrowed;
    this.mark(index, Progress.begun);
    this.#context.faultPoint("callback-next");
    this.#send(borrowed, callback.address, index);
    const outcome = this.#go(thread, CALLBACK_DEADLINE_MS);
    this.#context.faultPoint("callback-ended");
    if (outcome.outcome === "arrived") return { ...outcome, answer: this.record(index).answer };
    this.mark(index, Progress.cutShort);
    if (outcome.outcome === "faulted" || outcome.outcome === "deadline") this.#cutShort(thread);
    return outcome;
  }

  /** The thread gets back all that it had, and stands where it stood. False: it may be elsewhere. */
  giveBack(): boolean {
    const borrowed = this.#borrowed;
    this.#borrowed = undefined;
    if (borrowed === undefined || !borrowed.sent || borrowed.thread.state === "gone") return true;
    if (borrowed.thread.state !== "stopped") return false;
    const { thread, goOn, registers, stateSize } = borrowed;
    const { libc } = this.#context;
    // Behind the system call, which restores the signal mask.
    if (this.#go(thread, GO_BACK_MS).outcome !== "arrived") return false;
    const state = this.#saved.address + BigInt(SAVE_AREA.state);
    libc.setRegisterSet(thread.tid, NT_X86_XSTATE, state, stateSize);
    thread.registers.restore(registers);
    thread.registers.setBig("rax", goOn.rax);
    redirect(thread.registers, { rip: goOn.rip });
    return libc.ptrace(PTRACE.PTRACE_SETREGS, thread.tid, 0, thread.registers.address) >= 0;
  }

  record(index: number): CallbackRecord {
    const bytes = this.#target.memory.read(this.#recordAt(index), RECORD_SIZE);
    const view = new DataView((bytes ?? new Uint8Array(RECORD_SIZE)).buffer);
    return { progress: view.getUint32(0, true), answer: view.getInt32(4, true) };
  }

  mark(index: number, progress: number): void {
    const bytes = new Uint8Array(RECORD_SIZE);
    new DataView(bytes.buffer).setUint32(0, progress, true);
    this.#target.memory.write(this.#recordAt(index), bytes);
  }

  #recordAt(index: number): VirtualAddr {
    return virtualAddr(this.#save + SAVE_AREA.records + index * RECORD_SIZE);
  }

  /** Writes the save area; undefined where the thread's state is of no known form. */
  #note({ tid, registers }: Thread, goOn: ReturnPoint): number | undefined {
    const { libc } = this.#context;
    const at = this.#saved.address;
    const mask = at + BigInt(SAVE_AREA.mask);
    if (libc.ptrace(PTRACE.PTRACE_GETSIGMASK, tid, SIGSET_SIZE, mask) < 0) return undefined;
    const state = at + BigInt(SAVE_AREA.state);
    const size = libc.registerSet(tid, NT_X86_XSTATE, state, STATE_SIZE_MAX);
    const view = this.#view;
    const features = stateFeatures(view, SAVE_AREA.state, size);
    if (features === undefined) return undefined;
    view.setUint32(SAVE_AREA.features, features.low, true);
    view.setUint32(SAVE_AREA.features + 4, features.high, true);
    view.setUint32(SAVE_AREA.mxcsr, MXCSR_DEFAULT, true);
    const before = registers.copy();
    registers.setBig("rax", goOn.rax);
    redirect(registers, { rip: goOn.rip });
    for (let word = 0; word < SAVED_FIELDS * 2; word++) {
      view.setUint32(SAVE_AREA.registers + word * 4, registers.words[word] as number, true);
    }
    registers.restore(before);
    const written = this.#target.memory.writeArea(this.#save, at, SAVE_AREA.records);
    return written ? size : undefined;
  }

  /** First the registers: from then on the thread restores its signal mask itself. */
  #send(borrowed: Borrowed, to: VirtualAddr, index: number): void {
    const { thread, goOn } = borrowed;
    const { registers } = thread;
    if (!borrowed.sent) {
      borrowed.sent = true;
      thread.mended = false;
      if (goOn.rip !== registers.rip) thread.restartAt = goOn.rip;
    }
    redirect(registers, { rip: this.#callbacks.runner, rsp: this.#save });
    registers.set("rbx", to);
    registers.set("r14", this.#recordAt(index));
    registers.set("r15", this.#save);
    registers.set("rbp", 0);
    registers.set("rax", 0);
    registers.set("eflags", FLAGS);
    const { libc } = this.#context;
    libc.ptrace(PTRACE.PTRACE_SETREGS, thread.tid, 0, registers.address);
    this.#context.faultPoint("callback-sent");
    const mask = createArea(SIGSET_SIZE);
    new DataView(mask.bytes.buffer).setBigUint64(0, ALL_BUT_FAULTS, true);
    libc.ptrace(PTRACE.PTRACE_SETSIGMASK, thread.tid, SIGSET_SIZE, mask.address);
  }

  /** Leaves the callback where it is, and goes on behind it. */
  #cutShort(thread: Thread): void {
    const { registers } = thread;
    redirect(registers, { rip: virtualAddr(this.#callbacks.runner + RUNNER_RESTORE) });
    registers.set("r15", this.#save);
    registers.set("rsp", this.#save);
    registers.set("eflags", FLAGS);
    this.#context.libc.ptrace(PTRACE.PTRACE_SETREGS, thread.tid, 0, registers.address);
    this.#go(thread, GO_BACK_MS);
  }

  #go(thread: Thread, deadlineMs: number): RunOutcome {
    const end = virtualAddr(this.#callbacks.runner + RUNNER_PARKED);
    return runToSystemCall(this.#context.libc, thread, { end, deadlineMs });
  }
}
