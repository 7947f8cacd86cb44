/** How far the devices of one group are, against the gates. */
import { DeviceUpdateState, type Gates } from "@suture/contract";
import { devicesConcerned, type GroupFacts, heardOf, successesOf } from "./rollout-facts.ts";
import { progressText, type Wait } from "./rollout-reasons.ts";
import type { AcceptedErrors, RolloutGroup } from "./rollout-state.ts";
import {
  errorsAllowed,
  type GroupEvidence,
  HaltRule,
  haltRuleOf,
  successesNeeded,
} from "./thresholds.ts";

const S = DeviceUpdateState;
const DAY = 86_400_000;
/** A device gets at least a day to answer, whatever its ring's deadline is. */
const PATIENCE_DAYS_MIN = 1;
/** Of those who should, so many must have answered before the silent ones are left out. */
const QUORUM = 0.5;

/** From then on devices of the group that never answered are not waited for. */
export function patienceEndOf(group: RolloutGroup, expedited: boolean): number {
  const days = expedited ? 0 : group.deadlineDays + group.graceDays;
  return (group.beganAt ?? 0) + Math.max(PATIENCE_DAYS_MIN, days) * DAY;
}

export interface ProgressRequest {
  readonly facts: GroupFacts;
  readonly gates: Gates;
  readonly patienceEnd: number;
  readonly now: number;
}

/** Why the group is below its success threshold; undefined once it has reached it. */
export function checkSuccesses(request: ProgressRequest): Wait | undefined {
  const { facts, gates, patienceEnd, now } = request;
  const devices = devicesConcerned(facts);
  const isLate = now >= patienceEnd;
  const heard = heardOf(facts);
  const hasQuorum = heard >= Math.ceil(devices * QUORUM);
  const expected = isLate && hasQuorum ? heard : devices;
  const needed = successesNeeded(gates.successThreshold, expected);
  if (successesOf(facts) >= needed) return undefined;
  const text = progressText(facts, needed);
  if (expected - settledErrorsOf(facts) < needed) {
    return { code: "devices-erred", text: `${text} Retry them, or begin the next group by hand.` };
  }
  if (!isLate) return { code: "devices-outstanding", text };
  return hasQuorum
    ? { code: "devices-outstanding", text }
    : { code: "devices-silent", text: `${text} Find out why the others do not answer.` };
}

/** Devices that erred and are not about to be offered it again. */
function settledErrorsOf({ counts, toOffer }: GroupFacts): number {
  const erred = (counts[S.refused] ?? 0) + (counts[S.failed] ?? 0) + (counts[S.reverted] ?? 0);
  return erred - Math.max(0, toOffer.length - (counts[S.waiting] ?? 0));
}

export const evidenceOf = (facts: GroupFacts): GroupEvidence => ({
  devices: devicesConcerned(facts),
  answered: facts.answered,
  otherErrors: facts.otherErrors,
  healthReverts: facts.healthReverts,
  watches: facts.watches,
});

/** What was accepted can only become less, as when a device is offered the update again. */
export const stillAccepted = (accepted: AcceptedErrors, facts: GroupFacts): AcceptedErrors => ({
  answered: Math.min(accepted.answered, facts.answered),
  otherErrors: Math.min(accepted.otherErrors, facts.otherErrors),
  healthReverts: Math.min(accepted.healthReverts, facts.healthReverts),
  watches: Math.min(accepted.watches, facts.watches),
});

/** Why the group is to be halted, not counting what a person accepted. */
export function checkErrors(
  { evidence, accepted, name }: { evidence: GroupEvidence; accepted: AcceptedErrors; name: string },
  errorThreshold: number,
): { readonly rule: HaltRule; readonly text: string } | undefined {
  const counted = {
    devices: evidence.devices,
    answered: Math.max(0, evidence.answered - accepted.answered),
    otherErrors: Math.max(0, evidence.otherErrors - accepted.otherErrors),
    healthReverts: Math.max(0, evidence.healthReverts - accepted.healthReverts),
    watches: Math.max(0, evidence.watches - accepted.watches),
  };
  const rule = haltRuleOf(counted, errorThreshold);
  return rule && { rule, text: haltText(rule, counted, { name, errorThreshold }) };
}

function haltText(
  rule: HaltRule,
  { devices, answered, otherErrors, healthReverts }: GroupEvidence,
  { name, errorThreshold }: { name: string; errorThreshold: number },
): string {
  const allowed = errorsAllowed(errorThreshold, devices);
  const share = `${Number((errorThreshold * 100).toFixed(2))}%`;
  const errors = otherErrors + healthReverts;
  const reverted = `${healthReverts} reverted by health signals`;
  const erred = `${errors} ${errors === 1 ? "device" : "devices"} of ${name} erred (${reverted})`;
  switch (rule) {
    case HaltRule.errorCount:
      return `${erred}; of ${devices}, ${allowed} may.`;
    case HaltRule.errorRate:
      return `${erred} among the first ${answered} that answered: too many to be ${share} of all.`;
    case HaltRule.healthRate:
      return `${erred} so early in the health watch that more than ${share} are to be expected.`;
  }
}
