/**
 * One turn of the executor: look, judge, decide, act, look again.
 *
 * Turns come every few seconds, and at once when something has changed; never two at a time. Each
 * begins from what the machine shows, not from what an earlier turn believed, so a turn that was
 * cut short costs nothing but the next one.
 */
import { AGENT_PROBLEMS, AgentError } from "../errors.ts";
import type { RunCommand } from "../inventory/command-runner.ts";
import type { RunningComponent } from "../inventory/components.ts";
import type { ActionReport } from "../messages.ts";
import { weekTimeOf } from "../policy/window.ts";
import type { Channel } from "./channel.ts";
import { decide } from "./decide.ts";
import { DECISION_REASONS } from "./decision-reasons.ts";
import { runProbe } from "./health/probe.ts";
import type { Watcher } from "./health/watcher.ts";
import type { OrdersKeeper } from "./orders-keeper.ts";
import { alarmNote, applyUpdate, type PatchingParts, revertUpdate } from "./patching.ts";
import type { RestartCommand } from "./restart-commands.ts";
import { attemptOf, type Decision, type PlannedAct, type Situation } from "./situation.ts";
import {
  buildIdOf,
  factOf,
  groupOf,
  interestIn,
  lookAround,
  processesOf,
  type SeenComponent,
  type Surroundings,
  type SurroundingsParts,
} from "./surroundings.ts";
import { type UpdatingParts, updateTraditionally } from "./updating.ts";

export interface TurnParts extends PatchingParts, Omit<SurroundingsParts, "restartCommands"> {
  readonly channel: Channel;
  readonly orders: () => OrdersKeeper;
  readonly restartCommands: () => readonly RestartCommand[];
  readonly installCommand: UpdatingParts["installCommand"];
  readonly watcher: Watcher;
  readonly run: RunCommand;
  /** No further act begins. */
  readonly isStopping: () => boolean;
}

/** What root asks for by hand. */
export interface Demand {
  /** This target alone; all that is allowed where it is not given. */
  readonly target?: string;
  readonly dryRun: boolean;
  /** Reverts alone, or everything else. */
  readonly reverts: boolean;
}

export interface TurnResult {
  readonly surroundings: Surroundings;
  readonly decisions: readonly Decision[];
  readonly reports: readonly ActionReport[];
}

/** A turn; with a demand, root's: windows and earlier attempts do not count, other targets wait. */
export async function takeTurn(parts: TurnParts, demand?: Demand): Promise<TurnResult> {
  parts.recorder.flush();
  const before = await look(parts);
  if (demand?.dryRun !== true) judgeHealth(parts, before);
  const situation = situationOf(parts, before, demand);
  const decisions = decide(situation);
  const reports: ActionReport[] = [];
  for (const decision of decisions) {
    if (parts.isStopping()) break;
    reports.push(...(await performOrTell(parts, before, decision, demand)));
  }
  const isDone = reports.some(({ outcome }) => outcome === "done");
  const after = isDone ? await look(parts) : before;
  const last = isDone ? decide(situationOf(parts, after)) : decisions;
  if (demand?.dryRun !== true) notePending(parts, last);
  return { surroundings: after, decisions: last, reports };
}

async function look(parts: TurnParts): Promise<Surroundings> {
  const { channel, recorder, orders } = parts;
  const { bars, watches, progress } = recorder.record();
  const { reverts } = orders().orders();
  const targets = [...bars.keys(), ...progress.keys(), ...reverts.keys()];
  const ids = targets.flatMap((target) => buildIdOf(target) ?? []);
  const watched = [...watches.values()].map(({ buildId }) => buildId);
  const isOfInterest = interestIn(channel.lastCatalog()?.updates ?? [], [...ids, ...watched]);
  return await lookAround({ ...parts, restartCommands: parts.restartCommands() }, isOfInterest);
}

function situationOf(parts: TurnParts, { components }: Surroundings, demand?: Demand): Situation {
  const { channel, orders, recorder, restartCommands } = parts;
  const now = parts.now();
  const catalog = channel.lastCatalog();
  const inForce = orders().orders();
  const { bars, attempts } = recorder.record();
  const atOnce = { ...inForce.policy, hotpatchInWindowOnly: false, windows: [ALWAYS] };
  return {
    now,
    weekTime: weekTimeOf(now),
    updates: catalog?.updates ?? [],
    ...(catalog && { channelExpires: new Date(catalog.expires) }),
    orders: demand === undefined ? inForce : { ...inForce, policy: atOnce },
    components: components.map((component) => factOf(component, restartCommands())),
    record: { bars, attempts: demand === undefined ? attempts : new Map() },
  };
}

const ALWAYS = { days: [0, 1, 2, 3, 4, 5, 6], begin: "00:00", end: "00:00" };

/** Signals become bars, and the decision that follows takes the barred hotpatch out. */
function judgeHealth({ watcher, recorder, orders, now }: TurnParts, { processes }: Surroundings) {
  const { health } = orders().orders().policy;
  for (const finding of watcher.look(recorder.record().watches.values(), processes, health)) {
    const { target, hotpatch, file } = finding.watch;
    const at = now().toISOString();
    switch (finding.is) {
      case "rebooted":
        recorder.note({ watchOver: target });
        break;
      case "over":
        recorder.note({
          watchOver: target,
          progress: [{ target, state: "succeeded", at }],
          audit: [{ who: "executor", what: "watch-over", detail: { target, hotpatch, file } }],
        });
        break;
      case "alarm":
        recorder.note(alarmNote(finding.watch, finding.alarm, at));
    }
  }
}

