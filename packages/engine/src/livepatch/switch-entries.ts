/**
 * Steps 6 to 8: stop all threads, see that none is in the way, write the entries, let go.
 *
 * Between the first interrupt and the last resume nothing is allocated on purpose, no file is
 * opened and nothing is decided that could have been decided before.
 */
import type { Thread } from "../process/thread.ts";
import { readThreadState, waitsForDuration } from "../process/thread-files.ts";
import type { ThreadStop } from "../process/thread-stop.ts";
import { type Refusal, refuse } from "../refusals.ts";
import type { EntryWriter } from "./jumps.ts";
import { BACKOFF_FIRST_MS, BACKOFF_MAX_MS, STOP_DEADLINE_MS } from "./limits.ts";
import type { Conflict, StackCheck } from "./safety.ts";
import type { Context } from "./target.ts";

const TOUCHED_MAX = 4;
/** On a busy machine a thread waits long for a processor. */
const RESTART_MS = 500;

export interface SwitchReport {
  /** From the first interrupt to the last thread's going on, in microseconds. */
  readonly stopUs: number;
  readonly threads: number;
  readonly attempts: number;
}

/** The callbacks of a hotpatch around the switch, in the order in which they are called. */
export interface SwitchCallbacks {
  /** Takes a stopped thread to run them in; false where none can be used now. */
  readonly borrow: (stop: ThreadStop) => boolean;
  /** Before the first entry. A refusal leaves them all as they are. */
  readonly before: () => Refusal | undefined;
  /** Behind the last entry. A refusal takes them back. */
  readonly after: () => Refusal | undefined;
  /** When nothing is switched after all. */
  readonly undone: () => void;
  /** The thread stands where it stood. */
  readonly giveBack: () => void;
}

export interface SwitchRequest {
  readonly context: Context;
  readonly stop: ThreadStop;
  readonly check: StackCheck;
  readonly writer: EntryWriter;
  /** Undoes what the writer wrote, should the kernel refuse in the middle. */
  readonly undo: EntryWriter;
  readonly timeoutMs: number;
  /** Keep one thread traced, for an injected call afterwards. */
  readonly keepCaller: boolean;
  /** What runs in the process within the stop. */
  readonly callbacks?: SwitchCallbacks | undefined;
  /** For messages: `process 12 (redis-server)`. */
  readonly process: string;
}

/** Tries until it succeeds or the time is over; then says who was in the way. */
export function switchEntries(request: SwitchRequest): SwitchReport | Refusal {
  const { stop, check, context } = request;
  const until = performance.now() + request.timeoutMs;
  let backoffMs = BACKOFF_FIRST_MS;
  for (let attempts = 1; ; attempts++) {
    stop.sortByActivity();
    const caller = request.keepCaller ? chooseCaller(stop) : undefined;
    touch(stop, check);
    check.conflicts.length = 0;
    stop.settle();
    context.faultPoint("before-stop");
    const begin = performance.now();
    const outcome = stop.stop({ deadlineMs: STOP_DEADLINE_MS, check });
    const switched = outcome.outcome === "stopped" ? switchStopped(request) : undefined;
    if (switched !== undefined) {
      const threads = stop.detach(caller) + (caller ? 1 : 0);
      const stopUs = (performance.now() - begin) * 1000;
      awaitRestarted(context, stop);
      context.faultPoint("resumed");
      return switched.refusal ?? { stopUs, threads, attempts };
    }
    if (outcome.outcome === "stopped") stop.resume();
    if (outcome.outcome === "gone") {
      return refuse("process-gone", `${request.process} ended meanwhile`, "nothing to do");
    }
    if (outcome.outcome === "group-stop") {
      return refuse(
        "process-stopped",
        `${request.process} was stopped by a signal`,
        "continue it with kill -CONT and try again",
      );
    }
    if (performance.now() > until) {
      if (outcome.outcome === "stopped") return noThread(request.process);
      return outcome.outcome === "deadline"
        ? slowThread(request.process, outcome.tid)
        : inTheWay(request.process, check.conflicts);
    }
    waitMs(context, stop, backoffMs);
    backoffMs = Math.min(backoffMs * 2, BACKOFF_MAX_MS);
  }
}

