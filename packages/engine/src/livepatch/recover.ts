/**
 * What a killed command left in a process: finished or undone.
 *
 *     no ledger                 the memory was mapped, nothing more       free it
 *     prepared                  nothing was switched                      free it
 *     switching, all new        only the record is missing                record it
 *     switching, else           some entries may be new                   put back, free it
 *     reverting                 some entries may be original              put back, free it
 *     reverting, old there      an undo was cut short                     put back, free it
 *     applied, old still there  the superseded hotpatch is not in use     free the old one
 *
 * A file that was created and not mapped yet is closed. Bytes of an injected call that stayed behind a module's code are cleared, too.
 */

import { virtualAddr } from "../bytes/address.ts";
import type { ThreadStop } from "../process/thread-stop.ts";
import { isRefusal, type Refusal } from "../refusals.ts";
import { createUnwinder } from "../unwind/unwinder.ts";
import { recordState, withStop } from "./apply.ts";
import { applyCallbacks, skipUnreached } from "./callbacks.ts";
import { EntryWriter } from "./jumps.ts";
import { checkPatchable } from "./locate.ts";
import { findOpenFiles } from "./map-memory.ts";
import { closeFile, memoryOf, removeMemory } from "./removal.ts";
import { othersThan, putBack, type RevertOptions, revertPatch } from "./revert.ts";
import { StackCheck } from "./safety.ts";
import { findUsedRooms, type SpareRoom } from "./spare-room.ts";
import { type SwitchCallbacks, type SwitchReport, switchEntries } from "./switch-entries.ts";
import {
  type Context,
  describe,
  findUnfinished,
  type PresentPatch,
  type Target,
} from "./target.ts";
import { unwindModules } from "./unwind-modules.ts";

export interface RecoverReport {
  readonly pid: number;
  /** Sentences about what was done, or why it could not be. */
  readonly actions: readonly string[];
}

/** Finishes or undoes; undefined where there is nothing to do. */
export function recoverTarget(
  context: Context,
  target: Target,
  options: RevertOptions,
): RecoverReport | Refusal | undefined {
  const unfinished = findUnfinished(target.image.mappings, target.read);
  const interrupted = target.patches.filter((patch) => needsWork(target, patch));
  const rooms = findUsedRooms(target.image.modules, target.read);
  const files = findOpenFiles(target.pid);
  if (unfinished.length + interrupted.length + rooms.length + files.length === 0) return undefined;
  const blocked = checkPatchable(target.image);
  if (blocked) return blocked;
  return withStop(context, target, (stop) => {
    const actions = clearRooms(context, target, stop, rooms, options);
    for (const file of files) {
      const closed = () => !findOpenFiles(target.pid).includes(file);
      const left = closeFile({ context, target, stop }, file, closed);
      actions.push(left ? left.detail : "closed the file of an interrupted apply");
    }
    for (const range of unfinished) {
      const left = removeMemory({ context, target, stop, range, entries: [], rooms });
      actions.push(left ? left.detail : "freed memory that an interrupted apply had mapped");
    }
    for (const patch of interrupted)
      actions.push(recoverPatch(context, target, stop, patch, options));
    return { pid: target.pid, actions };
  });
}

function needsWork(target: Target, patch: PresentPatch): boolean {
  return patch.state !== "applied" || supersededOf(target, patch) !== undefined;
}

function supersededOf(target: Target, { ledger }: PresentPatch): PresentPatch | undefined {
  return target.patches.find((other) => other.ledger.id === ledger.supersedes);
}

function recoverPatch(
  context: Context,
  target: Target,
  stop: ThreadStop,
  patch: PresentPatch,
  options: RevertOptions,
): string {
  const { ledger, state } = patch;
  const old = supersededOf(target, patch);
  const undone = (): string => {
    const result = undo(context, target, stop, patch, old, options);
    return isRefusal(result) ? `could not undo applying ${ledger.id}: ${result.detail}` : result;
  };
  const removeOld = (superseded: PresentPatch): Refusal | undefined => {
    const rooms = superseded.ledger.spareRooms;
    const memory = memoryOf(superseded, othersThan(target, superseded));
    return removeMemory({ context, target, stop, ...memory, entries: [], rooms });
  };
  switch (state) {
    case "applied": {
      const left = old && removeOld(old);
      return left ? left.detail : `finished applying ${ledger.id}: freed ${ledger.supersedes}`;
    }
    case "switching":
      if (holds(target, patch)) {
        const failed = runLeftCallbacks(context, target, stop, patch, options);
        if (failed) return `could not finish applying ${ledger.id}: ${failed.detail}`;
        recordState(target, ledger.start, "applied");
        if (old) removeOld(old);
        return `finished applying ${ledger.id}`;
      }
      return undone();
    case "prepared":
      return undone();
    case "reverting": {
      // A whole revert begins when the superseded one is gone: this was an undo, cut short too.
      if (old) return undone();
      const report = revertPatch(context, target, stop, patch, options);
      return isRefusal(report)
        ? `could not finish reverting ${ledger.id}: ${report.detail}`
        : `finished reverting ${ledger.id}`;
    }
  }
}

