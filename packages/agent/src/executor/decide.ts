/**
 * What to do with each component that runs here: a pure function of what is known.
 *
 *     channel     what is signed, and not withdrawn
 *     orders      what of that is allowed, in which windows, and whether all is paused
 *     components  what runs, and what is in the processes already
 *     record      what was tried, what must not be tried again
 *
 * For each component one decision: an act, or the reason for none. Two rules come before all
 * others. Nothing is applied that is not both signed and allowed. And a hotpatch that is in the
 * processes stays there whatever happens to channel, orders or clock, unless somebody orders its
 * revert or a health signal takes it back.
 */
import { ComplianceState } from "@suture/contract";
import type { QualityUpdate } from "@suture/release";
import type { Orders } from "../policy/orders.ts";
import type { DecisionReason } from "./decision-reasons.ts";
import type { Attempt, Why } from "./record.ts";
import {
  applyAttemptOf,
  attemptOf,
  type ComponentFact,
  type Decision,
  isExpired,
  isLasting,
  isTooEarly,
  isWindowOpen,
  type ProcessFact,
  type Situation,
  standstill,
} from "./situation.ts";
import { traditionalUpdate } from "./traditional-update.ts";

/** One decision for each component that an update of the channel is for. */
export function decide(situation: Situation): Decision[] {
  return situation.components.flatMap((component) => {
    const decision = decideComponent(situation, component);
    return decision === undefined ? [] : [decision];
  });
}

function decideComponent(situation: Situation, component: ComponentFact): Decision | undefined {
  const { orders, updates } = situation;
  const own = updates.filter(
    ({ sequence, components }) =>
      sequence > 0 && components.some(({ buildId }) => buildId === component.buildId),
  );
  const revert = dueRevert(situation, component);
  if (revert !== undefined) {
    const { inProgress: compliance } = ComplianceState;
    return { component, compliance, reason: "to-revert", act: revert };
  }
  const offered = own.filter((update) => isOffered(orders, update));
  const baseline = newerBaseline(situation, component);
  if (own.length === 0 && baseline === undefined) return installed(situation, component);
  const newest = newestOf(offered.filter(({ target }) => !situation.record.bars.has(target)));
  if (newest === undefined) return withoutHotpatch(situation, component, { own, baseline });
  const lacking = component.processes.filter(({ applied }) => !isAtLeast(applied, newest));
  if (lacking.length > 0) return toApply(situation, component, newest, lacking);
  if (baseline !== undefined) {
    const update = traditionalUpdate(situation, component, baseline);
    // A component that is hotpatched is protected: it waits for the baseline without reproach.
    if (update.act !== undefined) return { ...update, update: baseline };
  }
  return {
    component,
    update: newest,
    compliance: ComplianceState.hotpatched,
    reason: "newest-applied",
  };
}

/** Signed, not withdrawn, allowed as exactly these bytes, and not ordered back. */
function isOffered({ allowed, reverts }: Orders, update: QualityUpdate): boolean {
  if (update.withdrawn !== undefined || reverts.has(update.target)) return false;
  return allowed === "all" || allowed.get(update.target)?.sha256 === update.sha256;
}

const newestOf = (updates: readonly QualityUpdate[]): QualityUpdate | undefined =>
  updates.reduce<QualityUpdate | undefined>(
    (best, update) => (best === undefined || update.sequence > best.sequence ? update : best),
    undefined,
  );

const isAtLeast = (applied: ProcessFact["applied"], update: QualityUpdate): boolean =>
  applied !== undefined && (applied.id === update.id || applied.sequence >= update.sequence);

/**
 * What is in the processes and is to be taken back. It does not need the channel: whoever withholds
 * it must not keep a bad hotpatch in force. Bars hold always, orders while they are in force.
 */
function dueRevert({ orders, record, now }: Situation, component: ComponentFact) {
  const isOrdered = !orders.paused && !isExpired(orders, now);
  for (const { applied } of component.processes) {
    if (applied === undefined) continue;
    const ending = `/${component.buildId}.${applied.sequence}.hotpatch`;
    const bar = [...record.bars.values()].find(({ target }) => target.endsWith(ending));
    const order = isOrdered
      ? [...orders.reverts].find(([target]) => target.endsWith(ending))
      : undefined;
    const [target, detail] = bar === undefined ? (order ?? []) : [bar.target, bar.detail];
    if (target === undefined || detail === undefined) continue;
    const holders = component.processes.filter((process) => process.applied?.id === applied.id);
    const pids = holders.map(({ pid }) => pid);
    const signal = bar?.signal;
    const why: Why = { code: bar?.code ?? "ordered", detail, ...(signal && { signal }) };
    return { do: "revert", target, hotpatch: applied.id, pids, why } as const;
  }
  return undefined;
}

