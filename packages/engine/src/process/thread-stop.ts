/**
 * Stopping all threads of a process, shortly and safely.
 *
 * The threads are seized first, which costs the process nothing. The stop then goes in two
 * waves: threads that sleep are interrupted and examined while the busy ones still run; the
 * busy ones come last and are the first to go on. So a thread that works is stopped for about
 * as long as one thread takes, however many others sleep.
 *
 * A thread born meanwhile is found by the link count of /proc/PID/task, which is the number of
 * threads plus two (fs/proc/base.c, proc_task_getattr): one call instead of reading the folder.
 * While every known thread is stopped no thread can be born, so an equal count is final.
 *
 * Two things must not be seen by the process (ptrace(2), signal(7)):
 *
 * - Some system calls return EINTR when their thread is stopped, without any signal (epoll_wait,
 *   semop, io_getevents, sockets with a timeout). Such a call is executed again: the instruction
 *   pointer goes back over the `syscall` instruction. Where a signal is pending that the process
 *   catches, EINTR is what the process would have seen without us, and it stays.
 * - A signal that arrives at a traced thread stops it and waits for the tracer. It is handed on
 *   when the thread goes on. Signals that are ignored would have interrupted nothing, so they
 *   count as none.
 */
import { closeSync, openSync, readdirSync, readFileSync } from "node:fs";
import {
  type Area,
  createArea,
  ERRNO,
  type Libc,
  PTRACE,
  PTRACE_EVENT_STOP,
  PTRACE_O_SUSPEND_SECCOMP,
  PTRACE_PEEKSIGINFO_SHARED,
  WALL,
  WNOHANG,
} from "./libc.ts";
import { RegisterView, USER_REGS_SIZE } from "./registers.ts";

const SIGTRAP = 5;
const SYSCALL_SIZE = 2;
const THREADS_PER_AREA = 64;
/** Each round seizes the threads that were born in the one before. */
const ROUNDS_MAX = 50;
/** About 100 microseconds; a processor that is interrupted answers within half of that. */
const POLLS_OF_BUSY_THREADS = 300;

/** rseq_cs in struct rseq: the address of the running sequence's description. */
const RSEQ_CS_OFFSET = 8;
const GIVE_UP_MS = 50;
const RELEASE_MS = 20;

export interface Thread {
  readonly tid: number;
  readonly registers: RegisterView;
  state: "running" | "interrupting" | "stopped" | "gone";
  /** True when the thread was running on a processor when it was seized. */
  busy: boolean;
  /** The signal that stopped it on its way to the process, or 0. */
  signal: number;
  /** True when the whole process is stopped by a signal (group-stop). */
  groupStop: boolean;
}

export type StopOutcome =
  | { readonly outcome: "stopped" }
  | { readonly outcome: "rejected" }
  | { readonly outcome: "deadline"; readonly tid: number }
  | { readonly outcome: "gone" }
  | { readonly outcome: "group-stop" };

export type SeizeOutcome =
  | { readonly outcome: "seized" }
  | { readonly outcome: "gone" }
  | { readonly outcome: "failed"; readonly tid: number; readonly errno: number };

/** Says whether the process may stay stopped, given one more stopped thread. */
export interface ThreadCheck {
  check(thread: Thread): boolean;
}

const NO_CHECK: ThreadCheck = { check: () => true };

export class ThreadStop {
  readonly pid: number;
  readonly threads: Thread[] = [];
  readonly #libc: Libc;
  readonly #suspendSeccomp: boolean;
  readonly #known = new Map<number, Thread>();
  readonly #areas: Area[] = [];
  #slotsUsed = 0;
  #alarmIsSet = false;
  readonly #signalInfo = createArea(256);
  readonly #signalQuery = createArea(64);
  readonly #taskFolder: number;
  readonly #sleeping: Thread[] = [];
  readonly #working: Thread[] = [];

  /** Opens the process; nothing is traced yet. Throws ENOENT where there is none. */
  constructor(libc: Libc, pid: number, options: { readonly suspendSeccomp: boolean }) {
    this.#libc = libc;
    this.pid = pid;
    this.#suspendSeccomp = options.suspendSeccomp;
    this.#taskFolder = openSync(`/proc/${pid}/task`, "r");
  }