/**
 * Takes back a hotpatch that was just applied, to what was before: the originals, or the hotpatch
 * that it supersedes, if that is still in the process. A refusal leaves it applied.
 */
export function undoInTarget(
  context: Context,
  target: Target,
  id: string,
  options: RevertOptions,
): string | Refusal {
  const patch = target.patches.find(({ ledger }) => ledger.id === id);
  if (patch === undefined) return `${id} is not in process ${target.pid}`;
  return withStop(context, target, (stop) =>
    undo(context, target, stop, patch, supersededOf(target, patch), options),
  );
}

function undo(
  context: Context,
  target: Target,
  stop: ThreadStop,
  patch: PresentPatch,
  old: PresentPatch | undefined,
  options: RevertOptions,
): string | Refusal {
  const { ledger } = patch;
  if (patch.state === "prepared" || patch.state === "switching") {
    skipUnreached({ context, target, ledger }, !holds(target, patch, "before"));
  }
  // Without the superseded hotpatch in the process its jumps lead nowhere.
  const which = ledger.supersedes === null || old ? "before" : "original";
  const report = putBack(context, target, stop, patch, which, options);
  if (isRefusal(report)) return report;
  if (report.inUse) return report.inUse;
  const entries = old ? [] : ledger.entries;
  const rooms = ledger.spareRooms;
  const memory = memoryOf(patch, othersThan(target, patch));
  const left = removeMemory({ context, target, stop, ...memory, entries, rooms });
  return left ? left.detail : `undid the interrupted apply of ${ledger.id}`;
}

/** True when every entry is as the hotpatch wants it, or as it was before. */
function holds(
  target: Target,
  { ledger }: PresentPatch,
  which: "after" | "before" = "after",
): boolean {
  const entries = ledger.entries.map((entry) => ({ address: entry.address, bytes: entry[which] }));
  return new EntryWriter(target.memory, entries).isWritten();
}

/** The post-apply callbacks that a killed command did not come to. */
function runLeftCallbacks(
  context: Context,
  target: Target,
  stop: ThreadStop,
  { ledger }: PresentPatch,
  options: RevertOptions,
): Refusal | undefined {
  const callbacks = applyCallbacks({ context, target, ledger });
  if (callbacks === undefined) return undefined;
  const report = switchNothing(context, target, stop, options, callbacks);
  return isRefusal(report) ? report : undefined;
}

/** A stop with callbacks only. */
function switchNothing(
  context: Context,
  target: Target,
  stop: ThreadStop,
  options: RevertOptions,
  callbacks: SwitchCallbacks,
): SwitchReport | Refusal {
  const writer = new EntryWriter(target.memory, []);
  return switchEntries({
    ...{ context, stop, writer, undo: writer, callbacks },
    check: new StackCheck({
      stack: context.stack,
      pid: target.pid,
      unwinder: createUnwinder(unwindModules(target.image, target.patches, target.read)),
      ranges: [],
      mappings: target.image.mappings,
    }),
    timeoutMs: options.timeoutMs,
    keepCaller: true,
    process: describe(target.image),
  });
}

/** Through a stop like any other switch: a thread with a signal handler may still be inside. */
function clearRooms(
  context: Context,
  target: Target,
  stop: ThreadStop,
  rooms: readonly SpareRoom[],
  options: RevertOptions,
): string[] {
  return rooms.map((room) => {
    const entries = [{ address: room.address, bytes: new Uint8Array(room.size) }];
    const writer = new EntryWriter(target.memory, entries);
    const end = virtualAddr(room.address + room.size);
    const report = switchEntries({
      context,
      stop,
      check: new StackCheck({
        stack: context.stack,
        pid: target.pid,
        unwinder: createUnwinder(unwindModules(target.image, target.patches, target.read)),
        ranges: [{ name: "an injected call", start: room.address, end }],
        mappings: target.image.mappings,
      }),
      writer,
      undo: writer,
      timeoutMs: options.timeoutMs,
      keepCaller: true,
      process: describe(target.image),
    });
    return isRefusal(report) ? report.detail : "cleared the code of an interrupted injected call";
  });
}
