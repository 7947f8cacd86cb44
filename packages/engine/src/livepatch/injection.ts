/**
 * Making a process map or unmap memory: one of its threads runs a few system calls, in between.
 *
 * A sleeping thread is preferred. A thread with a signal waiting is left alone, for the signal
 * has to see the system call that it interrupted.
 */
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import {
  encodedSizeMax,
  type InjectedCall,
  InjectedCode,
  redirect,
  returnPoint,
} from "../process/injected-call.ts";
import type { ProcessMemory } from "../process/memory.ts";
import type { Thread } from "../process/thread.ts";
import type { ThreadStop } from "../process/thread-stop.ts";
import { type Refusal, refuse } from "../refusals.ts";
import { INJECTED_CALL_MS, STOP_DEADLINE_MS } from "./limits.ts";
import type { SpareRoom } from "./spare-room.ts";

const ROUNDS_MAX = 20;
const LEAVE_ROOM_MS = 2000;
const SIGNAL_FRAME_SEARCH_SIZE = 4096;

/** The room that `calls` need, with a C string before them. */
export const roomSizeFor = (calls: readonly InjectedCall[], name: string): number =>
  encodedSizeMax(calls) + name.length + 1;

/**
 * Has the process make `calls`; the code stands in `room`, behind `name` as a C string.
 *
 * `done` looks whether the calls had their effect. Returns the thread that made them, or a
 * refusal when no thread could be used or the effect did not come in time.
 */
export function injectCalls(request: {
  readonly stop: ThreadStop;
  readonly memory: ProcessMemory;
  readonly room: SpareRoom;
  readonly name: string;
  readonly calls: readonly InjectedCall[];
  readonly done: () => boolean;
  readonly pause: () => void;
}): Thread | Refusal {
  const { stop, memory, room, pause } = request;
  const name = new TextEncoder().encode(`${request.name}\0`);
  if (!memory.write(room.address, name)) {
    return failed(stop.pid, "its code could not be written");
  }
  const at = virtualAddr(room.address + name.length);
  const code = new InjectedCode(request.calls);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    stop.sortByActivity();
    for (const thread of byActivity(stop.threads)) {
      if (!sendThread(stop, memory, thread, room, at, code)) continue;
      return awaitEffect(request, thread);
    }
    pause();
    stop.seize(); // All threads, where the one that was kept is of no use.
  }
  memory.write(room.address, new Uint8Array(room.size));
  return failed(stop.pid, "no thread could be used for it");
}

/** Waits for what the calls do. Without it, the room is cleared again. */
function awaitEffect(
  request: {
    readonly stop: ThreadStop;
    readonly memory: ProcessMemory;
    readonly room: SpareRoom;
    readonly done: () => boolean;
    readonly pause: () => void;
  },
  thread: Thread,
): Thread | Refusal {
  const { stop, memory, room, pause } = request;
  const deadline = performance.now() + INJECTED_CALL_MS;
  while (!request.done()) {
    if (stop.threads.every(({ state }) => state === "gone")) {
      return refuse("process-gone", `process ${stop.pid} ended meanwhile`, "nothing to do");
    }
    if (performance.now() > deadline) {
      return (
        leaveRoom(pause, stop, memory, room, thread) ??
        failed(stop.pid, "it made the calls in vain")
      );
    }
    stop.pump();
    pause();
  }
  return thread;
}

/**
 * Clears the room as soon as the thread that used it has left it. A signal handler that runs on
 * top of it may take long; then the bytes stay, where they do no harm.
 */
export function leaveRoom(
  pause: () => void,
  stop: ThreadStop,
  memory: ProcessMemory,
  room: SpareRoom,
  thread: Thread,
): Refusal | undefined {
  const until = performance.now() + LEAVE_ROOM_MS;
  while (!clearRoom(stop, memory, room, thread)) {
    if (performance.now() > until) return failed(stop.pid, "a signal handler runs on top of one");
    stop.pump();
    pause();
  }
  return undefined;
}

/** False when the thread is still inside, or comes back to it from a signal handler. */
export function clearRoom(
  stop: ThreadStop,
  memory: ProcessMemory,
  room: SpareRoom,
  thread: Thread,
): boolean {
  const zeros = new Uint8Array(room.size);
  if (thread.state === "gone") return memory.write(room.address, zeros);
  if (stop.stopOne(thread, STOP_DEADLINE_MS).outcome !== "stopped") return false;
  const left = !isInside(room, thread.registers.rip) && !returnsTo(memory, room, thread);
  if (left) memory.write(room.address, zeros);
  stop.resume();
  return left;
}

/** A signal frame above the injected code holds its address within the handler's own frames. */
function returnsTo(memory: ProcessMemory, room: SpareRoom, thread: Thread): boolean {
  const stack = memory.read(thread.registers.rsp, SIGNAL_FRAME_SEARCH_SIZE);
  if (stack === undefined) return false;
  const view = new DataView(stack.buffer);
  for (let at = 0; at + 8 <= stack.length; at += 8) {
    const high = view.getUint32(at + 4, true);
    if (isInside(room, high * 2 ** 32 + view.getUint32(at, true))) return true;
  }
  return false;
}

const isInside = (room: SpareRoom, address: number): boolean =>
  address >= room.address && address < room.address + room.size;

/** Stops the thread, points it at the code, lets it go. False where it must not be used. */
export function sendThread(
  stop: ThreadStop,
  memory: ProcessMemory,
  thread: Thread,
  room: SpareRoom,
  at: VirtualAddr,
  code: InjectedCode,
): boolean {
  memory.writeArea(at, code.address, code.size); // So that the page and the path are at hand.
  if (stop.stopOne(thread, STOP_DEADLINE_MS).outcome !== "stopped") return false;
  const goOn = returnPoint(thread.registers);
  let sent = false;
  if (
    goOn !== undefined &&
    !isInside(room, thread.registers.rip) &&
    thread.signal === 0 &&
    !stop.signals.hasDeliverableSignal(thread.tid) &&
    !stop.signals.isInRestartableSequence(thread.tid)
  ) {
    code.complete(thread.registers, goOn);
    sent = memory.writeArea(at, code.address, code.size);
  }
  if (sent) {
    thread.lastPlace = { pc: thread.registers.rip, stackPointer: thread.registers.rsp };
    const before = thread.registers.copy();
    redirect(thread.registers, at);
    stop.writeRegisters(thread);
    // A signal that came meanwhile has to see the system call that it interrupts.
    if (stop.signals.hasDeliverableSignal(thread.tid)) {
      thread.registers.restore(before);
      stop.writeRegisters(thread);
      sent = false;
    } else {
      thread.mended = false;
      thread.restartAt = goOn?.rip;
    }
  }
  stop.resume();
  return sent;
}

/** True when any call keeps a thread from its work: then few are made at a time. */
export function isAllBusy(stop: ThreadStop): boolean {
  stop.sortByActivity();
  return stop.threads.every((thread) => thread.state !== "running" || thread.busy);
}

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
