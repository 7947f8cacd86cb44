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
 * - Some system calls return EINTR when their thread is stopped, without any signal. Such a call is
 *   executed again (interrupted-call.ts), unless a signal is pending that the process catches: then
 *   EINTR is what the process would have seen without us, and it stays.
 * - A signal that arrives at a traced thread stops it and waits for the tracer. It is handed on
 *   when the thread goes on. Signals that are ignored would have interrupted nothing, so they
 *   count as none.
 */
import { closeSync, openSync } from "node:fs";
import { AwakeProcessors } from "./awake-processors.ts";
import { executeAgain, interruptAgain, makeAgain } from "./interrupted-call.ts";
import {
  ERRNO,
  type Libc,
  PTRACE,
  PTRACE_EVENT_STOP,
  PTRACE_O_SUSPEND_SECCOMP,
  PTRACE_O_TRACESYSGOOD,
  WALL,
  WNOHANG,
} from "./libc.ts";
import { RegisterPool } from "./registers.ts";
import { SignalState } from "./signal-state.ts";
import {
  createThread,
  type SeizeOutcome,
  type StopOutcome,
  type Thread,
  type ThreadCheck,
} from "./thread.ts";
import { listThreads, readThreadState } from "./thread-files.ts";

const SIGTRAP = 5;
/** Each round seizes the threads that were born in the one before. */
const ROUNDS_MAX = 50;

const SETTLE_MICROSECONDS = 200;
const GIVE_UP_MS = 50;
const RELEASE_MS = 2000;

const NO_CHECK: ThreadCheck = { check: () => true };

export class ThreadStop {
  readonly pid: number;
  readonly threads: Thread[] = [];
  readonly signals: SignalState;
  readonly processors = new AwakeProcessors();
  readonly #libc: Libc;
  readonly #suspendSeccomp: boolean;
  readonly #known = new Map<number, Thread>();
  readonly #registers = new RegisterPool();
  #alarmIsSet = false;
  readonly #ended: number[] = [];
  readonly #taskFolder: number;
  readonly #sleeping: Thread[] = [];
  readonly #working: Thread[] = [];

  /** Opens the process; nothing is traced yet. Throws ENOENT where there is none. */
  constructor(libc: Libc, pid: number, options: { readonly suspendSeccomp: boolean }) {
    this.#libc = libc;
    this.pid = pid;
    this.signals = new SignalState(libc, pid);
    this.#suspendSeccomp = options.suspendSeccomp;
    libc.silenceStops();
    this.#taskFolder = openSync(`/proc/${pid}/task`, "r");
  }

  /** Begins to trace every thread without stopping any. */
  seize(): SeizeOutcome {
    const traced = this.threads.filter((thread) => thread.state !== "gone");
    this.threads.splice(0, this.threads.length, ...traced);
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const tids = listThreads(this.pid);
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

  /** Lets every stopped thread go on, the busy ones first; all stay traced. */
  resume(): void {
    this.#letGo(PTRACE.PTRACE_CONT);
  }

  /** A short sleep before a stop: an interrupt out of other work took 50 us, and 20 after this. */
  settle(): void {
    this.processors.hold();
    this.#libc.sleepMicroseconds(SETTLE_MICROSECONDS);
  }

  /** Stops one thread for an injected call, and nothing else. */
  stopOne(thread: Thread, deadlineMs: number): StopOutcome {
    this.settle();
    const outcome = this.#stopWave([thread], performance.now() + deadlineMs, NO_CHECK);
    if (outcome.outcome !== "stopped") this.#giveUp();
    return outcome;
  }

  /** Writes a stopped thread's registers as its view holds them. */
  writeRegisters(thread: Thread): number {
    return this.#libc.ptrace(PTRACE.PTRACE_SETREGS, thread.tid, 0, thread.registers.address);
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
      if (isStopped(thread)) this.#letGoThread(thread, PTRACE.PTRACE_CONT);
    }
    return changes;
  }

  /**
   * Lets every stopped thread go on untraced, the busy ones first. Before them `keep` goes on, and
   * stays traced for an injected call that is still to come. Returns how many went on untraced.
   */
  detach(keep: Thread | undefined): number {
    if (keep !== undefined && isStopped(keep)) this.#letGoThread(keep, PTRACE.PTRACE_CONT);
    return this.#letGo(PTRACE.PTRACE_DETACH, keep);
  }