/** All stand still. Undefined when no thread could be used for the callbacks. */
function switchStopped(request: SwitchRequest): { refusal: Refusal | undefined } | undefined {
  const { callbacks, context, stop, writer, undo } = request;
  context.faultPoint("stopped");
  if (callbacks?.borrow(stop) === false) return undefined;
  let refusal = callbacks?.before();
  if (refusal === undefined && !writeAll(request)) refusal = notWritten(request.process);
  else if (refusal === undefined) {
    refusal = callbacks?.after();
    if (refusal !== undefined) for (let at = 0; at < writer.count; at++) undo.write(at);
  }
  if (refusal !== undefined) callbacks?.undone();
  callbacks?.giveBack();
  context.faultPoint("switched");
  return { refusal };
}

/**
 * The check once more with the registers of an earlier moment, and for nothing but that what it
 * needs is in the processor's caches when it counts.
 */
function touch(stop: ThreadStop, check: StackCheck): void {
  let count = 0;
  for (const thread of stop.threads) {
    if (thread.state !== "running" || !thread.busy || thread.registers.rip === 0) continue;
    if (++count > TOUCHED_MAX) break;
    check.check(thread);
  }
}

/** Waits until threads are asleep again in the calls that we took them out of. */
export function awaitRestarted({ libc }: Context, stop: ThreadStop): void {
  const until = performance.now() + RESTART_MS;
  for (const { tid, restartAt } of stop.threads) {
    if (restartAt === undefined) continue;
    while (readThreadState(stop.pid, tid) === "R" && performance.now() < until) {
      libc.sleepMicroseconds(50);
    }
  }
}

/** The thread that an injected call can best use afterwards (injection-method.ts). */
function chooseCaller({ pid, threads }: ThreadStop): Thread | undefined {
  const running = threads.filter((thread) => thread.state === "running");
  return (
    running.find(({ busy, tid }) => !busy && !waitsForDuration(pid, tid)) ??
    running.find((thread) => thread.busy) ??
    running[0]
  );
}

/** Waits while signals are handed on to the seized threads. */
function waitMs(context: Context, stop: ThreadStop, milliseconds: number): void {
  const until = performance.now() + milliseconds;
  stop.processors.release();
  do {
    stop.pump();
    context.libc.sleepMicroseconds(200);
  } while (performance.now() < until);
}

function writeAll({ writer, undo, context }: SwitchRequest): boolean {
  for (let index = 0; index < writer.count; index++) {
    if (!writer.write(index)) {
      for (let back = 0; back < index; back++) undo.write(back);
      return false;
    }
    context.faultPoint("switching");
  }
  return true;
}

function inTheWay(process: string, conflicts: readonly Conflict[]): Refusal {
  if (conflicts.length === 0) {
    return refuse(
      "threads-did-not-stop",
      `${process}: a thread did not get back to its system call in time`,
      "try again when the machine is less busy",
    );
  }
  const who = conflicts
    .map(({ tid, function: name, certain }) =>
      certain ? `thread ${tid} is in ${name}` : `thread ${tid} may be in ${name}`,
    )
    .join(", ");
  return refuse(
    "function-on-stack",
    `${process}: ${who}`,
    "try again when the service is less busy, or with a longer --timeout; a function that never returns needs a restart",
  );
}

const slowThread = (process: string, tid: number): Refusal =>
  refuse(
    "threads-did-not-stop",
    `${process}: thread ${tid} did not stop in time`,
    `look what it waits for: cat /proc/${tid}/wchan /proc/${tid}/stack; then try again`,
  );

const noThread = (process: string): Refusal =>
  refuse(
    "no-thread-for-callback",
    `${process}: no thread was in a state in which it can run a callback`,
    "try again, or with a longer --timeout",
  );

const notWritten = (process: string): Refusal =>
  refuse(
    "not-permitted",
    `the kernel does not let the code of ${process} be written`,
    "look at the kernel's proc_mem.force_override parameter and at security modules",
  );
