/** The list of devices, and one device. */
import { RequestError } from "../errors.ts";
import { signalDevices, signalSettle } from "../fleet/signals.ts";
import type { Services } from "../services.ts";
import { listDevices } from "../store/device-list.ts";
import { eventsOf, loadDevice } from "../store/device-page.ts";
import { touchDevices } from "../store/devices.ts";
import { isReferenceViolation } from "../store/violations.ts";
import { change } from "./change.ts";
import type { HandlersOf } from "./handler.ts";

type Names = "devices" | "device" | "deviceEvents" | "changeDevice" | "removeDevice";

export function deviceHandlers(services: Services): HandlersOf<Names> {
  const { parts, store } = services;
  const { now } = parts;
  return {
    devices: async ({ query }) => await listDevices(store.database, query, now()),
    device: async ({ params }) => await loadDevice(store.database, params.id, now()),
    deviceEvents: async ({ params, query }) => await eventsOf(store.database, params.id, query),
    async changeDevice({ params: { id }, body }, who) {
      try {
        await change(services, who, async (work) => {
          const row = await work.tx
            .updateTable("devices")
            .set((set) => ({
              tags: body.tags ? [...body.tags].sort() : set.ref("tags"),
              ring_id: body.ringId === undefined ? set.ref("ring_id") : body.ringId,
            }))
            .where("id", "=", id)
            .returning("hostname")
            .executeTakeFirst();
          if (row === undefined) throw new RequestError("not-found", `no device ${id}`);
          await touchDevices(work.tx, [id]);
          signalDevices(work, [id]);
          signalSettle(work);
          return {
            value: undefined,
            action: "device.change",
            object: `device ${id}`,
            detail: { hostname: row.hostname, ...body },
            lists: ["devices", "groups", "rings"],
          };
        });
      } catch (error) {
        if (!isReferenceViolation(error)) throw error;
        throw new RequestError("conflict", `there is no ring ${body.ringId}`);
      }
      return await loadDevice(store.database, id, now());
    },
    async removeDevice({ params: { id } }, who) {
      await change(services, who, async (work) => {
        const row = await work.tx
          .deleteFrom("devices")
          .where("id", "=", id)
          .returning("hostname")
          .executeTakeFirst();
        if (row === undefined) throw new RequestError("not-found", `no device ${id}`);
        signalDevices(work, [id]);
        return {
          value: undefined,
          action: "device.remove",
          object: `device ${id}`,
          detail: { hostname: row.hostname },
          lists: ["devices", "groups", "rings", "overview"],
        };
      });
    },
  };
}
