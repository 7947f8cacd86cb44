/**
 * Applying a hotpatch to one process, in nine steps.
 *
 *     1 locate    the module by its Build-ID                   (locate.ts)
 *     2 resolve   every symbol of the new code                 (resolve.ts)
 *     3 verify    the code that will be replaced               (jumps.ts)
 *     4 map       memory within reach, by an injected call     (place.ts, injection.ts)
 *     5 write     code, data, unwind table, ledger             (here)
 *     6 stop      every thread, with a deadline                (process/thread-stop.ts)
 *     7 check     that no thread is in the way                 (safety.ts)
 *     8 switch    the entries                                  (jumps.ts)
 *     9 resume, read back, record                              (here)
 *
 * Until step 8 the process works as before whatever happens to us; from the first entry written
 * to the record in step 9 the ledger says `switching`, and the next command undoes or finishes.
 */
import { closeSync, ftruncateSync, openSync } from "node:fs";
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { createArea } from "../process/libc.ts";
import { ThreadStop } from "../process/thread-stop.ts";
import { isRefusal, type Refusal, refuse } from "../refusals.ts";
import { createUnwinder } from "../unwind/unwinder.ts";
import { applyCallbacks } from "./callbacks.ts";
import type { Hotpatch } from "./hotpatch.ts";
import { EntryWriter } from "./jumps.ts";
import {
  encodeState,
  LEDGER_HEADER_SIZE,
  LEDGER_STATE_OFFSET,
  type LedgerState,
} from "./ledger.ts";
import { mapMemory } from "./map-memory.ts";
import { type ApplyPlan, planApply, preparedLedger } from "./plan.ts";
import { collectGarbage } from "./rehearse.ts";
import { memoryOf, removeMemory } from "./removal.ts";
import { StackCheck } from "./safety.ts";
import type { SpareRoom } from "./spare-room.ts";
import { type SwitchCallbacks, type SwitchReport, switchEntries } from "./switch-entries.ts";
import { type Context, describe, mapFile, readMappings, type Target } from "./target.ts";
import { unwindModules } from "./unwind-modules.ts";
import { warmUp } from "./warm-up.ts";

export interface ApplyReport extends SwitchReport {
  readonly pid: number;
  readonly id: string;
  readonly functions: readonly string[];
  readonly start: VirtualAddr;
  readonly size: number;
  readonly superseded: string | null;
}

export interface ApplyOptions {
  readonly timeoutMs: number;
  readonly knowsMfdExec: boolean;
  /** Leave the superseded hotpatch's memory, so that this one can still be undone. */
  readonly keepSuperseded: boolean;
  readonly onStep: (step: string) => void;
  /** Called as soon as the process runs the new code. */
  readonly onSwitched: () => void;
}

/** Applies the hotpatch, or refuses with the process as it was. */
export function applyToTarget(
  context: Context,
  target: Target,
  hotpatch: Hotpatch,
  options: ApplyOptions,
): ApplyReport | Refusal {
  options.onStep("checking");
  const plan = planApply(target, hotpatch, options);
  if (isRefusal(plan)) return plan;
  context.faultPoint("planned");
  return withStop(context, target, (stop) => {
    options.onStep("mapping");
    const rooms = mapMemory(context, target, stop, plan);
    if (isRefusal(rooms)) return rooms;
    context.faultPoint("mapped");
    options.onStep("writing");
    const { ledger } = plan;
    const callbacks = applyCallbacks({ context, target, ledger });
    const switched =
      writeMemory(context, target, plan, rooms) ??
      switchTo({ context, target, stop, plan, callbacks }, options);
    if (isRefusal(switched)) {
      const { entries } = ledger;
      // Where a thread may be in the new code, the next command undoes the rest.
      if (switched.refused !== "changed-code" && callbacks?.isThreadBack !== false) {
        removeMemory({ context, target, stop, range: rangeOf(plan), entries, rooms });
      }
      return switched;
    }
    if (!options.keepSuperseded) removeSuperseded(context, target, stop, plan);
    return {
      ...switched,
      pid: target.pid,
      id: plan.ledger.id,
      functions: hotpatch.description.functions.map((entry) => entry.name),
      start: plan.ledger.start,
      size: plan.ledger.size,
      superseded: plan.ledger.supersedes,
    };
  });
}

/** Traces the process for as long as `work` takes. */
export function withStop<T>(
  context: Context,
  target: Target,
  work: (stop: ThreadStop) => T | Refusal,
): T | Refusal {
  const { seccomp } = target.image;
  const stop = new ThreadStop(context.libc, target.pid, { suspendSeccomp: seccomp !== 0 });
  try {
    const seized = stop.seize();
    if (seized.outcome === "gone") {
      return refuse("process-gone", `${describe(target.image)} ended`, "nothing to do");
    }
    if (seized.outcome === "failed") {
      return seccomp === 0
        ? refuse(
            "not-permitted",
            `the kernel does not let thread ${seized.tid} be traced (errno ${seized.errno})`,
            "run the command as root; see /proc/sys/kernel/yama/ptrace_scope",
          )
        : refuse(
            "seccomp",
            `${describe(target.image)} filters its system calls, and the filter cannot be suspended (errno ${seized.errno})`,
            "run the command with CAP_SYS_ADMIN outside of any container",
          );
    }
    context.faultPoint("seized");
    return work(stop);
  } finally {
    stop.release();
  }
}

