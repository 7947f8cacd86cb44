/**
 * What the control plane wants of one device, out of its rollouts and its policy.
 *
 * A target is in `apply` when
 *
 * - its rollout is running or completed, its group has begun, and the device was offered it. That
 *   stays so when the device refused it or a health signal reverted it: the device bars what it
 *   reverted by itself, and its fallback to the traditional update is for what it is assigned.
 * - or its rollout is paused or stopped, and the device has it already: a pause holds back the
 *   next devices, and does not take the protection from a service that is restarted meanwhile. A
 *   halted rollout is another matter: its hotpatch is under suspicion, and goes into no process
 *   more. What is in processes stays there in any case.
 *
 * It is in `revert` when its rollout is being reverted and the device has it or may have it. Of
 * several hotpatches for one Build-ID only the newest is in `apply`, for hotpatches are cumulative;
 * when that is reverted, the one before comes back. A withdrawn update is never in `apply`, nor one
 * that the verified channel does not have.
 *
 * **Deadline.** The contract's deadline ends the waiting for windows, for hotpatches that wait for
 * one and for restarts alike. A restart is to be forced after the grace period only, so the grace
 * period is added, except for a hotpatch that waits for windows and may still be applied. Without
 * maintenance windows the policy says that nothing is restarted by itself; then there is no
 * deadline. Expedited rollouts count 0 days for the deadline, and keep the grace period.
 */
import {
  type AssignedTarget,
  type Assignment,
  DeviceUpdateState,
  LIST_MAX,
  type PolicySettings,
  RolloutState,
} from "@suture/contract";
import { type CatalogUpdate, isHotpatch } from "./quality-updates.ts";
import { HAS_IT } from "./rollout-facts.ts";
import { deadlineOfGroup, type Rollout } from "./rollout-state.ts";

/** The part of an assignment that is decided here; serial, moments and signature come on top. */
export type Wanted = Pick<Assignment, "paused" | "apply" | "revert" | "policy">;

/** The device in one of its rollouts. */
export interface DeviceRollout {
  readonly rollout: Pick<
    Rollout,
    "attempt" | "name" | "target" | "state" | "groups" | "expedite" | "revertReason"
  >;
  /** Place of the device's group. */
  readonly group: number;
  readonly state: DeviceUpdateState;
  /** Absent where the verified channel does not have it. */
  readonly update?: CatalogUpdate;
}

export interface WantedRequest {
  readonly rollouts: readonly DeviceRollout[];
  readonly policy: PolicySettings;
  readonly fleetPaused: boolean;
}

/**
 * What is wanted of a device. The order of the rollouts does not matter, and the same facts give
 * the same value. Beyond 1,000 targets the newest are kept.
 */
export function wantedOf({ rollouts, policy, fleetPaused }: WantedRequest): Wanted {
  const revert = revertsOf(rollouts);
  const reverted = new Set(revert.map(({ target }) => target));
  const offers = rollouts.flatMap((entry): Offer[] => {
    const { update } = entry;
    if (update === undefined || update.withdrawn !== undefined) return [];
    return isWanted(entry) && !reverted.has(update.target) ? [{ ...entry, update }] : [];
  });
  const apply = newestOnly(offers)
    .slice(0, LIST_MAX)
    .map((offer) => assignedTarget(offer, policy))
    .sort(byTarget);
  return { paused: fleetPaused, apply, revert, policy };
}

interface Offer extends DeviceRollout {
  readonly update: CatalogUpdate;
}

const NOT_OFFERED: ReadonlySet<DeviceUpdateState> = new Set([
  DeviceUpdateState.waiting,
  DeviceUpdateState.notApplicable,
]);

function isWanted({ rollout, group, state }: DeviceRollout): boolean {
  if (rollout.groups[group]?.beganAt === undefined) return false;
  switch (rollout.state) {
    case RolloutState.running:
    case RolloutState.completed:
      return !NOT_OFFERED.has(state);
    case RolloutState.paused:
    case RolloutState.stopped:
      return HAS_IT.has(state);
    case RolloutState.draft:
    case RolloutState.waitingForApproval:
    case RolloutState.halted:
    case RolloutState.reverting:
    case RolloutState.reverted:
      return false;
  }
}

function revertsOf(rollouts: readonly DeviceRollout[]): Assignment["revert"] {
  const reverts = new Map<string, string>();
  for (const { rollout, state } of rollouts) {
    const isReverting =
      rollout.state === RolloutState.reverting || rollout.state === RolloutState.reverted;
    const mayHaveIt = HAS_IT.has(state) || state === DeviceUpdateState.offered;
    if (!isReverting || !mayHaveIt) continue;
    const reason = rollout.revertReason ?? `${rollout.name} was reverted`;
    const other = reverts.get(rollout.target);
    if (other === undefined || reason < other) reverts.set(rollout.target, reason);
  }
  return [...reverts]
    .map(([target, reason]) => ({ target, reason }))
    .sort(byTarget)
    .slice(0, LIST_MAX);
}

/** One hotpatch for each Build-ID, one baseline for each product; the newest first. */
function newestOnly(offers: readonly Offer[]): Offer[] {
  const taken = new Set<string>();
  return [...offers].sort(byAge).filter(({ update }) => {
    const keys = supersededKeysOf(update);
    if (keys.every((key) => taken.has(key))) return false;
    for (const key of keys) taken.add(key);
    return true;
  });
}

const supersededKeysOf = (update: CatalogUpdate): string[] =>
  isHotpatch(update)
    ? update.components.map(({ buildId }) => `${update.product} ${buildId}`)
    : [update.product];

/** The newest first; of two rollouts of one update, the one whose group began first. */
function byAge(a: Offer, b: Offer): number {
  const [first, second] = [a, b].map(({ update }) => `${update.released} ${update.baseline}`);
  return (
    compareTexts(second ?? "", first ?? "") ||
    b.update.sequence - a.update.sequence ||
    compareTexts(a.update.target, b.update.target) ||
    (a.rollout.groups[a.group]?.beganAt ?? 0) - (b.rollout.groups[b.group]?.beganAt ?? 0) ||
    compareTexts(a.rollout.name, b.rollout.name)
  );
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const byTarget = (a: { readonly target: string }, b: { readonly target: string }): number =>
  compareTexts(a.target, b.target);

function assignedTarget(offer: Offer, policy: PolicySettings): AssignedTarget {
  const { target, sha256 } = offer.update;
  const { attempt } = offer.rollout;
  const deadline = deadlineOf(offer, policy);
  return {
    ...{ target, sha256 },
    ...(deadline !== undefined && { deadline: new Date(deadline).toISOString() }),
    ...(attempt > 1 && { attempt }),
  };
}

const DAY = 86_400_000;

/** States in which the hotpatch itself may still go into processes. */
const MAY_HOTPATCH: ReadonlySet<DeviceUpdateState> = new Set([
  ...HAS_IT,
  DeviceUpdateState.offered,
]);

function deadlineOf(offer: Offer, policy: PolicySettings): number | undefined {
  const { rollout, state, update } = offer;
  const group = rollout.groups[offer.group];
  if (group === undefined || policy.windows.length === 0) return undefined;
  const deadline = deadlineOfGroup(group, rollout.expedite !== undefined);
  const isHotpatchToCome =
    isHotpatch(update) && policy.hotpatchInWindowOnly && MAY_HOTPATCH.has(state);
  if (deadline === undefined || isHotpatchToCome) return deadline;
  return deadline + group.graceDays * DAY;
}