  /** Begins to trace every thread without stopping any. */
  seize(): SeizeOutcome {
    const traced = this.threads.filter((thread) => thread.state !== "gone");
    this.threads.splice(0, this.threads.length, ...traced);
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const tids = this.#listThreads();
      if (tids === undefined) return { outcome: "gone" };
      const fresh = tids.filter((tid) => !this.#known.has(tid));
      if (fresh.length === 0) break;
      for (const tid of fresh) {
        const outcome = this.#seizeThread(tid);
        if (outcome !== 0) return { outcome: "failed", tid, errno: outcome };
      }
    }
    this.pump();
    return this.#alive() === 0 ? { outcome: "gone" } : { outcome: "seized" };
  }

  /** Notes anew which threads are running on a processor; the others are stopped first. */
  sortByActivity(): void {
    for (const thread of this.threads) {
      if (thread.state === "gone") continue;
      thread.busy = readThreadState(this.pid, thread.tid) === "R";
    }
  }

  /**
   * Stops every thread, or lets all go again.
   *
   * `check` sees each thread once, as soon as it is stopped; when it says no, or the deadline
   * (milliseconds from now) passes, everything goes on as if nothing had happened.
   */
  stop(options: { readonly deadlineMs: number; readonly check: ThreadCheck }): StopOutcome {
    const deadline = performance.now() + options.deadlineMs;
    this.#sleeping.length = 0;
    this.#working.length = 0;
    for (const thread of this.threads) {
      if (thread.state !== "running") continue;
      (thread.busy ? this.#working : this.#sleeping).push(thread);
    }
    let outcome = this.#stopWave(this.#sleeping, deadline, options.check);
    if (outcome.outcome === "stopped") {
      outcome = this.#stopWave(this.#working, deadline, options.check);
    }
    for (let round = 0; outcome.outcome === "stopped" && !this.#countsMatch(); round++) {
      outcome = round < ROUNDS_MAX ? this.#stopNewborn(deadline, options.check) : deadlineOf(0);
    }
    if (outcome.outcome !== "stopped") this.#giveUp();
    return outcome;
  }

  /** Lets every stopped thread go on, the busy ones first; all stay traced. Returns how many. */
  resume(): number {
    return this.#letGo(PTRACE.PTRACE_CONT);
  }

  /** Stops one thread for an injected call, and nothing else. */
  stopOne(thread: Thread, deadlineMs: number): StopOutcome {
    const one = [thread];
    const outcome = this.#stopWave(one, performance.now() + deadlineMs, NO_CHECK);
    if (outcome.outcome !== "stopped") this.#giveUp();
    return outcome;
  }

  /** Writes the registers of a stopped thread as its view now holds them. */
  writeRegisters(thread: Thread): number {
    return this.#libc.ptrace(PTRACE.PTRACE_SETREGS, thread.tid, 0, thread.registers.address);
  }

  /** True when a signal waits for the stopped thread, blocked or not. */
  hasPendingSignal(tid: number): boolean {
    return (
      this.#queuedSignals(tid, 0) !== 0 || this.#queuedSignals(tid, PTRACE_PEEKSIGINFO_SHARED) !== 0
    );
  }

  /**
   * True when the stopped thread is inside a restartable sequence (rseq(2)): moved away, it would
   * go on without the protection that the sequence relies on.
   */
  isInRestartableSequence(tid: number): boolean {
    // struct ptrace_rseq_configuration: rseq_abi_pointer, size, signature, flags, pad.
    const info = this.#signalInfo;
    const size = this.#libc.ptrace(PTRACE.PTRACE_GET_RSEQ_CONFIGURATION, tid, 24, info.address);
    if (size < 0) return false; // Kernels before 5.13 do not tell; there glibc uses none.
    const area = (info.words[1] as number) * 2 ** 32 + (info.words[0] as number);
    if (area === 0) return false;
    const sequence = this.#libc.readProcess(this.pid, area + RSEQ_CS_OFFSET, this.#signalQuery, 8);
    const { words } = this.#signalQuery;
    return sequence !== 8 || words[0] !== 0 || words[1] !== 0;
  }

  /**
   * Hands on the signals that arrived at traced, running threads, and returns how many threads
   * changed. Call it often while seized.
   */
  pump(): number {
    let changes = 0;
    for (const thread of this.threads) {
      if (thread.state !== "running" || !this.#poll(thread, WNOHANG)) continue;
      changes++;
      // A stop that was asked for and given up before it came also ends here: it may have
      // interrupted a system call.
      if (isStopped(thread) && !thread.groupStop) this.#examine(thread, NO_CHECK);
      if (isStopped(thread)) this.#letGoThread(thread, PTRACE.PTRACE_CONT);
    }
    return changes;
  }

  /**
   * Lets every stopped thread go on untraced, the busy ones first. `keep` goes on traced: for an
   * injected call that is still to come. Returns how many went on.
   */
  detach(keep: Thread | undefined): number {
    const count = this.#letGo(PTRACE.PTRACE_DETACH, keep);
    if (keep !== undefined && isStopped(keep)) this.#letGoThread(keep, PTRACE.PTRACE_CONT);
    return count;
  }

  /** A thread that an injected call may use: one that sleeps, if there is any. */
  chooseCaller(): Thread | undefined {
    const running = this.threads.filter((thread) => thread.state === "running");
    return running.find((thread) => !thread.busy) ?? running[0];
  }

  /**
   * Ends the tracing. The kernel detaches only stopped threads, so those that are still traced are
   * stopped for it, one by one. One that does not stop runs on, traced, until this program ends.
   */
  release(): void {
    this.#letGo(PTRACE.PTRACE_DETACH);
    for (const thread of this.threads) {
      if (thread.state !== "running") continue;
      this.stopOne(thread, RELEASE_MS);
      if (isStopped(thread)) this.#letGoThread(thread, PTRACE.PTRACE_DETACH);
    }
    this.#cancelAlarm();
    closeSync(this.#taskFolder);
  }

  /** Everything goes on; stops that are still to come are awaited for a moment and undone. */
  #giveUp(): void {
    this.resume();
    const until = performance.now() + GIVE_UP_MS;
    let owed = 0;
    for (const thread of this.threads) {
      if (thread.state !== "interrupting") continue;
      thread.state = "running";
      owed++;
    }
    while (owed > 0 && performance.now() < until) {
      owed -= this.pump();
      this.#libc.yieldProcessor();
    }
  }

  #letGo(request: number, keep?: Thread): number {
    let count = 0;
    for (const thread of this.threads) {
      if (thread.state !== "stopped" || !thread.busy || thread === keep) continue;
      this.#letGoThread(thread, request);
      count++;
    }
    for (const thread of this.threads) {
      if (thread.state !== "stopped" || thread === keep) continue;
      this.#letGoThread(thread, request);
      count++;
    }
    this.#cancelAlarm();
    return count;
  }

  #letGoThread(thread: Thread, request: number): void {
    const listen = thread.groupStop && request === PTRACE.PTRACE_CONT;
    this.#libc.ptrace(listen ? PTRACE.PTRACE_LISTEN : request, thread.tid, 0, thread.signal);
    thread.signal = 0;
    thread.groupStop = false;
    thread.state = "running";
    if (request !== PTRACE.PTRACE_DETACH) return;
    thread.state = "gone";
    this.#known.delete(thread.tid); // It may be seized again.
  }