function toApply(
  situation: Situation,
  component: ComponentFact,
  update: QualityUpdate,
  lacking: readonly ProcessFact[],
): Decision {
  const { policy } = situation.orders;
  const waiting = (reason: DecisionReason): Decision => ({
    component,
    update,
    compliance: reason === "paused" ? ComplianceState.paused : ComplianceState.notUpToDate,
    reason,
  });
  const stop = standstill(situation);
  if (stop !== undefined) return waiting(stop);
  if (policy.hotpatch === "block") {
    const instead = traditionalUpdate(situation, component, update);
    const isUnderWay = ["wait-for-window", "update-failed"].includes(instead.reason);
    return instead.act !== undefined || isUnderWay ? instead : waiting("hotpatch-blocked");
  }
  const attempt = attemptOf(situation.orders, update.target);
  const attempts = ({ group }: ProcessFact) =>
    situation.record.attempts.get(applyAttemptOf(update.target, group, attempt));
  const willing = lacking.filter((process) => !isRefusing(attempts(process)));
  if (willing.length === 0) {
    return policy.fallback
      ? traditionalUpdate(situation, component, update)
      : waiting("apply-refused");
  }
  const ready = willing.filter((process) => {
    const before = attempts(process);
    return before === undefined || !isTooEarly(before, situation.now);
  });
  if (ready.length === 0) return waiting("retry-later");
  if (policy.hotpatchInWindowOnly && !isWindowOpen(situation, update.target)) {
    return waiting("wait-for-window");
  }
  return {
    component,
    update,
    compliance: ComplianceState.inProgress,
    reason: "to-apply",
    act: { do: "apply", update, pids: ready.map(({ pid }) => pid) },
  };
}

const isRefusing = (attempt: Attempt | undefined): boolean =>
  attempt !== undefined && isLasting(attempt);

interface Offers {
  readonly own: readonly QualityUpdate[];
  readonly baseline: QualityUpdate | undefined;
}

/** Nothing that could be applied: barred, not allowed, withdrawn, or a baseline is needed. */
function withoutHotpatch(
  situation: Situation,
  component: ComponentFact,
  { own, baseline }: Offers,
): Decision {
  const { orders, record } = situation;
  const newest = newestOf(own);
  const barred = newestOf(own.filter(({ target }) => record.bars.has(target)));
  const waiting = (reason: DecisionReason, update = newest): Decision => ({
    component,
    ...(update && { update }),
    compliance: reason === "paused" ? ComplianceState.paused : ComplianceState.notUpToDate,
    reason,
  });
  const stop = standstill(situation);
  if (stop !== undefined) return waiting(stop);
  if (baseline !== undefined) return traditionalUpdate(situation, component, baseline);
  if (barred !== undefined && isOffered(orders, barred)) {
    const isByRoot = record.bars.get(barred.target)?.code === "removed-by-root";
    if (isByRoot || !orders.policy.fallback) return waiting("barred", barred);
    return traditionalUpdate(situation, component, barred);
  }
  const isHotpatched = component.processes.every(({ applied }) => applied !== undefined);
  if (isHotpatched && newest !== undefined) {
    return {
      component,
      update: newest,
      compliance: ComplianceState.hotpatched,
      reason: "applied-not-offered",
    };
  }
  if (own.every(({ withdrawn }) => withdrawn !== undefined)) return waiting("nothing-offered");
  return waiting("not-assigned");
}

/** A component that the newest baseline consists of, or one with a hotpatch that no channel knows. */
function installed({ updates }: Situation, component: ComponentFact): Decision | undefined {
  const update = updates.find(
    ({ sequence, components }) =>
      sequence === 0 && components.some(({ buildId }) => buildId === component.buildId),
  );
  if (update !== undefined) {
    return { component, update, compliance: ComplianceState.restarted, reason: "newest-installed" };
  }
  const isHotpatched = component.processes.some(({ applied }) => applied !== undefined);
  if (!isHotpatched) return undefined;
  return { component, compliance: ComplianceState.hotpatched, reason: "not-in-channel" };
}

/** The newest baseline that is allowed and has another file of this name than what runs. */
function newerBaseline(
  { updates, orders }: Situation,
  component: ComponentFact,
): QualityUpdate | undefined {
  const name = component.file.slice(component.file.lastIndexOf("/") + 1);
  const baselines = updates
    .filter(
      (update) => update.sequence === 0 && update.components.some(({ file }) => file === name),
    )
    .sort(byRelease);
  const own = baselines.findIndex(({ components }) =>
    components.some(({ buildId }) => buildId === component.buildId),
  );
  // What no baseline knows may be newer than all of them, or of another vendor.
  if (own < 0) return undefined;
  const product = baselines[own]?.product;
  return baselines
    .slice(own + 1)
    .filter((update) => update.product === product && isOffered(orders, update))
    .filter(({ components }) => components.every(({ buildId }) => buildId !== component.buildId))
    .at(-1);
}

const byRelease = (a: QualityUpdate, b: QualityUpdate): number => {
  const [first, second] = [a, b].map(({ released, baseline }) => `${released} ${baseline}`);
  return (first ?? "") < (second ?? "") ? -1 : 1;
};
