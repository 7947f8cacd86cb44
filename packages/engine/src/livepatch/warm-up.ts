/**
 * Looking up before the stop what the stop will ask for.
 *
 * The first walk over a function reads and compiles its row of the unwind table, some 10
 * microseconds each; a later one takes 0.1. Where a sleeping thread stands, and the top of its
 * stack, can be read while it sleeps; a busy one is stopped once, as shortly as the real stop.
 */
import { virtualAddr } from "../bytes/address.ts";
import type { Thread } from "../process/thread.ts";
import { readSystemCall } from "../process/thread-files.ts";
import type { ThreadStop } from "../process/thread-stop.ts";
import type { Unwinder } from "../unwind/unwinder.ts";
import { STOP_DEADLINE_MS } from "./limits.ts";
import type { Mapping, ReadMemory } from "./loaded-module.ts";

const STACK_SIZE = 2048;
const WORD_SIZE = 8;
const BUSY_THREADS_MAX = 16;

/** Prepares the unwinder for the threads as they stand now. Errors only make the stop slower. */
export function warmUp(request: {
  readonly stop: ThreadStop;
  readonly unwinder: Unwinder;
  readonly mappings: readonly Mapping[];
  readonly read: ReadMemory;
}): void {
  const { stop } = request;
  const seen = new Set<number>();
  let busyThreads = 0;
  stop.sortByActivity();
  for (const thread of stop.threads) {
    if (thread.state !== "running") continue;
    if (thread.busy && ++busyThreads > BUSY_THREADS_MAX) continue;
    const place = thread.busy ? sampleBusy(stop, thread) : readSleeping(stop.pid, thread.tid);
    if (place === undefined || seen.has(place.pc)) continue;
    seen.add(place.pc);
    prepare(request, place);
  }
}

type Place = NonNullable<Thread["lastPlace"]>;

function prepare(
  request: {
    readonly unwinder: Unwinder;
    readonly mappings: readonly Mapping[];
    readonly read: ReadMemory;
  },
  { pc, stackPointer }: Place,
): void {
  const { unwinder, mappings } = request;
  unwinder.prepare(pc, "exact");
  const stack = request.read(stackPointer, STACK_SIZE);
  if (stack === undefined) return;
  const view = new DataView(stack.buffer);
  const code = mappings.filter((mapping) => mapping.executable);
  for (let at = 0; at + WORD_SIZE <= stack.length; at += WORD_SIZE) {
    const word = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
    if (code.some((mapping) => mapping.start < word && word <= mapping.end)) {
      unwinder.prepare(virtualAddr(word), "return");
    }
  }
}

function sampleBusy(stop: ThreadStop, thread: Thread): Place | undefined {
  if (thread.lastPlace !== undefined) return thread.lastPlace;
  if (stop.stopOne(thread, STOP_DEADLINE_MS).outcome !== "stopped") return undefined;
  const { rip, rsp } = thread.registers;
  stop.resume();
  return { pc: rip, stackPointer: rsp };
}

/** The last two fields of /proc/PID/task/TID/syscall (proc_pid_syscall(5)). */
function readSleeping(pid: number, tid: number): Place | undefined {
  const text = readSystemCall(pid, tid) ?? "";
  const match = /(0x[0-9a-f]+) (0x[0-9a-f]+)\s*$/.exec(text);
  if (match === null) return undefined;
  return {
    pc: virtualAddr(Number(match[2])),
    stackPointer: virtualAddr(Number(match[1])),
  };
}
