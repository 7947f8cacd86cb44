/**
 * Deployment rings: Test, Ring 1 to N, Last; their days, and which device is in which.
 *
 * A device is in one ring or in none, as a person or its enrolment token said; in none it is
 * offered nothing. The defaults (RINGS_DEFAULT of the contract) are those of Windows Autopatch
 * groups for quality updates: deferral, deadline and grace of 0/0/0, 1/2/2, 5/2/2, 9/5/2 and
 * 10/3/2 days.
 */
import { type Ring, type RingDraft, RingKind } from "@suture/contract";
import {
  type CatalogIndex,
  type CatalogUpdate,
  concerns,
  isSuperseded,
  type RunningComponent,
} from "./quality-updates.ts";
import { type Refusal, refuse } from "./refusal.ts";
import type { RolloutGroupPlan } from "./rollout-state.ts";

/** In the order in which rollouts go through them. */
export const orderRings = <R extends RingDraft>(rings: readonly R[]): R[] =>
  [...rings].sort((a, b) => a.order - b.order);

/**
 * Whether these may be all rings together: names and places distinct, one Test ring at most and in
 * front, one Last ring at most and at the end. Refuses with `conflict`.
 */
export function checkRings(rings: readonly RingDraft[]): Refusal | undefined {
  const ordered = orderRings(rings);
  const names = ordered.map(({ name }) => name.toLowerCase());
  const name = ordered.find((_, at) => names.indexOf(names[at] ?? "") !== at)?.name;
  if (name !== undefined) return refuse("conflict", `two rings are called ${name}`, "rename one");
  const clash = ordered.find((ring, at) => ring.order === ordered[at - 1]?.order);
  if (clash !== undefined) {
    return refuse("conflict", `${clash.name} and another ring have the place ${clash.order}`);
  }
  return checkEnd(ordered, RingKind.test, 0) ?? checkEnd(ordered, RingKind.last, -1);
}

function checkEnd(ordered: readonly RingDraft[], kind: RingKind, at: 0 | -1): Refusal | undefined {
  const misplaced = ordered.find((ring) => ring.kind === kind && ring !== ordered.at(at));
  if (misplaced === undefined) return undefined;
  const place = at === 0 ? "before all others" : "after all others";
  const detail = `the ${kind} ring ${misplaced.name} must be the only one, and ${place}`;
  return refuse("conflict", detail, "change its place or its kind");
}

/**
 * The groups of a rollout through these rings; all rings, where `ringIds` is empty. Always in the
 * order of the rings. Refuses with `conflict` where there is none, or an unknown one.
 */
export function groupsOfRings(
  rings: readonly Ring[],
  ringIds: readonly string[],
): RolloutGroupPlan[] | Refusal {
  const unknown = ringIds.find((id) => !rings.some((ring) => ring.id === id));
  if (unknown !== undefined) return refuse("conflict", `there is no ring ${unknown}`);
  const chosen = orderRings(rings).filter(({ id }) => ringIds.length === 0 || ringIds.includes(id));
  if (chosen.length === 0) return refuse("conflict", "there is no ring", "make a ring first");
  return chosen.map(({ id, name, deferralDays, deadlineDays, graceDays }) => ({
    ringId: id,
    name,
    deferralDays,
    deadlineDays,
    graceDays,
  }));
}

export interface RingMember {
  readonly ringId?: string;
  /** Groups (fixed and dynamic) that it is in. */
  readonly groupIds: ReadonlySet<string>;
  readonly components: readonly RunningComponent[];
}

export interface RolloutReach {
  readonly groups: readonly RolloutGroupPlan[];
  /** Only devices of these groups; all, where there are none. */
  readonly groupIds: readonly string[];
  readonly update: CatalogUpdate;
  readonly index: CatalogIndex;
}

/** The place of the rollout's group that the device belongs to, or why it belongs to none. */
export function placeOf(
  device: RingMember,
  { groups, groupIds, update, index }: RolloutReach,
): { readonly group: number } | { readonly outside: string } {
  if (device.ringId === undefined) return { outside: "The device is in no ring." };
  const group = groups.findIndex(({ ringId }) => ringId === device.ringId);
  if (group < 0) return { outside: "The rollout does not go through the device's ring." };
  if (groupIds.length > 0 && !groupIds.some((id) => device.groupIds.has(id))) {
    return { outside: "The device is in none of the rollout's groups." };
  }
  if (!concerns(index, update, device.components)) {
    return { outside: "Nothing that runs on the device needs the update." };
  }
  if (isSuperseded(index, update, device.components)) {
    return { outside: "The device has a newer hotpatch." };
  }
  return { group };
}
