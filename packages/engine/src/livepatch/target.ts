/**
 * One process while a command works on it: locked against other suture commands, its memory
 * open, its modules and ledgers read. Everything is given back on every path.
 */
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { ERRNO, type Libc } from "../process/libc.ts";
import { type Mapping, parseMaps } from "../process/maps.ts";
import { ProcessMemory } from "../process/memory.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import {
  isLedgerMarked,
  LEDGER_HEADER_SIZE,
  type Ledger,
  type LedgerEntry,
  type LedgerState,
  parseLedgerBody,
  parseLedgerHeader,
} from "./ledger.ts";
import type { LoadedModule, ReadMemory } from "./loaded-module.ts";
import {
  describe,
  type ProcessImage,
  readFacts,
  readProcessImage,
  refuseByErrno,
} from "./locate.ts";
import type { StackReader } from "./safety.ts";

/** What every operation needs from its surroundings. */
export interface Context {
  readonly libc: Libc;
  /** Called at each step; tests end the program there. */
  readonly faultPoint: (name: string) => void;
  readonly stack: StackReader;
  /** What is about to be done to a thread, done to a child of ours (rehearse.ts). */
  readonly practise: () => void;
  /** A folder for locks, on a file system that is empty after a restart of the machine. */
  readonly lockFolder: string;
}

export interface Target {
  readonly pid: number;
  readonly memory: ProcessMemory;
  readonly image: ProcessImage;
  readonly read: ReadMemory;
  readonly patches: readonly PresentPatch[];
}

/** A hotpatch's memory as it stands in a process. */
export interface PresentPatch {
  readonly state: LedgerState;
  readonly ledger: Ledger;
  readonly start: VirtualAddr;
  readonly end: VirtualAddr;
}

export const MAPPING_NAME = "suture:";
/** How the kernel names the file behind a hotpatch's memory. */
export const FILE_PATH = `/memfd:${MAPPING_NAME}`;

/** Runs `work` on the process, or refuses: gone, not permitted, or another command is at it. */
export function withTarget<T>(
  context: Context,
  pid: number,
  work: (target: Target) => T | Refusal,
): T | Refusal {
  return withLock(context, pid, () => {
    const memory = openMemory(context, pid);
    if (isRefusal(memory)) return memory;
    try {
      const read: ReadMemory = (address, size) => memory.read(address, size);
      const image = readProcessImage(pid, read);
      if (isRefusal(image)) return image;
      const unreadable = refuseUnreadable(describe(image), image.mappings, read);
      if (unreadable) return unreadable;
      const patches = readPatches(image.mappings, read);
      const result = work({ pid, memory, image, read, patches });
      return (isRefusal(result) ? endOf(pid) : undefined) ?? result;
    } catch (error) {
      // A file of /proc that could not be read: perhaps because the process ended meanwhile.
      const end = error instanceof Error && "code" in error ? endOf(pid) : undefined;
      if (end !== undefined) return end;
      throw error;
    } finally {
      memory.close();
    }
  });
}

/** Whatever fails at a process that has ended fails for that reason. */
function endOf(pid: number): Refusal | undefined {
  const facts = readFacts(pid);
  return isRefusal(facts) && facts.refused === "process-gone" ? facts : undefined;
}

export function openMemory(context: Context, pid: number): ProcessMemory | Refusal {
  try {
    return new ProcessMemory(context.libc, pid);
  } catch (error) {
    const facts = readFacts(pid);
    return isRefusal(facts) ? facts : refuseByErrno(pid, error);
  }
}

/**
 * The hotpatches in a process. Memory that bears our name but no readable ledger (a command was
 * killed before it wrote one) is reported by `findUnfinished`.
 */
export function readPatches(mappings: readonly Mapping[], read: ReadMemory): PresentPatch[] {
  return patchRanges(mappings).flatMap(({ start, end }) => {
    const parsed = readLedger(start, read);
    return parsed === undefined ? [] : [{ ...parsed, start, end }];
  });
}

/**
 * Refuses where memory bears our name and a ledger that cannot be read: another version of this
 * program wrote it. Its code may be in use, so nothing is known of what may be done.
 */
