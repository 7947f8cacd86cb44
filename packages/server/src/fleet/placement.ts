/** Which rollouts a device is in, and how far. */
import { DeviceUpdateState, RolloutState } from "@suture/contract";
import type { DeviceRollout } from "../domain/assignment.ts";
import { placeOf } from "../domain/rings.ts";
import type { Placement } from "../store/rollout-devices.ts";
import type { SettlingDevice } from "../store/settling.ts";
import type { World } from "./world.ts";

/** Rollouts in these states take no devices any more. */
const CLOSED: ReadonlySet<RolloutState> = new Set([
  RolloutState.stopped,
  RolloutState.reverting,
  RolloutState.reverted,
]);

const S = DeviceUpdateState;

/** What is to be changed: new places, and places that nothing on the device needs any longer. */
export function placementsOf(
  device: SettlingDevice,
  groupIds: ReadonlySet<string>,
  world: World,
): Placement[] {
  const member = {
    ...(device.ring_id !== null && { ringId: device.ring_id }),
    groupIds,
    components: device.components,
  };
  const placements: Placement[] = [];
  for (const { id, rollout, groupIds: onlyOf } of world.rollouts.values()) {
    const update = world.catalog.byTarget.get(rollout.target);
    if (update === undefined || CLOSED.has(rollout.state)) continue;
    const { groups } = rollout;
    const place = placeOf(member, { groups, groupIds: onlyOf, update, index: world.catalog });
    const kept = device.rollouts.find(({ rollout_id }) => rollout_id === id);
    const entry = { rollout_id: id, device_id: device.id };
    if ("outside" in place) {
      const isIdle = kept?.state === S.waiting || kept?.state === S.offered;
      if (kept !== undefined && isIdle) {
        placements.push({ ...entry, ring_id: kept.ring_id, state: S.notApplicable });
      }
      continue;
    }
    const ringId = rollout.groups[place.group]?.ringId ?? "";
    if (kept === undefined || kept.state === S.notApplicable) {
      placements.push({ ...entry, ring_id: ringId, state: S.waiting });
    }
  }
  return placements;
}

/** The rollouts that the device is in, as the domain sees them. */
export function rolloutsOf(
  device: SettlingDevice,
  placements: readonly Placement[],
  world: World,
): (DeviceRollout & { readonly detail?: string })[] {
  const places = new Map(
    device.rollouts.map(({ rollout_id, ring_id, state, detail }) => [
      rollout_id,
      { ring_id, state, detail },
    ]),
  );
  for (const { rollout_id, ring_id, state } of placements) {
    places.set(rollout_id, { ring_id, state, detail: null });
  }
  return [...places].flatMap(([id, { ring_id, state, detail }]) => {
    const known = world.rollouts.get(id);
    if (known === undefined) return [];
    const group = known.rollout.groups.findIndex(({ ringId }) => ringId === ring_id);
    const update = world.catalog.byTarget.get(known.rollout.target);
    return [
      {
        rollout: known.rollout,
        group,
        state,
        ...(update && { update }),
        ...(detail !== null && { detail }),
      },
    ];
  });
}
