/**
 * What a rollout does next, and for each group that does not move, why not.
 *
 * `decide` is a function of the rollout, of facts and of the time, and does nothing by itself. It
 * may be called at any moment, as often as one likes: without new facts a second call gives no
 * action. Whoever calls it keeps the rollout that comes back, does the actions, and asks again
 * when a device reports or when the earliest `until` has come.
 *
 * Groups go one after the other. A group begins when
 *
 * 1. the groups before it are completed,
 * 2. its deferral, counted from the publication of the update, is over, and
 * 3. where the gates ask for approval and it is not the first, somebody else than the author has
 *    approved it. (The rollout as a whole has been approved before it runs: rollout-transitions.ts.)
 *
 * From then on its devices are offered the update. When the success threshold is reached the soak
 * time runs; when that is over, and the threshold still holds, the group is completed. A device
 * counts as a success from the moment it has applied the update, or was restarted with the
 * traditional one; the soak time is there for what shows later. Errors and
 * health signals are looked at in every group that has begun, completed ones too, as long as the
 * rollout runs, and afterwards: too many halt it (thresholds.ts says how many that is).
 *
 * **Deadline and grace** are about devices, never about gates. They mean what they mean in Windows
 * Update client policies ("Enforcing compliance deadlines for updates"): the deadline counts from
 * the offer; after it a device no longer waits for its maintenance window; after the grace period
 * a restart that is needed is made. There, rings go by days alone; here gates stand between them,
 * and a gate that is closed does not open because somebody's deadline comes near: a deadline is
 * given to devices against people who postpone, not to the fleet against evidence. One thing does
 * follow: when deadline and grace are over (a day at least), devices that have never answered are
 * not waited for any longer, if at least half of the group has answered. Then the threshold is a
 * share of those. Otherwise machines that are switched off would block every ring behind theirs;
 * and half is asked for because silence is no success.
 *
 * **A group below its success threshold** with errors too few to halt waits and says so. It is
 * never waved through: a person retries the devices, begins the next group, or reverts.
 *
 * **Expedite** skips deferrals and soak times. It skips neither thresholds nor health signals nor
 * approvals, and it has a reason and an alert that a person reviews afterwards (alerts.ts).
 *
 * **Next** lets one group begin without waiting for its deferral and for the groups before it. It
 * does not stand for an approval.
 *
 * **A group without devices that need the update** honours its deferral, because devices may come,
 * and nothing else.
 *
 * **A completed rollout stays in force**: devices that come later into its rings are offered the
 * update, and signals still halt it.
 */
import { RolloutGroupState, RolloutState } from "@suture/contract";
import {
  checkErrors,
  checkSuccesses,
  evidenceOf,
  patienceEndOf,
  stillAccepted,
} from "./group-progress.ts";
import {
  devicesConcerned,
  type GroupFacts,
  holdersOf,
  type RolloutFacts,
} from "./rollout-facts.ts";
import {
  deferralWait,
  previousGroupWait,
  soakWait,
  type Wait,
  type WaitReason,
  waitOfState,
} from "./rollout-reasons.ts";
import { type Halt, HaltCode, hasBegun, type Rollout, type RolloutGroup } from "./rollout-state.ts";

export type RolloutStep =
  | { readonly kind: "begin-group"; readonly group: number }
  | { readonly kind: "ask-for-approval"; readonly group: number }
  /** Puts it into the devices' assignments, and the attempt into their rows. */
  | {
      readonly kind: "offer";
      readonly group: number;
      readonly devices: readonly string[];
      readonly attempt: number;
    }
  | { readonly kind: "begin-soak"; readonly group: number; readonly until: number }
  | { readonly kind: "complete-group"; readonly group: number }
  | { readonly kind: "halt"; readonly halt: Halt }
  | { readonly kind: "complete-rollout" }
  /** Asks the devices to revert it, and notes in their rows that they were asked. */
  | { readonly kind: "revert"; readonly group: number; readonly devices: readonly string[] }
  | { readonly kind: "rollout-reverted" };

export interface Decision {
  readonly rollout: Rollout;
  readonly actions: readonly RolloutStep[];
  /** One for each group that is not completed. */
  readonly reasons: readonly WaitReason[];
}

const DAY = 86_400_000;
const HOUR = 3_600_000;

/**
 * What is to be done now. `facts.groups` must be in the order of the rollout's groups; `now` must
 * not go back by much, for a soak time begins when it is first seen to begin.
 */
export function decide(rollout: Rollout, facts: RolloutFacts, now: number): Decision {
  switch (rollout.state) {
    case RolloutState.running:
    case RolloutState.completed:
      return decideForward(rollout, facts, now);
    case RolloutState.reverting:
    case RolloutState.reverted:
      return decideBackward(rollout, facts);
    case RolloutState.draft:
    case RolloutState.waitingForApproval:
    case RolloutState.paused:
    case RolloutState.halted:
    case RolloutState.stopped:
      return { rollout, actions: [], reasons: waitsOf(rollout) };
  }
}

