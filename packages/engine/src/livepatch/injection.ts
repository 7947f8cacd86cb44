/**
 * Making a process map or unmap memory: one of its threads makes a few system calls, in between.
 *
 * A sleeping thread is preferred; one that works is kept for a few calls at a time only. A thread
 * with a signal waiting is left alone, for the signal has to see the system call that it interrupted.
 */
import {
  type InjectedCall,
  type ReturnPoint,
  redirect,
  returnPoint,
} from "../process/injected-call.ts";
import { encodedSizeMax } from "../process/injected-code.ts";
import { SYSCALL } from "../process/interrupted-call.ts";
import type { Gadgets } from "../process/signal-frames.ts";
import type { Thread } from "../process/thread.ts";
import { waitsForDuration } from "../process/thread-files.ts";
import type { ThreadStop } from "../process/thread-stop.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import { findGadgets } from "./gadgets.ts";
import { CodeInjection, FrameInjection, type InjectionMethod } from "./injection-method.ts";
import { leaveRoom } from "./leave-room.ts";
import { INJECTED_CALL_MS, STOP_DEADLINE_MS } from "./limits.ts";
import { findSpareRoom, type SpareRoom } from "./spare-room.ts";
import { type Context, describe, readMappings, type Target } from "./target.ts";
import { ThreadStacks } from "./thread-stacks.ts";

const PAGE_SIZE = 4096;
/** Threads that are tried in one round and one way. */
const THREADS_MAX = 16;
const CALLS_MAX = 12;
/** Fewer where they keep a thread from its work. */
const BUSY_CALLS_MAX = 2;
const PAUSE_MICROSECONDS = 20;
/** More than some calls take. */
const CALLS_MICROSECONDS = 200;

/** What a process has that its injected calls can use; at least one of the two. */
export interface CallMeans {
  readonly gadgets: Gadgets | undefined;
  readonly room: SpareRoom | undefined;
}

export interface InjectionRequest {
  readonly context: Context;
  readonly target: Target;
  readonly stop: ThreadStop;
  readonly means: CallMeans;
  /** What "name" stands for in the calls. */
  readonly name: string;
  readonly calls: readonly InjectedCall[];
  /**
   * Whether the first `made` calls had their effect. The next ones wait for it, for another thread
   * may make them.
   */
  readonly done: (made: number) => boolean;
}

/** The means for injected calls with this name, or a refusal where there are none. */
export function findCallMeans(target: Target, name: string): CallMeans | Refusal {
  const { modules, hasShadowStack } = target.image;
  // A processor that guards return addresses does not let a frame return to where none called from.
  const gadgets = hasShadowStack ? undefined : findGadgets(target.image, target.read);
  const size = encodedSizeMax(CALLS_MAX) + name.length + 1;
  const room = findSpareRoom(modules, target.read, size);
  if (gadgets !== undefined || room !== undefined) return { gadgets, room };
  return refuse(
    "no-room-for-call",
    `no module of ${describe(target.image)} has a system call to use, or ${size} unused bytes behind its code`,
    "a restart with the fixed package is needed for this process",
  );
}

/**
 * Has the process make the calls, in their order. Returns the unused bytes that this took, if any;
 * they are cleared again.
 */
export function injectCalls(
  request: InjectionRequest,
): { readonly room: SpareRoom | undefined } | Refusal {
  const { context, target, stop, calls } = request;
  let room: SpareRoom | undefined;
  for (let made = 0; made < calls.length; ) {
    const sent = sendSome(request, calls.slice(made));
    if (isRefusal(sent)) return sent;
    made += sent.count;
    // Whoever reads a process's mappings keeps it from changing them.
    context.libc.sleepMicroseconds(CALLS_MICROSECONDS);
    const ended = awaitEffect(request, sent.thread, made);
    const used = sent.method.room;
    if (used !== undefined && !leaveRoom(context.libc, stop, target.memory, used, sent.thread)) {
      return failed(stop.pid, "a signal handler runs on top of one");
    }
    if (ended !== undefined) return ended;
    room = used ?? room;
  }
  return { room };
}

interface Sent {
  readonly thread: Thread;
  readonly method: InjectionMethod;
  /** How many of the calls it makes. */
  readonly count: number;
}

/** Sends the first thread that can be used, by signal frames if any can be used so. */
function sendSome(request: InjectionRequest, calls: readonly InjectedCall[]): Sent | Refusal {
  const { stop, context } = request;
  const until = performance.now() + INJECTED_CALL_MS;
  while (performance.now() < until) {
    stop.sortByActivity();
    const sent = sendByFrames(request, calls) ?? sendByCode(request, calls);
    if (sent !== undefined) return sent;
    context.libc.sleepMicroseconds(PAUSE_MICROSECONDS);
    stop.seize(); // All threads, where the one that was kept is of no use.
  }
  return failed(stop.pid, "no thread could be used for it");
}