/** A full disk holds back one act, which is not begun; the next may be a revert. */
async function performOrTell(
  ...[parts, surroundings, decision, demand]: Parameters<typeof perform>
): Promise<readonly ActionReport[]> {
  try {
    return await perform(parts, surroundings, decision, demand);
  } catch (error) {
    const { act, component } = decision;
    const isKnown = error instanceof AgentError && error.code === "disk-full";
    if (!isKnown || act === undefined) throw error;
    const { file, buildId } = component;
    const next = AGENT_PROBLEMS[error.code].next;
    const pids = act.pids;
    const { code: outcome, message: detail } = error;
    return [{ action: act.do, file, buildId, pids, outcome, detail, next }];
  }
}

async function perform(
  parts: TurnParts,
  { components }: Surroundings,
  decision: Decision,
  demand: Demand | undefined,
): Promise<readonly ActionReport[]> {
  const { act } = decision;
  const component = components.find(({ buildId }) => buildId === decision.component.buildId);
  if (component === undefined || !isDemanded(decision, demand)) return [];
  if (act === undefined) return demand === undefined ? [] : [reasonReport(component, decision)];
  const who = demand === undefined ? whoOf(parts, act) : "root";
  const dryRun = demand?.dryRun === true;
  if (act.do === "apply") return await performApply(parts, component, act, { who, dryRun });
  if (dryRun) {
    const detail = DECISION_REASONS[decision.reason].meaning;
    return [{ ...actReport(component, act), outcome: "would-do", detail }];
  }
  const { buildId, file } = component;
  const processes = processesOf(component, act.pids);
  if (act.do === "revert") {
    const { target, hotpatch, why } = act;
    return [revertUpdate(parts, { target, hotpatch, buildId, file, processes, who, why })];
  }
  const { restart } = parts.orders().orders().policy;
  const name = act.do === "restart" ? undefined : act.package;
  const request = { update: act.update, buildId, file, processes, restart, who };
  const named = name === undefined ? request : { ...request, package: name };
  return [await updateTraditionally(updatingParts(parts), named)];
}

function isDemanded({ act, update }: Decision, demand: Demand | undefined): boolean {
  if (demand === undefined) return true;
  if (demand.reverts) return act?.do === "revert" && act.target === demand.target;
  if (act?.do === "revert") return false;
  return demand.target === undefined || update?.target === demand.target;
}

/** Group by group: all processes of one service, or none of them. */
async function performApply(
  parts: TurnParts,
  component: SeenComponent,
  { update, pids }: PlannedAct & { do: "apply" },
  options: { readonly who: string; readonly dryRun: boolean },
): Promise<readonly ActionReport[]> {
  const { file, buildId } = component;
  const orders = parts.orders().orders();
  const { health } = orders.policy;
  const { target, id: hotpatch } = update;
  const attempt = attemptOf(orders, target);
  const groups = Map.groupBy(processesOf(component, pids), groupOf);
  const reports: ActionReport[] = [];
  for (const [group, processes] of groups) {
    const report = await applyUpdate(parts, {
      ...{ update, file, processes, group, attempt, ...options },
      problemBefore: async () =>
        health.probe === undefined ? undefined : await runProbe(parts.run, health.probe),
      watch: () => {
        const before = parts.recorder.record().watches.get(target);
        const moment = { before, now: parts.now() };
        return parts.watcher.begin({ target, hotpatch, buildId, file }, processes, health, moment);
      },
      judgeEnded: (ended) => parts.watcher.judgeEnded(ended, processes),
    });
    reports.push(report);
  }
  return reports;
}

function updatingParts(parts: TurnParts): UpdatingParts {
  const stillRunning = (buildId: string) => {
    parts.scanner.renew();
    return parts.scanner.scan().flatMap((process) => {
      const file = process.files.find((entry) => entry.buildId === buildId);
      return file === undefined ? [] : [{ process, outdated: file.outdated }];
    });
  };
  return { ...parts, restartCommands: parts.restartCommands(), stillRunning };
}

function whoOf({ orders }: TurnParts, act: PlannedAct): string {
  if (act.do === "revert" && act.why.code === "health-signal") return "executor";
  if (act.do === "revert" && act.why.code === "removed-by-root") return "root";
  return orders().orders().source === "assignment" ? "control-plane" : "policy";
}

function actReport({ file, buildId }: RunningComponent, act: PlannedAct) {
  const target = act.do === "revert" ? act.target : act.update.target;
  return { action: act.do, target, file, buildId, pids: act.pids };
}

function reasonReport(component: SeenComponent, { reason, update }: Decision): ActionReport {
  const { file, buildId, processes } = component;
  const { meaning, next } = DECISION_REASONS[reason];
  const pids = processes.map(({ process }) => process.pid);
  const target = update && { target: update.target };
  return { action: "none", ...target, file, buildId, pids, outcome: reason, detail: meaning, next };
}

/** Restart pending is told once, and again when its reason is another. */
function notePending({ recorder, now }: TurnParts, decisions: readonly Decision[]): void {
  for (const { compliance, update, reason } of decisions) {
    if (compliance !== "restart-pending" || update === undefined) continue;
    const { target } = update;
    const before = recorder.record().progress.get(target);
    if (before?.state === "restart-pending" && before.code === reason) continue;
    const detail = DECISION_REASONS[reason].meaning;
    recorder.note({
      progress: [
        {
          ...{ target, state: "restart-pending", code: reason, detail, at: now().toISOString() },
          ...(before?.signal !== undefined && { signal: before.signal }),
        },
      ],
      events: [{ kind: "restart-pending", target, code: reason, detail }],
    });
  }
}