export function refuseUnreadable(
  process: string,
  mappings: readonly Mapping[],
  read: ReadMemory,
): Refusal | undefined {
  const unreadable = patchRanges(mappings).some(({ start }) => {
    const header = read(start, LEDGER_HEADER_SIZE);
    return header !== undefined && isLedgerMarked(header) && readLedger(start, read) === undefined;
  });
  if (!unreadable) return undefined;
  return refuse(
    "unreadable-record",
    `${process} has a hotpatch whose record cannot be read`,
    "use the version of suture that applied it, or restart the service",
  );
}

/** Memory with our name that has no ledger: a command was killed before it wrote one. */
export function findUnfinished(
  mappings: readonly Mapping[],
  read: ReadMemory,
): { readonly start: VirtualAddr; readonly end: VirtualAddr }[] {
  const kept = readPatches(mappings, read).flatMap(({ ledger }) => ledger.keeps);
  return patchRanges(mappings)
    .filter(({ start }) => readLedger(start, read) === undefined)
    .filter(
      ({ start, end }) => !kept.some((it) => it.address <= start && end <= it.address + it.size),
    );
}

/** The mappings as they are now. */
export function readMappings(pid: number): Mapping[] {
  return parseMaps(readFileSync(`/proc/${pid}/maps`, "latin1"));
}

export const isOurMapping = (mapping: Mapping): boolean => mapping.path.startsWith(FILE_PATH);

/** The file that is mapped at a range, to be opened: proc_pid_map_files(5). */
export const mapFile = (pid: number, start: VirtualAddr, end: VirtualAddr): string =>
  `/proc/${pid}/map_files/${start.toString(16)}-${end.toString(16)}`;

/** The module that holds an address. */
export const moduleAt = (
  modules: readonly LoadedModule[],
  address: VirtualAddr,
): LoadedModule | undefined =>
  modules.find((module) => module.start <= address && address < module.end);

/**
 * The ledger's entries that still lie in the module: all of them or, where the library was unloaded
 * (and perhaps loaded again elsewhere), none.
 */
export function entriesInModule(
  { image }: { readonly image: ProcessImage },
  ledger: Ledger,
): readonly LedgerEntry[] {
  return ledger.entries.filter(
    (entry) => moduleAt(image.modules, entry.address)?.buildId === ledger.buildId,
  );
}

function readLedger(
  start: VirtualAddr,
  read: ReadMemory,
): { state: LedgerState; ledger: Ledger } | undefined {
  const header = read(start, LEDGER_HEADER_SIZE);
  if (header === undefined) return undefined;
  try {
    const { state, bodySize } = parseLedgerHeader(header);
    const body = read(virtualAddr(start + LEDGER_HEADER_SIZE), bodySize);
    return body === undefined ? undefined : { state, ledger: parseLedgerBody(body) };
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}

/** Each hotpatch's memory: neighbouring mappings of one file, from its offset 0 on. */
function patchRanges(mappings: readonly Mapping[]): { start: VirtualAddr; end: VirtualAddr }[] {
  const ranges: { start: VirtualAddr; end: VirtualAddr }[] = [];
  let inode = -1;
  for (const mapping of mappings) {
    if (!isOurMapping(mapping)) continue;
    const open = ranges.at(-1);
    if (open !== undefined && mapping.inode === inode && open.end === mapping.start) {
      open.end = mapping.end;
    } else {
      ranges.push({ start: mapping.start, end: mapping.end });
    }
    inode = mapping.inode;
  }
  return ranges;
}

function withLock<T>(context: Context, pid: number, work: () => T | Refusal): T | Refusal {
  let file: number;
  try {
    mkdirSync(context.lockFolder, { recursive: true, mode: 0o700 });
    file = openSync(`${context.lockFolder}/${pid}`, "w", 0o600);
  } catch (error) {
    return refuseByErrno(pid, error);
  }
  try {
    const result = context.libc.lockFile(file);
    if (result === -ERRNO.EAGAIN) {
      return refuse(
        "busy",
        `another suture command is working on process ${pid}`,
        "wait until it has ended and try again",
      );
    }
    return work();
  } finally {
    closeSync(file); // The lock goes with the file.
  }
}

export { describe };
