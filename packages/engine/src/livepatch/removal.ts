/**
 * Taking a hotpatch's memory out of a process that no longer uses it.
 *
 * The pages of the module that had jumps in them are private copies now. Where such a page is again
 * what the file has, the copy is dropped too (MADV_DONTNEED), and the page is the file's as before.
 */
import { closeSync, openSync } from "node:fs";
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import type { InjectedCall } from "../process/injected-call.ts";
import { SYSCALL } from "../process/interrupted-call.ts";
import type { ThreadStop } from "../process/thread-stop.ts";
import { isRefusal, type Refusal } from "../refusals.ts";
import { findCallMeans, injectCalls } from "./injection.ts";
import { type Ledger, type LedgerEntry, type Range, toHex } from "./ledger.ts";
import { ROOM_MARK, type SpareRoom } from "./spare-room.ts";
import {
  type Context,
  isOurMapping,
  mapFile,
  moduleAt,
  type PresentPatch,
  readMappings,
  type Target,
} from "./target.ts";

const PAGE_SIZE = 4096;
const MADV_DONTNEED = 4;
const NAME = `${ROOM_MARK}removal`;

export interface Removal {
  readonly context: Context;
  readonly target: Target;
  readonly stop: ThreadStop;
  readonly range: { readonly start: VirtualAddr; readonly end: VirtualAddr };
  /** Memory of older hotpatches that goes with it. */
  readonly also?: readonly Range[];
  /** Memory that others use: it stays. */
  readonly except?: readonly Range[];
  /** What was written in the module, and is again what it was. */
  readonly entries: readonly LedgerEntry[];
  /** Unused bytes of modules that injected calls stood in; they are cleared. */
  readonly rooms: readonly SpareRoom[];
}

/** Unmaps `range` and drops the private copies of the pages that hold `entries` and `rooms`. */
export function removeMemory(removal: Removal): Refusal | undefined {
  const { context, target, stop, range } = removal;
  const means = findCallMeans(target, NAME);
  if (isRefusal(means)) return means;
  const drops = pagesToDrop(removal).map((page) => ({
    number: SYSCALL.madvise,
    args: [page, PAGE_SIZE, MADV_DONTNEED],
  }));
  const file = openBehind(target, range.start);
  try {
    // While we hold the file, the thread that unmaps its last page does not have to free it. (It is
    // never truncated: processes that were forked from this one may map it, too.)
    const calls = [...drops, ...unmapping(removal)];
    const done = (made: number): boolean => isUnmapped(target, calls.slice(0, made));
    const made = injectCalls({ context, target, stop, means, name: NAME, calls, done });
    return isRefusal(made) ? made : undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Whether what the calls unmap is gone. What madvise dropped is not seen from here. */
function isUnmapped(target: Target, calls: readonly InjectedCall[]): boolean {
  const starts = calls.filter(({ number }) => number === SYSCALL.munmap).map(({ args }) => args[0]);
  return (
    starts.length === 0 || !readMappings(target.pid).some(({ start }) => starts.includes(start))
  );
}

/** Has the process close a file of a hotpatch that a killed command left open. */
export function closeFile(
  request: Pick<Removal, "context" | "target" | "stop">,
  descriptor: number,
  done: () => boolean,
): Refusal | undefined {
  const means = findCallMeans(request.target, NAME);
  if (isRefusal(means)) return means;
  const calls = [{ number: SYSCALL.close, args: [descriptor] }];
  const made = injectCalls({ ...request, means, name: NAME, calls, done });
  return isRefusal(made) ? made : undefined;
}

/**
 * One call a mapping, the hotpatch's own after older ones, the ledger's last: should we be killed in between, the next command reads
 * from it what to do, and when it is gone, everything before it is done.
 */
function unmapping({ target, range, also = [], except = [] }: Removal): InjectedCall[] {
  const own = readMappings(target.pid)
    .filter((mapping) => isOurMapping(mapping))
    .filter((mapping) => !except.some((used) => isWithin(mapping, used)));
  const older = own.filter((mapping) => also.some((memory) => isWithin(mapping, memory)));
  const newer = own.filter(({ start, end }) => start >= range.start && end <= range.end);
  return [...older, ...newer.reverse()].map(({ start, end }) => ({
    number: SYSCALL.munmap,
    args: [start, end - start],
  }));
}

const isWithin = (mapping: Removal["range"], { address, size }: Range): boolean =>
  mapping.start >= address && mapping.end <= address + size;

/** What a hotpatch occupies, and what of it the others in the process use. */
export function memoryOf(
  patch: PresentPatch,
  others: readonly { readonly ledger: Ledger }[],
): Pick<Removal, "range" | "also" | "except"> {
  const except = others.flatMap(({ ledger }) => [
    { address: ledger.start, size: ledger.size },
    ...ledger.keeps,
  ]);
  return { range: patch, also: patch.ledger.keeps, except };
}

/** The file of our own memory at `start`, or undefined where something else is mapped there now. */
function openBehind(target: Target, start: VirtualAddr): number | undefined {
  const mapping = readMappings(target.pid).find((candidate) => candidate.start === start);
  if (mapping === undefined || !isOurMapping(mapping)) return undefined;
  return openSync(mapFile(target.pid, mapping.start, mapping.end), "r+");
}

/** The pages that are the file's content again. */
function pagesToDrop({ target, entries, rooms }: Removal): number[] {
  const pages = new Set<number>();
  const written = [
    ...entries.map(({ address, original }) => ({ address, size: original.length })),
    ...rooms,
  ];
  for (const { address, size } of written) {
    if (size === 0) continue;
    pages.add(address - (address % PAGE_SIZE));
    const last = address + size - 1;
    pages.add(last - (last % PAGE_SIZE));
  }
  return [...pages].filter((page) => isAsInFile(target, virtualAddr(page)));
}

/** Compares the whole page, as the kernel maps it: behind the file's end there are zeros. */
function isAsInFile(target: Target, page: VirtualAddr): boolean {
  const module = moduleAt(target.image.modules, page);
  const mapping = module?.mappings.find(({ start, end }) => start <= page && page < end);
  if (module === undefined || mapping === undefined) return false;
  const offset = mapping.offset + (page - mapping.start);
  const inFile = new Uint8Array(PAGE_SIZE);
  inFile.set(module.elf.bytes.subarray(offset, offset + PAGE_SIZE));
  const inMemory = target.read(page, PAGE_SIZE);
  return inMemory !== undefined && toHex(inFile) === toHex(inMemory);
}