function sendByFrames(request: InjectionRequest, calls: readonly InjectedCall[]): Sent | undefined {
  const { context, target, stop, means, name } = request;
  const { gadgets } = means;
  if (gadgets === undefined) return undefined;
  const stacks = new ThreadStacks(readMappings(target.pid));
  const process = { libc: context.libc, memory: target.memory, stacks };
  const threads = byActivity(stop.threads).filter(
    ({ busy, tid }) => busy || !waitsForDuration(stop.pid, tid),
  );
  return sendFirst(request, threads, calls, (some) => {
    return new FrameInjection(process, gadgets, { calls: some, name });
  });
}

function sendByCode(request: InjectionRequest, calls: readonly InjectedCall[]): Sent | undefined {
  const { target, stop, means, name } = request;
  const { room } = means;
  if (room === undefined) return undefined;
  const sent = sendFirst(request, byActivity(stop.threads), calls, (some) => {
    const usable = some.filter((call) => !dropsRoom(call, room));
    return new CodeInjection(target.memory, room, { calls: usable, name });
  });
  if (sent === undefined) target.memory.write(room.address, new Uint8Array(room.size));
  return sent;
}

function sendFirst(
  { stop, context: { practise } }: InjectionRequest,
  threads: readonly Thread[],
  calls: readonly InjectedCall[],
  methodFor: (calls: readonly InjectedCall[]) => InjectionMethod,
): Sent | undefined {
  for (const thread of threads.slice(0, THREADS_MAX)) {
    const some = calls.slice(0, thread.busy ? BUSY_CALLS_MAX : CALLS_MAX);
    const method = methodFor(some);
    if (thread.busy) practise();
    if (sendThread(stop, thread, method)) return { thread, method, count: some.length };
  }
  return undefined;
}

/** Code must not take away the page that it stands in. */
const dropsRoom = ({ number, args }: InjectedCall, room: SpareRoom): boolean =>
  number === SYSCALL.madvise && args[0] === room.address - (room.address % PAGE_SIZE);

/** Waits for what the calls do. */
function awaitEffect(request: InjectionRequest, thread: Thread, made: number): Refusal | undefined {
  const { stop, context } = request;
  const deadline = performance.now() + INJECTED_CALL_MS;
  while (!request.done(made)) {
    if (stop.threads.every(({ state }) => state === "gone")) {
      return refuse("process-gone", `process ${stop.pid} ended meanwhile`, "nothing to do");
    }
    if (performance.now() > deadline) {
      return failed(stop.pid, `thread ${thread.tid} made the calls in vain`);
    }
    stop.pump();
    context.libc.sleepMicroseconds(PAUSE_MICROSECONDS);
  }
  return undefined;
}

/** Stops the thread, sends it, lets it go. False where it must not be used. */
export function sendThread(stop: ThreadStop, thread: Thread, method: InjectionMethod): boolean {
  if (stop.stopOne(thread, STOP_DEADLINE_MS).outcome !== "stopped") return false;
  const { registers, tid } = thread;
  const goOn = returnPointOfUsable(stop, thread);
  const to = goOn && method.prepare(thread, goOn);
  let done = false;
  if (goOn !== undefined && to !== undefined) {
    thread.lastPlace = { pc: registers.rip, stackPointer: registers.rsp };
    const before = registers.copy();
    redirect(registers, to);
    stop.writeRegisters(thread);
    // Last, for a signal that came by now has to see the system call that it interrupts.
    done = !stop.signals.hasDeliverableSignal(tid);
    if (done) {
      thread.mended = false;
      if (goOn.rip !== thread.lastPlace.pc) thread.restartAt = goOn.rip;
    } else {
      registers.restore(before);
      stop.writeRegisters(thread);
    }
  }
  stop.resume();
  return done;
}

/**
 * Where the stopped thread goes on, or undefined where nothing may be done with it now. Signals that
 * wait for it are the caller's to look for.
 */
export function returnPointOfUsable(stop: ThreadStop, thread: Thread): ReturnPoint | undefined {
  const goOn = returnPoint(thread.registers);
  const usable =
    goOn !== undefined &&
    !isAmongFrames(thread) &&
    thread.signal === 0 &&
    !stop.signals.isInRestartableSequence(thread.tid);
  return usable ? goOn : undefined;
}

/** Calls that it was sent to before come first, in their order. */
const isAmongFrames = ({ callFrames, registers: { rsp } }: Thread): boolean =>
  callFrames !== undefined && callFrames.start <= rsp && rsp < callFrames.end;

const byActivity = (threads: readonly Thread[]): Thread[] =>
  [...threads.filter((thread) => !thread.busy), ...threads.filter((thread) => thread.busy)].filter(
    (thread) => thread.state === "running",
  );

const failed = (pid: number, why: string): Refusal =>
  refuse(
    "remote-call-failed",
    `process ${pid} could not map memory: ${why}`,
    "look for limits of the process (prlimit --pid, cgroup memory.max, open files) and try again",
  );
