/**
 * What became of acts that a killed executor had begun: asked of the processes themselves.
 *
 * The engine first finishes or undoes what was cut short within a process. Then an apply counts as
 * done where every process that is left has the hotpatch, and is undone where only some have it:
 * all or none, also after a kill. Whether it is tried again is decided anew, from what holds now.
 */
import { type Engine, isRefusal } from "@suture/engine";
import type { ProcessKey } from "../inventory/process-files.ts";
import { readStat } from "../inventory/scan.ts";
import type { ApplyAct, Intent, Watch } from "./record.ts";
import type { Recorder } from "./recorder.ts";

export interface RecoveryParts {
  readonly engine: Pick<Engine, "recover" | "revert" | "status">;
  readonly recorder: Recorder;
  readonly now: () => Date;
  /** The watch of an apply that turns out to be done. */
  readonly watchOf: (act: ApplyAct, pids: readonly number[]) => Watch;
}

/** Closes every open intent. */
export function recoverIntents(parts: RecoveryParts): void {
  for (const intent of parts.recorder.record().open.values()) recoverIntent(parts, intent);
}

function recoverIntent(parts: RecoveryParts, { number, act }: Intent): void {
  const { engine, recorder, now } = parts;
  const { target } = act;
  const note = (outcome: string) => ({
    ends: number,
    audit: [{ who: "executor", what: "recovered", detail: { act: act.do, target, outcome } }],
  });
  const alive = act.processes.filter(isAlive).map(({ pid }) => pid);
  for (const pid of alive) engine.recover(pid);
  if (act.do === "traditional-update" || act.do === "restart") {
    // What is installed and what runs is looked at again anyway.
    recorder.note(note("looked at again"));
    return;
  }
  const having = alive.filter((pid) => hasHotpatch(engine, pid, act.hotpatch));
  if (act.do === "revert") {
    // Where it is still in a process, the bar or the order that wanted it out is still there.
    recorder.note(note(having.length === 0 ? "done" : "not done"));
    return;
  }
  if (having.length === 0) {
    recorder.note(note("not done"));
    return;
  }
  if (having.length < alive.length) {
    for (const pid of having) engine.revert([pid], act.hotpatch);
    recorder.note(note("undone"));
    return;
  }
  const at = now().toISOString();
  const detail = `${act.hotpatch} to ${having.length} processes of ${act.file}, before a restart of the agent`;
  recorder.note({
    ...note("done"),
    progress: [{ target, state: "applied", processes: having.length, at }],
    events: [{ kind: "applied", target, detail }],
    watch: parts.watchOf(act, having),
  });
}

/** The same process: not another one that got its id. */
function isAlive({ pid, started, image }: ProcessKey): boolean {
  const stat = readStat("/proc", pid);
  return stat !== undefined && stat.started === started && stat.image === image;
}

function hasHotpatch(engine: Pick<Engine, "status">, pid: number, id: string): boolean {
  const status = engine.status(pid);
  return !isRefusal(status) && status.some((patch) => patch.id === id && patch.inForce);
}