  /**
   * Ends the tracing. The kernel detaches only stopped threads, so those that are still traced are
   * stopped for it, one by one. One that does not stop runs on, traced, until this program ends.
   */
  release(): void {
    this.#letGo(PTRACE.PTRACE_DETACH);
    for (const thread of this.threads) {
      if (thread.state !== "running") continue;
      this.settle();
      this.#stopWave([thread], performance.now() + RELEASE_MS, NO_CHECK);
      if (isStopped(thread)) this.#letGoThread(thread, PTRACE.PTRACE_DETACH);
    }
    this.#cancelAlarm();
    // A thread that ended while it was traced stays until its tracer has asked for its end.
    for (const tid of this.#ended) this.#libc.waitpid(tid, WNOHANG | WALL);
    closeSync(this.#taskFolder);
    this.processors.release();
  }

  /** Everything goes on; stops that are still to come are awaited and undone. */
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
    for (const busy of [true, false]) {
      for (const thread of this.threads) {
        if (thread.state !== "stopped" || thread === keep || thread.busy !== busy) continue;
        this.#letGoThread(thread, request);
        count++;
      }
    }
    this.#cancelAlarm();
    return count;
  }

  #letGoThread(thread: Thread, request: number): void {
    // Also a stop that was given up before all were stopped may have interrupted a system call.
    if (!thread.examined && !thread.groupStop) this.#examine(thread, NO_CHECK);
    if (thread.mended) this.#leaveInterrupted(thread);
    const listen = thread.groupStop && request === PTRACE.PTRACE_CONT;
    const how = listen ? PTRACE.PTRACE_LISTEN : request;
    if (this.#libc.ptrace(how, thread.tid, 0, thread.signal) < 0) this.#ended.push(thread.tid);
    thread.signal = 0;
    thread.groupStop = false;
    thread.state = "running";
    if (request !== PTRACE.PTRACE_DETACH) return;
    thread.state = "gone";
    this.#known.delete(thread.tid); // It may be seized again.
  }

  #stopWave(wave: readonly Thread[], deadline: number, check: ThreadCheck): StopOutcome {
    this.#libc.setAlarm(Math.max(0, deadline - performance.now()));
    this.#alarmIsSet = true;
    for (const thread of wave) this.#interrupt(thread);
    return this.#collect(wave, deadline, check);
  }

  #interrupt(thread: Thread): void {
    const result = this.#libc.ptrace(PTRACE.PTRACE_INTERRUPT, thread.tid, 0, 0);
    thread.state = result < 0 ? "gone" : "interrupting";
    if (result < 0) this.#ended.push(thread.tid);
  }

  /** Waits for the stops, asleep: polling only contends for the threads' locks. */
  #collect(wave: readonly Thread[], deadline: number, check: ThreadCheck): StopOutcome {
    for (;;) {
      let slowest = 0;
      for (const thread of wave) {
        if (thread.state !== "interrupting") continue;
        if (!this.#poll(thread, 0)) slowest = thread.tid;
      }
      if (slowest === 0) break;
      if (performance.now() < deadline) continue;
      if (!this.#dropEnded(wave)) return deadlineOf(slowest);
    }
    return this.#examineAll(wave, check);
  }

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
      this.#ended.push(thread.tid);
      dropped = true;
    }
    return dropped;
  }

  /** Reads the registers, mends an interrupted system call, asks the check. */
  #examine(thread: Thread, check: ThreadCheck): boolean {
    const { registers } = thread;
    thread.examined = true;
    if (this.#libc.ptrace(PTRACE.PTRACE_GETREGS, thread.tid, 0, registers.address) < 0) {
      thread.state = "gone";
      return true;
    }
    // Not yet back in the system call that an earlier stop took it out of: a signal would miss it.
    if (thread.restartAt === registers.rip && registers.signed("orig_rax") < 0) return false;
    thread.restartAt = undefined;
    if (registers.signed("rax") === -ERRNO.EINTR && registers.signed("orig_rax") >= 0) {
      const caught = this.signals.interruptedByCaught(thread.tid, thread.signal);
      if (!caught) {
        executeAgain(registers);
        thread.mended = true;
        thread.restartAt = registers.rip;
        this.writeRegisters(thread);
      }
    }
    if (makeAgain(registers)) this.writeRegisters(thread);
    return check.check(thread);
  }

  /** A signal that came during the stop interrupts the call after all: EINTR as without us. */
  #leaveInterrupted(thread: Thread): void {
    thread.mended = false;
    if (!this.signals.interruptedByCaught(thread.tid, 0)) return;
    thread.restartAt = undefined;
    interruptAgain(thread.registers);
    this.writeRegisters(thread);
  }

  #stopNewborn(deadline: number, check: ThreadCheck): StopOutcome {
    const tids = listThreads(this.pid);
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

  /** The kernel counts the living threads and a leader that ended before them; so do we. */
  #countsMatch(): boolean {
    return this.#libc.linkCount(this.#taskFolder) - 2 === this.#known.size;
  }

  /** 0, or the errno for which the thread cannot be traced. A thread that ended is no error. */
  #seizeThread(tid: number): number {
    const options = PTRACE_O_TRACESYSGOOD | (this.#suspendSeccomp ? PTRACE_O_SUSPEND_SECCOMP : 0);
    const result = this.#libc.ptrace(PTRACE.PTRACE_SEIZE, tid, 0, options);
    const state = result === 0 ? "R" : readThreadState(this.pid, tid);
    if (result < 0 && state !== undefined && state !== "Z" && state !== "X") return -result;
    const thread = createThread(tid, this.#registers.next(), result === 0 ? "running" : "gone");
    if (state === undefined) return 0;
    this.#known.set(tid, thread);
    this.threads.push(thread);
    return 0;
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
    thread.examined = false;
    thread.mended = false;
    thread.groupStop = event === PTRACE_EVENT_STOP && signal !== SIGTRAP;
    thread.signal = event === 0 ? signal : 0;
    return true;
  }

  #alive(): number {
    let count = 0;
    for (const thread of this.threads) if (thread.state !== "gone") count++;
    return count;
  }
}

const isStopped = (thread: Thread): boolean => thread.state === "stopped";

const deadlineOf = (tid: number): StopOutcome => ({ outcome: "deadline", tid });
