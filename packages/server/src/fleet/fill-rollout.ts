/** Finds the devices of a new rollout. */
import { DeviceUpdateState } from "@suture/contract";
import { type CatalogUpdate, isHotpatch } from "../domain/quality-updates.ts";
import { placeOf } from "../domain/rings.ts";
import type { Rollout } from "../domain/rollout-state.ts";
import { touchDevices } from "../store/devices.ts";
import { candidatesOf, placeDevices } from "../store/rollout-devices.ts";
import type { Work } from "../store/store.ts";
import { signalSettle } from "./signals.ts";
import type { World } from "./world.ts";

export interface FillRequest {
  readonly id: string;
  readonly rollout: Rollout;
  readonly groupIds: readonly string[];
  readonly update: CatalogUpdate;
  readonly world: World;
  readonly now: Date;
}

/** Puts every device into it that needs the update. Those that come later come when they settle. */
export async function fillRollout(work: Work, request: FillRequest): Promise<void> {
  const { id, rollout, groupIds, update, world, now } = request;
  const reach = { groups: rollout.groups, groupIds, update, index: world.catalog };
  const search = {
    ringIds: rollout.groups.map(({ ringId }) => ringId),
    ...(isHotpatch(update)
      ? { buildIds: update.components.map(({ buildId }) => buildId) }
      : { packages: update.components.flatMap((component) => component.package ?? []) }),
  };
  for await (const page of candidatesOf(work.tx, search)) {
    const placements = page.flatMap((device) => {
      const member = { ...device, groupIds: new Set(device.groupIds) };
      const place = placeOf(member, reach);
      if ("outside" in place) return [];
      const state = DeviceUpdateState.waiting;
      return [{ rollout_id: id, device_id: device.id, ring_id: device.ringId, state }];
    });
    await placeDevices(work.tx, placements, now);
    await touchDevices(
      work.tx,
      placements.map(({ device_id }) => device_id),
    );
  }
  signalSettle(work);
}