/**
 * Step 5: into the file behind the mapping, so that the pages exist once and no page of the
 * process is ever writable and executable. Then the pages of the entries get their private copy,
 * which takes the kernel longer than the five bytes of a jump.
 */
function writeMemory(
  context: Context,
  target: Target,
  plan: ApplyPlan,
  rooms: readonly SpareRoom[],
): Refusal | undefined {
  const { ledger, ledgerSize, image } = plan;
  const linkedAt = image.base - ledger.start;
  const path = mapFile(target.pid, ledger.start, virtualAddr(ledger.start + ledgerSize));
  const file = openSync(path, "r+");
  try {
    // By us, for the process may have a limit on the size of files (RLIMIT_FSIZE).
    ftruncateSync(file, ledger.size);
    const record = preparedLedger(plan, rooms);
    // The record's beginning comes last: whoever finds it finds all of it.
    const parts = [
      ...image.segments.map(({ offset, bytes }) => ({ offset: linkedAt + offset, bytes })),
      { offset: LEDGER_HEADER_SIZE, bytes: record.subarray(LEDGER_HEADER_SIZE) },
      { offset: 0, bytes: record.subarray(0, LEDGER_HEADER_SIZE) },
    ];
    for (const { offset, bytes } of parts) {
      const area = createArea(bytes.length);
      area.bytes.set(bytes);
      const count = context.libc.pwrite(file, area.address, bytes.length, offset);
      if (count !== bytes.length) {
        return refuse(
          "remote-call-failed",
          `the memory of hotpatch ${ledger.id} could not be written (${count})`,
          "look for memory limits of the process (cgroup memory.max) and try again",
        );
      }
    }
  } finally {
    closeSync(file);
  }
  context.faultPoint("written");
  const before = ledger.entries.map(({ address, before: bytes }) => ({ address, bytes }));
  const touch = new EntryWriter(target.memory, before);
  for (let index = 0; index < touch.count; index++) touch.write(index);
  return undefined;
}

interface Switching {
  readonly context: Context;
  readonly target: Target;
  readonly stop: ThreadStop;
  readonly plan: ApplyPlan;
  readonly callbacks: SwitchCallbacks | undefined;
}

/** Steps 6 to 9. */
function switchTo(
  { context, target, stop, plan, callbacks }: Switching,
  options: ApplyOptions,
): SwitchReport | Refusal {
  const { entries, start } = plan.ledger;
  const writer = new EntryWriter(
    target.memory,
    entries.map(({ address, after }) => ({ address, bytes: after })),
  );
  const undo = new EntryWriter(
    target.memory,
    entries.map(({ address, before }) => ({ address, bytes: before })),
  );
  const mappings = readMappings(target.pid);
  const unwinder = createUnwinder(unwindModules(target.image, target.patches, target.read));
  const check = new StackCheck({
    stack: context.stack,
    pid: target.pid,
    unwinder,
    ranges: plan.ranges,
    mappings,
  });
  options.onStep("switching");
  collectGarbage();
  warmUp({ stop, unwinder, mappings, read: target.read });
  recordState(target, start, "switching");
  const report = switchEntries({
    context,
    stop,
    check,
    writer,
    undo,
    timeoutMs: options.timeoutMs,
    keepCaller: plan.superseded !== undefined && !options.keepSuperseded,
    callbacks,
    process: describe(target.image),
  });
  if (isRefusal(report)) return report;
  options.onSwitched();
  if (!writer.isWritten()) {
    return refuse(
      "changed-code",
      `${describe(target.image)}: the entries do not hold what was written`,
      "another tool changes the code of the process; end it and try again",
    );
  }
  recordState(target, start, "applied");
  context.faultPoint("recorded");
  return report;
}

/** The state word in the process's own copy of the ledger. */
export function recordState(target: Target, ledger: VirtualAddr, state: LedgerState): void {
  target.memory.write(virtualAddr(ledger + LEDGER_STATE_OFFSET), encodeState(state));
}

function removeSuperseded(
  context: Context,
  target: Target,
  stop: ThreadStop,
  plan: ApplyPlan,
): void {
  if (plan.superseded === undefined) return;
  const rooms = plan.superseded.ledger.spareRooms;
  const memory = memoryOf(plan.superseded, [plan]);
  removeMemory({ context, target, stop, ...memory, entries: [], rooms });
}

const rangeOf = (plan: ApplyPlan): { start: VirtualAddr; end: VirtualAddr } => ({
  start: plan.ledger.start,
  end: virtualAddr(plan.ledger.start + plan.ledger.size),
});
