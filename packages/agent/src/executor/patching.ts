/** Applying and reverting on this machine: the engine, and what the record says before and after. */
import type { DeviceUpdateState } from "@suture/contract";
import { type Engine, isRefusal, type ProcessRefusal, REFUSALS } from "@suture/engine";
import { type QualityUpdate, ReleaseError } from "@suture/release";
import { AgentError } from "../errors.ts";
import { printable } from "../fields.ts";
import type { RunningProcess } from "../inventory/scan.ts";
import { applyTimeoutMs } from "../limits.ts";
import type { ActionReport } from "../messages.ts";
import { nextOfProblem } from "./channel.ts";
import { DECISION_REASONS } from "./decision-reasons.ts";
import type { HealthAlarm } from "./health/watcher.ts";
import type { HotpatchStore } from "./hotpatch-store.ts";
import type { PatchedProcesses } from "./patched-processes.ts";
import type { Watch, Why } from "./record.ts";
import type { NoteDraft, Recorder } from "./recorder.ts";
import { applyAttemptOf } from "./situation.ts";

export interface PatchingParts {
  readonly engine: Engine;
  readonly recorder: Recorder;
  readonly hotpatches: HotpatchStore;
  readonly patched: PatchedProcesses;
  readonly now: () => Date;
  readonly faultPoint: (name: string) => void;
}

export interface ApplyRequest {
  readonly update: QualityUpdate;
  /** Of one component; the file that all of them map. */
  readonly file: string;
  /** What the processes have in common (surroundings.ts). */
  readonly group: string;
  /** Which one the orders mean; earlier ones do not count. */
  readonly attempt: number;
  readonly processes: readonly RunningProcess[];
  /** Who wants it, for the audit log. */
  readonly who: string;
  readonly dryRun: boolean;
  /** A sentence where the machine is not as it should be before anything is done. */
  readonly problemBefore: () => Promise<string | undefined>;
  /** The watch that begins, or goes on, when it is applied. */
  readonly watch: () => Watch;
  /** What it means that these processes ended with the new code, before it was in all of them. */
  readonly judgeEnded: (ended: readonly RunningProcess[]) => HealthAlarm | undefined;
}

/** Applies to all the processes or to none, and records what came of it. */
export async function applyUpdate(parts: PatchingParts, request: ApplyRequest) {
  const { update } = request;
  try {
    const hotpatch = await parts.hotpatches.load(update);
    if (request.dryRun) return dryRun(parts, request, hotpatch);
    const problem = await request.problemBefore();
    if (problem !== undefined) {
      const next = "mend what the probe finds, or the probe";
      return noteRefusal(parts, request, { code: "probe-failed-before", detail: problem, next });
    }
    return applyHotpatch(parts, request, hotpatch);
  } catch (error) {
    if (error instanceof ReleaseError) {
      const next = nextOfProblem(error.code);
      // The network half has not brought it yet: nothing is refused, the next turn looks again.
      if (error.code === "file-missing") {
        return { ...reportOf(request), outcome: "not-downloaded", detail: error.message, next };
      }
      return noteRefusal(parts, request, { code: "channel", detail: error.message, next });
    }
    if (error instanceof AgentError && error.code === "hotpatch-wrong") {
      const next = "tell the publisher; the traditional update remains";
      return noteRefusal(parts, request, { code: error.code, detail: error.message, next });
    }
    throw error;
  }
}

type LoadedHotpatch = Awaited<ReturnType<HotpatchStore["load"]>>;

function reportOf({ update, file, processes }: ApplyRequest) {
  return {
    action: "apply",
    target: update.target,
    hotpatch: update.id,
    file,
    buildId: update.components[0]?.buildId ?? "",
    pids: processes.map(({ pid }) => pid),
  };
}