  #stopWave(wave: readonly Thread[], deadline: number, check: ThreadCheck): StopOutcome {
    for (const thread of wave) this.#interrupt(thread);
    const busy = wave[0]?.busy === true;
    return this.#collect(wave, deadline, check, busy ? POLLS_OF_BUSY_THREADS : 0);
  }

  #interrupt(thread: Thread): void {
    const result = this.#libc.ptrace(PTRACE.PTRACE_INTERRUPT, thread.tid, 0, 0);
    thread.state = result < 0 ? "gone" : "interrupting";
  }

  /**
   * Waits for the stops. A busy thread is stopped within microseconds by an interrupt, so its
   * state is polled: falling asleep and waking up would take longer. Sleeping threads need a
   * processor to stop, perhaps ours, so we sleep, until the alarm at the deadline.
   */
  #collect(wave: readonly Thread[], deadline: number, check: ThreadCheck, polls = 0): StopOutcome {
    for (let round = 0; ; round++) {
      if (round === polls) this.#setAlarm(deadline);
      let slowest = 0;
      for (const thread of wave) {
        if (thread.state !== "interrupting") continue;
        if (!this.#poll(thread, round < polls ? WNOHANG : 0)) slowest = thread.tid;
      }
      if (slowest === 0) break;
      if (round < polls || performance.now() < deadline) continue;
      if (!this.#dropEnded(wave)) return deadlineOf(slowest);
    }
    return this.#examineAll(wave, check);
  }

  #setAlarm(deadline: number): void {
    this.#libc.setAlarm(Math.max(0, deadline - performance.now()));
    this.#alarmIsSet = true;
  }

  /** Setting and cancelling takes 6 microseconds each, so only where it is needed. */
  #cancelAlarm(): void {
    if (this.#alarmIsSet) this.#libc.cancelAlarm();
    this.#alarmIsSet = false;
  }

  /**
   * Only when all of the wave are stopped: a request to a thread that is just about to leave its
   * processor makes the kernel wait for that (kernel/sched/core.c, wait_task_inactive).
   */
  #examineAll(wave: readonly Thread[], check: ThreadCheck): StopOutcome {
    for (const thread of wave) {
      if (!isStopped(thread)) continue;
      if (thread.groupStop) return { outcome: "group-stop" };
      if (!this.#examine(thread, check)) return { outcome: "rejected" };
    }
    return this.#alive() === 0 ? { outcome: "gone" } : { outcome: "stopped" };
  }

  /** A leader that ended before its threads never stops; the kernel goes on counting it. */
  #dropEnded(wave: readonly Thread[]): boolean {
    let dropped = false;
    for (const thread of wave) {
      if (thread.state !== "interrupting") continue;
      const state = readThreadState(this.pid, thread.tid);
      if (state !== undefined && state !== "Z" && state !== "X") continue;
      thread.state = "gone";
      dropped = true;
    }
    return dropped;
  }

  /** Reads the registers, mends an interrupted system call, asks the check. */
  #examine(thread: Thread, check: ThreadCheck): boolean {
    const { registers } = thread;
    if (this.#libc.ptrace(PTRACE.PTRACE_GETREGS, thread.tid, 0, registers.address) < 0) {
      thread.state = "gone";
      return true;
    }
    if (registers.signed("rax") === -ERRNO.EINTR && registers.signed("orig_rax") >= 0) {
      if (!this.#signalInterrupted(thread)) this.#executeAgain(thread);
    }
    return check.check(thread);
  }

  #executeAgain(thread: Thread): void {
    const { registers } = thread;
    registers.set("rip", registers.rip - SYSCALL_SIZE);
    registers.set("rax", registers.signed("orig_rax"));
    const field = 15 * 2; // orig_rax = -1: no system call is to be restarted by the kernel.
    registers.words[field] = 0xffff_ffff;
    registers.words[field + 1] = 0xffff_ffff;
    this.writeRegisters(thread);
  }

  /** True when a signal that the process catches is what interrupted the system call. */
  #signalInterrupted(thread: Thread): boolean {
    if (thread.signal === 0 && !this.hasPendingSignal(thread.tid)) return false;
    const masks = readSignalMasks(this.pid, thread.tid);
    if (masks === undefined) return true;
    const own = thread.signal === 0 ? 0n : 1n << BigInt(thread.signal - 1);
    const deliverable = (masks.pending & ~masks.blocked) | own;
    return (deliverable & masks.caught) !== 0n;
  }

  /** How many signals are queued; an error counts as one, so that the careful way is taken. */
  #queuedSignals(tid: number, flags: number): number {
    const query = this.#signalQuery.words; // struct ptrace_peeksiginfo_args: off, flags, nr
    query[0] = 0;
    query[1] = 0;
    query[2] = flags;
    query[3] = 1;
    return this.#libc.ptrace(
      PTRACE.PTRACE_PEEKSIGINFO,
      tid,
      Number(this.#signalQuery.address),
      this.#signalInfo.address,
    );
  }

  #stopNewborn(deadline: number, check: ThreadCheck): StopOutcome {
    const tids = this.#listThreads();
    if (tids === undefined) return { outcome: "gone" };
    const wave: Thread[] = [];
    for (const tid of tids) {
      if (this.#known.has(tid)) continue;
      if (this.#seizeThread(tid) !== 0) continue;
      const thread = this.#known.get(tid);
      if (thread !== undefined) wave.push(thread);
    }
    return this.#stopWave(wave, deadline, check);
  }

  #countsMatch(): boolean {
    return this.#libc.linkCount(this.#taskFolder) - 2 === this.#counted;
  }

  /** 0, or the errno for which the thread cannot be traced. A thread that ended is no error. */
  #seizeThread(tid: number): number {
    const options = this.#suspendSeccomp ? PTRACE_O_SUSPEND_SECCOMP : 0;
    const result = this.#libc.ptrace(PTRACE.PTRACE_SEIZE, tid, 0, options);
    const state = result === 0 ? "R" : readThreadState(this.pid, tid);
    if (result < 0 && state !== undefined && state !== "Z" && state !== "X") return -result;
    const thread: Thread = {
      tid,
      registers: this.#nextRegisters(),
      state: result === 0 ? "running" : "gone",
      busy: true,
      signal: 0,
      groupStop: false,
    };
    if (state === undefined) return 0;
    this.#known.set(tid, thread);
    this.threads.push(thread);
    return 0;
  }

  #nextRegisters(): RegisterView {
    const slot = this.#slotsUsed++ % THREADS_PER_AREA;
    if (slot === 0) this.#areas.push(createArea(THREADS_PER_AREA * USER_REGS_SIZE));
    const area = this.#areas[this.#areas.length - 1] as Area;
    const start = slot * USER_REGS_SIZE;
    return new RegisterView(
      area.words.subarray(start / 4, (start + USER_REGS_SIZE) / 4),
      area.address + BigInt(start),
    );
  }

  /** Takes over a change of the thread's state; false when there is none, or the alarm rang. */
  #poll(thread: Thread, options: number): boolean {
    const result = this.#libc.waitpid(thread.tid, options | WALL);
    if (result === 0 || result === -ERRNO.EINTR) return false;
    if (result < 0) {
      thread.state = "gone";
      return true;
    }
    const status = this.#libc.waitStatus();
    if ((status & 0xff) !== 0x7f) {
      thread.state = "gone"; // It exited and the wait released it.
      this.#known.delete(thread.tid);
      return true;
    }
    const signal = (status >> 8) & 0xff;
    const event = status >> 16;
    thread.state = "stopped";
    thread.groupStop = event === PTRACE_EVENT_STOP && signal !== SIGTRAP;
    thread.signal = event === 0 ? signal : 0;
    return true;
  }

  #alive(): number {
    let count = 0;
    for (const thread of this.threads) if (thread.state !== "gone") count++;
    return count;
  }

  /** Threads that the kernel still counts: the living ones and a leader that ended before them. */
  get #counted(): number {
    return this.#known.size;
  }

  #listThreads(): number[] | undefined {
    try {
      return readdirSync(`/proc/${this.pid}/task`).map(Number);
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }
}

const isStopped = (thread: Thread): boolean => thread.state === "stopped";

const deadlineOf = (tid: number): StopOutcome => ({ outcome: "deadline", tid });

const isMissing = (error: unknown): boolean =>
  error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH");

/** The letter of /proc/PID/task/TID/stat, or undefined when the thread is gone. */
export function readThreadState(pid: number, tid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/task/${tid}/stat`, "latin1");
    return text.charAt(text.lastIndexOf(")") + 2);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

interface SignalMasks {
  readonly pending: bigint;
  readonly blocked: bigint;
  readonly caught: bigint;
}

function readSignalMasks(pid: number, tid: number): SignalMasks | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/task/${tid}/status`, "latin1");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
  const mask = (field: string): bigint => {
    const match = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, "m").exec(text);
    return match === null ? 0n : BigInt(`0x${match[1]}`);
  };
  return {
    pending: mask("SigPnd") | mask("ShdPnd"),
    blocked: mask("SigBlk"),
    caught: mask("SigCgt"),
  };
}