function decideForward(before: Rollout, facts: RolloutFacts, now: number): Decision {
  const groups = before.groups.map((group, at) => {
    const accepted = stillAccepted(group.accepted, factsOf(facts, at));
    return { ...group, accepted };
  });
  const rollout = { ...before, groups };
  const halt = haltOf(rollout, facts, now);
  if (halt !== undefined) return halted(rollout, halt);
  if (facts.fleetPaused) return held(rollout, FLEET_PAUSED);
  if (facts.update === undefined) return held(rollout, UPDATE_UNKNOWN);
  return moveGroups(rollout, { ...facts, update: facts.update }, now);
}

const FLEET_PAUSED: Wait = {
  code: "fleet-paused",
  text: "Everything is paused. Resume the fleet to go on.",
};
const UPDATE_UNKNOWN: Wait = {
  code: "update-unknown",
  text: "The verified release channel does not have the update. Look at the catalog.",
};

/** Nothing moves, for one reason. */
const held = (rollout: Rollout, wait: Wait): Decision => ({
  rollout,
  actions: [],
  reasons: waitsOf(rollout, wait),
});

function waitsOf(rollout: Rollout, wait?: Wait): WaitReason[] {
  const why = wait ?? waitOfState(rollout.state, rollout.halted?.text);
  if (why === undefined) return [];
  return rollout.groups.flatMap((group, at) =>
    group.state === RolloutGroupState.completed
      ? []
      : [{ group: at, ringId: group.ringId, ...why }],
  );
}

const NO_DEVICES: GroupFacts = {
  counts: {},
  answered: 0,
  otherErrors: 0,
  healthReverts: 0,
  watches: 0,
  toOffer: [],
  toRevert: [],
};

const factsOf = (facts: RolloutFacts, group: number): GroupFacts =>
  facts.groups[group] ?? NO_DEVICES;

/** The first group with too many errors, or else a withdrawn update. */
function haltOf(rollout: Rollout, facts: RolloutFacts, now: number): Halt | undefined {
  for (const [at, group] of rollout.groups.entries()) {
    if (!hasBegun(group)) continue;
    const ofGroup = factsOf(facts, at);
    const evidence = evidenceOf(ofGroup);
    const { accepted, name } = group;
    const errors = checkErrors({ evidence, accepted, name }, rollout.gates.errorThreshold);
    if (errors === undefined) continue;
    const { at: _, ...newest } = ofGroup.newestSignal ?? { at: 0 };
    return { at: now, code: errors.rule, text: errors.text, group: at, evidence, ...newest };
  }
  const withdrawn = facts.update?.withdrawn;
  if (withdrawn === undefined) return undefined;
  const text = `The publisher has withdrawn the update: ${withdrawn.reason}`;
  return { at: now, code: HaltCode.updateWithdrawn, text };
}

function halted(rollout: Rollout, halt: Halt): Decision {
  const groups = rollout.groups.map(
    (group, at): RolloutGroup =>
      at === halt.group ? { ...group, state: RolloutGroupState.halted } : group,
  );
  const after: Rollout = { ...rollout, groups, state: RolloutState.halted, halted: halt };
  return { rollout: after, actions: [{ kind: "halt", halt }], reasons: waitsOf(after) };
}

interface Moment {
  readonly rollout: Rollout;
  readonly facts: RolloutFacts & Required<Pick<RolloutFacts, "update">>;
  readonly now: number;
}

/** One pass in the order of the groups: each depends on those before it only. */
function moveGroups(rollout: Rollout, facts: Moment["facts"], now: number): Decision {
  const moment = { rollout, facts, now };
  const actions: RolloutStep[] = [];
  const reasons: WaitReason[] = [];
  const groups: RolloutGroup[] = [];
  for (const [at, present] of rollout.groups.entries()) {
    const { group, wait } = moveGroup(present, moment, { at, before: groups, actions });
    if (wait !== undefined) reasons.push({ group: at, ringId: group.ringId, ...wait });
    groups.push(group);
  }
  const isThrough = groups.every(({ state }) => state === RolloutGroupState.completed);
  if (!isThrough || rollout.state === RolloutState.completed) {
    return { rollout: { ...rollout, groups }, actions, reasons };
  }
  actions.push({ kind: "complete-rollout" });
  return { rollout: { ...rollout, groups, state: RolloutState.completed }, actions, reasons };
}

interface Place {
  readonly at: number;
  /** The groups before it, as they are after this decision. */
  readonly before: readonly RolloutGroup[];
  readonly actions: RolloutStep[];
}

interface Moved {
  readonly group: RolloutGroup;
  readonly wait?: Wait;
}