function dryRun(
  { engine }: PatchingParts,
  request: ApplyRequest,
  hotpatch: LoadedHotpatch,
): ActionReport {
  for (const { pid } of request.processes) {
    const found = engine.check(pid, hotpatch);
    if (!isRefusal(found)) continue;
    const { refused: outcome, detail, next } = found;
    return { ...reportOf(request), outcome, detail, next };
  }
  const count = request.processes.length;
  return { ...reportOf(request), outcome: "would-do", detail: `${count} processes would take it` };
}

function applyHotpatch(
  parts: PatchingParts,
  request: ApplyRequest,
  hotpatch: LoadedHotpatch,
): ActionReport {
  const { recorder, engine, patched } = parts;
  const { update, file, processes, who } = request;
  const { target, id, sequence, sha256 } = update;
  const report = reportOf(request);
  const number = recorder.begin({
    do: "apply",
    ...{ target, hotpatch: id, sequence, sha256, file, buildId: report.buildId },
    processes: processes.map(({ pid, started, image }) => ({ pid, started, image })),
  });
  const applied = engine.apply(report.pids, hotpatch, { timeoutMs: applyTimeoutMs });
  for (const pid of report.pids) patched.forget(pid);
  parts.faultPoint("applied");
  if (isRefusal(applied)) {
    const { endedSwitched = [] } = applied;
    const alarm = request.judgeEnded(processes.filter(({ pid }) => endedSwitched.includes(pid)));
    if (alarm === undefined) return noteRefusal(parts, request, refusalOf(applied), number);
    const at = parts.now().toISOString();
    recorder.note({ ends: number, ...alarmNote({ target, hotpatch: id }, alarm, at) });
    const { next } = DECISION_REASONS.barred;
    return { ...report, outcome: "health-signal", detail: printable(alarm.detail), next };
  }
  const pauseMicroseconds = Math.max(...applied.map(({ stopUs }) => stopUs));
  const detail = `${id} to ${report.pids.length} processes of ${file}, pause ${Math.round(pauseMicroseconds)} µs`;
  const watch = request.watch();
  const progress = { target, state: "applied", at: parts.now().toISOString() } as const;
  recorder.note({
    ends: number,
    forgetAttempt: applyAttemptOf(target, request.group, request.attempt),
    progress: [{ ...progress, pauseMicroseconds, processes: watch.processes.length }],
    events: [{ kind: "applied", target, detail }],
    watch,
    audit: [{ who, what: "applied", detail: { target, hotpatch: id, file, pids: report.pids } }],
  });
  endSuperseded(parts, watch);
  return { ...report, outcome: "done", detail, pauseMicroseconds };
}

/** A signal bars the target on this device, and the decision that follows takes it out. */
export function alarmNote(
  { target, hotpatch }: Pick<Watch, "target" | "hotpatch">,
  { signal, detail: found }: HealthAlarm,
  at: string,
): NoteDraft {
  const detail = printable(found);
  const code = "health-signal";
  return {
    watchOver: target,
    bar: { target, code, signal, detail, at },
    progress: [{ target, state: "reverted", code, signal, detail, at }],
    events: [{ kind: code, target, code: signal, detail }],
    audit: [{ who: "executor", what: code, detail: { target, hotpatch, signal, found: detail } }],
  };
}

/** The watch of an older hotpatch of the same file is over: the newest has taken its place. */
function endSuperseded({ recorder, now }: PatchingParts, watch: Watch): void {
  for (const { target, buildId } of recorder.record().watches.values()) {
    if (buildId !== watch.buildId || target === watch.target) continue;
    const detail = `superseded by ${watch.hotpatch}`;
    const at = now().toISOString();
    const progress = [{ target, state: "succeeded", code: "superseded", detail, at } as const];
    recorder.note({ watchOver: target, progress });
  }
}

interface Refused {
  readonly code: string;
  readonly detail: string;
  readonly next: string;
}

function refusalOf({ refused, detail, next, stillApplied = [] }: ProcessRefusal): Refused {
  const left = stillApplied.length === 0 ? "" : `; still in ${stillApplied.join(", ")}`;
  return { code: refused, detail: `${detail}: ${REFUSALS[refused]}${left}`, next };
}

