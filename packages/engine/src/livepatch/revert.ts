/**
 * Taking a hotpatch back: stop, check that no thread is in the new code, put the original bytes
 * at the entries, go on, and free the memory. The process is then as it was before.
 */

import { formatAddress } from "../bytes/address.ts";
import type { ThreadStop } from "../process/thread-stop.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import { createUnwinder } from "../unwind/unwinder.ts";
import { recordState, withStop } from "./apply.ts";
import { revertCallbacks } from "./callbacks.ts";
import { EntryWriter } from "./jumps.ts";
import { type LedgerEntry, toHex } from "./ledger.ts";
import { checkPatchable } from "./locate.ts";
import { textRange } from "./plan.ts";
import { collectGarbage } from "./rehearse.ts";
import { memoryOf, removeMemory } from "./removal.ts";
import { StackCheck } from "./safety.ts";
import { awaitRestarted, type SwitchReport, switchEntries } from "./switch-entries.ts";
import {
  type Context,
  describe,
  entriesInModule,
  type PresentPatch,
  type Target,
} from "./target.ts";
import { unwindModules } from "./unwind-modules.ts";
import { warmUp } from "./warm-up.ts";

export interface RevertReport extends SwitchReport {
  readonly pid: number;
  readonly id: string;
  readonly functions: readonly string[];
  /** Set when the code is reverted but its memory could not be freed yet. */
  readonly memoryLeft?: Refusal;
  /** Set when the code is reverted but a post-revert callback did not come to its end. */
  readonly callbackFailed?: Refusal;
}

export interface RevertOptions {
  readonly timeoutMs: number;
  readonly onStep: (step: string) => void;
}

/** Reverts the hotpatch `id`, or refuses with the process as it was. */
export function revertInTarget(
  context: Context,
  target: Target,
  id: string,
  options: RevertOptions,
): RevertReport | Refusal {
  const patch = target.patches.find((present) => present.ledger.id === id);
  if (patch === undefined) {
    const present = target.patches.map(({ ledger }) => ledger.id).join(", ");
    return refuse(
      "not-applied",
      `${describe(target.image)} does not have hotpatch ${id}; it has ${present || "none"}`,
      "list what is applied with: suture status",
    );
  }
  const blocked = checkPatchable(target.image);
  if (blocked) return blocked;
  return withStop(context, target, (stop) => revertPatch(context, target, stop, patch, options));
}

/** Puts back the originals and frees the memory. Also finishes what a killed command began. */
export function revertPatch(
  context: Context,
  target: Target,
  stop: ThreadStop,
  patch: PresentPatch,
  options: RevertOptions,
): RevertReport | Refusal {
  const { ledger } = patch;
  options.onStep("switching");
  const report = putBack(context, target, stop, patch, "original", options);
  if (isRefusal(report)) return report;
  options.onStep("freeing");
  context.faultPoint("reverted");
  const memoryLeft =
    report.inUse ??
    removeMemory({
      context,
      target,
      stop,
      ...memoryOf(patch, othersThan(target, patch)),
      entries: entriesInModule(target, ledger),
      rooms: ledger.spareRooms,
    });
  awaitRestarted(context, stop);
  context.faultPoint("freed");
  return {
    stopUs: report.stopUs,
    threads: report.threads,
    attempts: report.attempts,
    ...(report.callbackFailed && { callbackFailed: report.callbackFailed }),
    pid: target.pid,
    id: ledger.id,
    functions: ledger.entries.map((entry) => entry.name),
    ...(memoryLeft && { memoryLeft }),
  };
}

/** The other hotpatches in the process. */
export const othersThan = (target: Target, patch: PresentPatch): readonly PresentPatch[] =>
  target.patches.filter((other) => other !== patch);

interface PutBackReport extends SwitchReport {
  readonly callbackFailed?: Refusal | undefined;
  /** Set when a thread may still be in a callback, so that the memory has to stay. */
  readonly inUse?: Refusal | undefined;
}

/** Writes `original` or `before` at every entry while no thread is in the new code. */
export function putBack(
  context: Context,
  target: Target,
  stop: ThreadStop,
  patch: PresentPatch,
  which: "original" | "before",
  options: RevertOptions,
): PutBackReport | Refusal {
  const { ledger } = patch;
  const entries = entriesInModule(target, ledger);
  const foreign = checkEntries(target, entries);
  if (foreign) return foreign;
  const bytesOf = (field: "original" | "before" | "after") =>
    new EntryWriter(
      target.memory,
      entries.map((entry) => ({ address: entry.address, bytes: entry[field] })),
    );
  const { mappings } = target.image;
  const unwinder = createUnwinder(unwindModules(target.image, target.patches, target.read));
  const check = new StackCheck({
    stack: context.stack,
    pid: target.pid,
    unwinder,
    ranges: [textRange(patch)],
    mappings,
  });
  const writer = bytesOf(which);
  const callbacks = revertCallbacks({ context, target, ledger });
  collectGarbage();
  warmUp({ stop, unwinder, mappings, read: target.read });
  recordState(target, ledger.start, "reverting");
  const report = switchEntries({
    context,
    stop,
    check,
    writer,
    undo: bytesOf("after"),
    timeoutMs: options.timeoutMs,
    keepCaller: true,
    callbacks,
    process: describe(target.image),
  });
  // Nothing was written when a thread was in the way: all is as before.
  if (isRefusal(report)) {
    recordState(target, ledger.start, patch.state);
    return report;
  }
  const callbackFailed = callbacks?.failure;
  return {
    ...report,
    callbackFailed,
    ...(callbacks?.isThreadBack === false && { inUse: callbackFailed }),
  };
}

/** Refuses to write over bytes that are neither ours nor the original: somebody else's. */
function checkEntries(target: Target, entries: readonly LedgerEntry[]): Refusal | undefined {
  for (const { name, address, original, before, after } of entries) {
    const found = target.read(address, original.length);
    const known = [original, before, after].some((bytes) => found && toHex(bytes) === toHex(found));
    if (known) continue;
    return refuse(
      "changed-code",
      `${describe(target.image)}: the entry of ${name} at ${formatAddress(address)} was changed by somebody else`,
      "another tool (a debugger, another live patch) changed it; undo that first, or restart the service",
    );
  }
  return undefined;
}
