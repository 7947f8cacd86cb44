/** Clearing the code of an injected call when the thread that ran it has left it. */
import type { Libc } from "../process/libc.ts";
import type { ProcessMemory } from "../process/memory.ts";
import type { Thread } from "../process/thread.ts";
import type { ThreadStop } from "../process/thread-stop.ts";
import { STOP_DEADLINE_MS } from "./limits.ts";
import type { SpareRoom } from "./spare-room.ts";

const LEAVE_ROOM_MS = 2000;
const PAUSE_MICROSECONDS = 200;
const SIGNAL_FRAME_SEARCH_SIZE = 4096;

/**
 * Clears the room as soon as the thread has left it; false where that takes too long. A signal
 * handler that runs on top of it may; then the bytes stay, where they do no harm.
 */
export function leaveRoom(
  libc: Libc,
  stop: ThreadStop,
  memory: ProcessMemory,
  room: SpareRoom,
  thread: Thread,
): boolean {
  const until = performance.now() + LEAVE_ROOM_MS;
  while (!clearRoom(stop, memory, room, thread)) {
    if (performance.now() > until) return false;
    stop.pump();
    libc.sleepMicroseconds(PAUSE_MICROSECONDS);
  }
  return true;
}

/** False when the thread is still inside, or comes back to it from a signal handler. */
function clearRoom(
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