function noteRefusal(
  { recorder, now }: PatchingParts,
  request: ApplyRequest,
  { code, detail, next }: Refused,
  ends?: number,
): ActionReport {
  const { target } = request.update;
  const at = now().toISOString();
  const key = applyAttemptOf(target, request.group, request.attempt);
  const before = recorder.record().attempts.get(key);
  const attempt = { key, code, detail: printable(detail), count: 1 + (before?.count ?? 0) };
  const isNews = before?.code !== code;
  const isElsewhere = recorder.record().watches.has(target);
  const state: DeviceUpdateState = "refused";
  recorder.note({
    ...(ends !== undefined && { ends }),
    attempt: { ...attempt, at },
    // The same refusal again is no news for anybody.
    ...(isNews && {
      events: [{ kind: "refused", target, code, detail }],
      // Where others have it, the device has it: one user's process does not speak for all.
      ...(!isElsewhere && { progress: [{ target, state, code, detail: printable(detail), at }] }),
      audit: [{ who: request.who, what: "refused", detail: { target, code, detail } }],
    }),
  });
  return { ...reportOf(request), outcome: code, detail: printable(detail), next };
}

export interface RevertRequest {
  readonly target: string;
  readonly hotpatch: string;
  readonly buildId: string;
  readonly file: string;
  readonly processes: readonly RunningProcess[];
  readonly who: string;
  readonly why: Why;
}

/** Reverts live in each of the processes, and records it. A refusal is tried again next time. */
export function revertUpdate(parts: PatchingParts, request: RevertRequest): ActionReport {
  const { recorder, engine, patched } = parts;
  const { target, hotpatch, buildId, file, processes, why } = request;
  const pids = processes.map(({ pid }) => pid);
  const report = { action: "revert", target, hotpatch, file, buildId, pids };
  const keys = processes.map(({ pid, started, image }) => ({ pid, started, image }));
  const number = recorder.begin({
    do: "revert",
    target,
    hotpatch,
    buildId,
    file,
    processes: keys,
    why,
  });
  const refusals = pids.flatMap((pid) => {
    const reverted = engine.revert([pid], hotpatch, { timeoutMs: applyTimeoutMs });
    patched.forget(pid);
    const isGone = isRefusal(reverted) && GONE.includes(reverted.refused);
    return isRefusal(reverted) && !isGone ? [reverted] : [];
  });
  parts.faultPoint("reverted-all");
  const [first] = refusals;
  const at = parts.now().toISOString();
  if (first !== undefined) {
    const { code, detail, next } = refusalOf(first);
    const key = `revert ${target}`;
    const before = recorder.record().attempts.get(key);
    const attempt = { key, code, detail: printable(detail), count: 1 + (before?.count ?? 0), at };
    const isNews = before?.code !== code;
    recorder.note({
      ends: number,
      attempt,
      ...(isNews && { events: [{ kind: "refused", target, code, detail: `revert: ${detail}` }] }),
    });
    return { ...report, outcome: code, detail, next };
  }
  const detail = `${hotpatch} from ${pids.length} processes of ${file}: ${why.detail}`;
  recorder.note({
    ends: number,
    watchOver: target,
    forgetAttempt: `revert ${target}`,
    progress: [
      {
        ...{ target, state: "reverted", code: why.code, detail: printable(why.detail), at },
        ...(why.signal !== undefined && { signal: why.signal }),
      },
    ],
    events: [{ kind: "reverted", target, code: why.code, detail }],
    audit: [
      {
        who: request.who,
        what: "reverted",
        detail: { target, hotpatch, file, pids, why: { ...why } },
      },
    ],
  });
  return { ...report, outcome: "done", detail };
}

/** Nothing is left to revert. */
const GONE: readonly string[] = ["process-gone", "not-applied"];
