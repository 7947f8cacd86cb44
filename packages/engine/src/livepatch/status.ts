/**
 * What is in the processes, read from the processes themselves: their mappings and ledgers.
 */
import type { VirtualAddr } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { parseElf } from "../elf/file.ts";
import { buildId } from "../elf/note.ts";
import { isRefusal, type Refusal } from "../refusals.ts";
import { EntryWriter } from "./jumps.ts";
import type { LedgerState } from "./ledger.ts";
import type { Mapping, ReadMemory } from "./loaded-module.ts";
import {
  checkPatchable,
  listProcessIds,
  readFacts,
  readMappedFile,
  refuseByErrno,
} from "./locate.ts";
import { type Context, openMemory, readMappings, readPatches, refuseUnreadable } from "./target.ts";

export interface AppliedHotpatch {
  readonly pid: number;
  readonly id: string;
  readonly sequence: number;
  readonly buildId: string;
  readonly module: string;
  readonly state: LedgerState;
  readonly functions: readonly { readonly name: string; readonly address: VirtualAddr }[];
  /** True when every entry really holds the jump. */
  readonly inForce: boolean;
  readonly start: VirtualAddr;
  readonly size: number;
}

export interface ProcessSummary {
  readonly pid: number;
  readonly command: string;
  readonly executable: string;
  readonly modules: readonly ModuleSummary[];
  /** True, or why no hotpatch can go into this process. */
  readonly patchable: true | Refusal;
  readonly applied: readonly string[];
}

export interface ModuleSummary {
  readonly path: string;
  readonly buildId: string | null;
  /** The file was removed or replaced on disk: the process still runs the old one. */
  readonly deleted: boolean;
}

/** The hotpatches of one process. */
export function readStatus(context: Context, pid: number): AppliedHotpatch[] | Refusal {
  const memory = openMemory(context, pid);
  if (isRefusal(memory)) return memory;
  try {
    const mappings = readMappings(pid);
    const read: ReadMemory = (at, size) => memory.read(at, size);
    const unreadable = refuseUnreadable(`process ${pid}`, mappings, read);
    if (unreadable) return unreadable;
    const patches = readPatches(mappings, read);
    return patches.map(({ ledger, state }) => ({
      pid,
      id: ledger.id,
      sequence: ledger.sequence,
      buildId: ledger.buildId,
      module: ledger.module,
      state,
      functions: ledger.entries.map(({ name, address }) => ({ name, address })),
      inForce: new EntryWriter(
        memory,
        ledger.entries.map(({ address, after }) => ({ address, bytes: after })),
      ).isWritten(),
      start: ledger.start,
      size: ledger.size,
    }));
  } catch (error) {
    return refuseByErrno(pid, error);
  } finally {
    memory.close();
  }
}

/** Every process of this machine with the files that it runs. Kernel threads are left out. */
export function listProcesses(context: Context): ProcessSummary[] {
  const known = new Map<string, string | null>();
  return listProcessIds().flatMap((pid) => {
    const summary = summarize(context, pid, known);
    return summary === undefined ? [] : [summary];
  });
}

/** `known` keeps the Build-IDs of files by device and inode: a library is read once. */
function summarize(
  context: Context,
  pid: number,
  known: Map<string, string | null>,
): ProcessSummary | undefined {
  const facts = readFacts(pid);
  if (isRefusal(facts)) return undefined;
  let mappings: Mapping[];
  try {
    mappings = readMappings(pid);
  } catch (error) {
    refuseByErrno(pid, error);
    return undefined;
  }
  const applied = readStatus(context, pid);
  return {
    pid,
    command: facts.command,
    executable: facts.executable.replace(/ \(deleted\)$/, ""),
    modules: mappings
      .filter((mapping) => mapping.executable && mapping.inode !== 0)
      .filter((mapping) => !mapping.path.startsWith("/memfd:"))
      .map((mapping) => ({
        path: mapping.path.replace(/ \(deleted\)$/, ""),
        buildId: readBuildId(pid, mapping, known),
        deleted: mapping.path.endsWith(" (deleted)"),
      })),
    patchable: isRefusal(applied) ? applied : (checkPatchable(facts) ?? true),
    applied: isRefusal(applied) ? [] : applied.map((entry) => entry.id),
  };
}

function readBuildId(
  pid: number,
  mapping: Mapping,
  known: Map<string, string | null>,
): string | null {
  const key = `${mapping.device} ${mapping.inode}`;
  const before = known.get(key);
  if (before !== undefined) return before;
  let id: string | null = null;
  try {
    const bytes = readMappedFile(pid, mapping);
    id = (bytes && buildId(parseElf(bytes))) ?? null;
  } catch (error) {
    // No ELF file, or the process ended or belongs to somebody else: no Build-ID to tell.
    if (!(error instanceof FormatError)) refuseByErrno(pid, error);
  }
  known.set(key, id);
  return id;
}