function moveGroup(group: RolloutGroup, moment: Moment, place: Place): Moved {
  if (!hasBegun(group)) {
    const moved = beginGroup(group, moment, place);
    if (moved.wait !== undefined) return moved;
    return offerAndAdvance(moved.group, moment, place);
  }
  if (group.completedAt === undefined) return offerAndAdvance(group, moment, place);
  offer(moment, place);
  return { group };
}

function beginGroup(group: RolloutGroup, moment: Moment, { at, before, actions }: Place): Moved {
  const { rollout, facts, now } = moment;
  const skipsGate = group.gateSkippedBy !== undefined;
  const unfinished = before.find(({ completedAt }) => completedAt === undefined);
  if (!skipsGate && unfinished !== undefined) {
    return { group, wait: previousGroupWait(unfinished.name) };
  }
  const deferralMs = group.deferralDays * DAY;
  const deferredUntil = facts.update.released + deferralMs;
  if (!skipsGate && rollout.expedite === undefined && now < deferredUntil) {
    return { group, wait: deferralWait(deferralMs, deferredUntil) };
  }
  if (rollout.gates.approval && at > 0 && group.approvedBy === undefined) {
    if (group.askedAt === undefined) actions.push({ kind: "ask-for-approval", group: at });
    const asked = { ...group, askedAt: group.askedAt ?? now };
    const wait: Wait = { code: "group-approval", text: `An approver must approve ${group.name}.` };
    return { group: { ...asked, state: RolloutGroupState.waitingForApproval }, wait };
  }
  actions.push({ kind: "begin-group", group: at });
  return { group: { ...group, state: RolloutGroupState.running, beganAt: now } };
}

function offer({ rollout, facts }: Moment, { at, actions }: Place): void {
  const devices = factsOf(facts, at).toOffer;
  if (devices.length === 0) return;
  actions.push({ kind: "offer", group: at, devices, attempt: rollout.attempt });
}

/** Offers, and takes a group that has begun through soak to its end. */
function offerAndAdvance(begun: RolloutGroup, moment: Moment, place: Place): Moved {
  const { rollout, facts, now } = moment;
  const { at, actions } = place;
  offer(moment, place);
  const ofGroup = factsOf(facts, at);
  const isEmpty = devicesConcerned(ofGroup) === 0;
  const patienceEnd = patienceEndOf(begun, rollout.expedite !== undefined);
  const below = isEmpty
    ? undefined
    : checkSuccesses({ facts: ofGroup, gates: rollout.gates, patienceEnd, now });
  if (begun.soakingSince === undefined && below !== undefined) {
    return { group: begun, wait: withMoment(below, patienceEnd, now) };
  }
  const skipsSoak = isEmpty || rollout.expedite !== undefined;
  const soakMs = skipsSoak ? 0 : rollout.gates.soakHours * HOUR;
  const since = begun.soakingSince ?? now;
  const until = since + soakMs;
  if (begun.soakingSince === undefined && soakMs > 0) {
    actions.push({ kind: "begin-soak", group: at, until });
  }
  const group = { ...begun, soakingSince: since, state: RolloutGroupState.soaking };
  if (now < until) return { group, wait: soakWait(soakMs, until) };
  if (below !== undefined) return { group, wait: { code: "soak-fallen", text: below.text } };
  actions.push({ kind: "complete-group", group: at });
  return { group: { ...group, completedAt: now, state: RolloutGroupState.completed } };
}

/** While devices are waited for, the moment at which silent ones no longer are. */
const withMoment = (wait: Wait, patienceEnd: number, now: number): Wait =>
  wait.code === "devices-outstanding" && now < patienceEnd ? { ...wait, until: patienceEnd } : wait;

/** Devices that have it, or may, are told to revert it, however late they are heard of. */
function decideBackward(rollout: Rollout, facts: RolloutFacts): Decision {
  const actions: RolloutStep[] = rollout.groups.flatMap((_, group): RolloutStep[] => {
    const devices = factsOf(facts, group).toRevert;
    return devices.length > 0 ? [{ kind: "revert", group, devices }] : [];
  });
  const holders = facts.groups.reduce((sum, group) => sum + holdersOf(group), 0);
  if (rollout.state === RolloutState.reverted || holders > 0) {
    return { rollout, actions, reasons: waitsOf(rollout) };
  }
  const after: Rollout = { ...rollout, state: RolloutState.reverted };
  return {
    rollout: after,
    actions: [...actions, { kind: "rollout-reverted" }],
    reasons: waitsOf(after),
  };
}

/** When to decide again if no device reports before: the earliest moment that a group waits for. */
export function nextDecisionAt({ reasons }: Decision): number | undefined {
  const moments = reasons.flatMap(({ until }) => until ?? []);
  return moments.length > 0 ? Math.min(...moments) : undefined;
}
