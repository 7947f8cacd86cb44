/**
 * Taking a hotpatch's memory out of a process that no longer uses it.
 *
 * The pages of the module that had jumps in them are private copies now. Where such a page is again
 * what the file has, the copy is dropped too (MADV_DONTNEED), and the page is the file's as before.
 */
import { closeSync, openSync } from "node:fs";
import { toFileAddr, type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { addressBytes } from "../elf/file.ts";
import { type InjectedCall, SYSCALL } from "../process/injected-call.ts";
import type { ThreadStop } from "../process/thread-stop.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import { injectCalls, isAllBusy, leaveRoom, roomSizeFor } from "./injection.ts";
import { type LedgerEntry, toHex } from "./ledger.ts";
import { findSpareRoom, ROOM_MARK, type SpareRoom } from "./spare-room.ts";
import {
  type Context,
  describe,
  isOurMapping,
  mapFile,
  moduleAt,
  readMappings,
  type Target,
} from "./target.ts";

const PAGE_SIZE = 4096;
const MADV_DONTNEED = 4;
/** Calls of one injection; more pages take several. */
const CALLS_MAX = 12;
/** Fewer where they keep a thread from its work. */
const BUSY_CALLS_MAX = 2;
const NAME = `${ROOM_MARK}removal`;

/** Unmaps `range` and drops the private copies of the pages that hold `entries`. */
export function removeMemory(request: {
  readonly context: Context;
  readonly target: Target;
  readonly stop: ThreadStop;
  readonly range: { readonly start: VirtualAddr; readonly end: VirtualAddr };
  readonly entries: readonly LedgerEntry[];
}): Refusal | undefined {
  const { target, range } = request;
  const room = findRoom(target);
  if (isRefusal(room)) return room;
  const calls = pagesToDrop(target, request.entries, room).map((page) => ({
    number: SYSCALL.madvise,
    args: [page, PAGE_SIZE, MADV_DONTNEED],
  }));
  const file = openBehind(target, range.start);
  try {
    // While we hold the file, the thread that unmaps its last page does not have to free it. (It is
    // never truncated: processes that were forked from this one may map it, too.)
    return runInBatches(request, room, [...calls, ...unmapping(request)], () => {
      return !readMappings(target.pid).some((mapping) => mapping.start === range.start);
    });
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Has the process close a file of a hotpatch that a killed command left open. */
export function closeFile(
  request: { readonly context: Context; readonly target: Target; readonly stop: ThreadStop },
  descriptor: number,
): Refusal | undefined {
  const room = findRoom(request.target);
  if (isRefusal(room)) return room;
  return runInBatches(request, room, [{ number: SYSCALL.close, args: [descriptor] }], () => true);
}

function findRoom(target: Target): SpareRoom | Refusal {
  const drop = { number: SYSCALL.madvise, args: [0, 0, 0] };
  const calls = Array.from({ length: CALLS_MAX }, () => drop);
  const size = roomSizeFor(calls, NAME);
  return (
    findSpareRoom(target.image.modules, target.read, size) ??
    refuse(
      "no-room-for-call",
      `no module of ${describe(target.image)} has ${size} unused bytes behind its code`,
      "the hotpatch is no longer in use; its memory is freed when the process ends",
    )
  );
}

/**
 * One call a mapping, the ledger's last: should we be killed in between, the next command reads
 * from it what to do, and when it is gone, everything before it is done.
 */
function unmapping({ target, range }: Parameters<typeof removeMemory>[0]): InjectedCall[] {
  return readMappings(target.pid)
    .filter((mapping) => isOurMapping(mapping))
    .filter((mapping) => mapping.start >= range.start && mapping.end <= range.end)
    .reverse()
    .map(({ start, end }) => ({ number: SYSCALL.munmap, args: [start, end - start] }));
}

/** The file of our own memory at `start`, or undefined where something else is mapped there now. */
function openBehind(target: Target, start: VirtualAddr): number | undefined {
  const mapping = readMappings(target.pid).find((candidate) => candidate.start === start);
  if (mapping === undefined || !isOurMapping(mapping)) return undefined;
  return openSync(mapFile(target.pid, mapping.start, mapping.end), "r+");
}

function runInBatches(
  request: { readonly context: Context; readonly target: Target; readonly stop: ThreadStop },
  room: SpareRoom,
  calls: readonly InjectedCall[],
  unmapped: () => boolean,
): Refusal | undefined {
  const { context, target, stop } = request;
  const size = isAllBusy(stop) ? BUSY_CALLS_MAX : CALLS_MAX;
  for (let at = 0; at < calls.length; at += size) {
    const batch = calls.slice(at, at + size);
    const last = at + size >= calls.length;
    const thread = injectCalls({
      stop,
      memory: target.memory,
      room,
      name: NAME,
      calls: batch,
      done: last ? unmapped : () => true,
      pause: () => context.libc.sleepMicroseconds(50),
    });
    if (isRefusal(thread)) return thread;
    const inside = leaveRoom(
      () => context.libc.sleepMicroseconds(200),
      stop,
      target.memory,
      room,
      thread,
    );
    if (inside) return inside;
  }
  return undefined;
}

/** The pages that are the file's content again, but for the one that the call itself runs in. */
function pagesToDrop(target: Target, entries: readonly LedgerEntry[], room: SpareRoom): number[] {
  const pages = new Set<number>();
  for (const entry of entries) {
    pages.add(entry.address - (entry.address % PAGE_SIZE));
    const last = entry.address + entry.original.length - 1;
    pages.add(last - (last % PAGE_SIZE));
  }
  pages.delete(room.address - (room.address % PAGE_SIZE));
  return [...pages].filter((page) => isAsInFile(target, virtualAddr(page)));
}

function isAsInFile(target: Target, page: VirtualAddr): boolean {
  const module = moduleAt(target.image.modules, page);
  if (module === undefined) return false;
  const inFile = addressBytes(module.elf, toFileAddr(page, module.bias), PAGE_SIZE);
  const inMemory = target.read(page, PAGE_SIZE);
  return inFile !== undefined && inMemory !== undefined && toHex(inFile) === toHex(inMemory);
}
