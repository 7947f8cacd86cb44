/** Deployment rings. */
import type { Ring, RingDraft } from "@suture/contract";
import { sql } from "kysely";
import { checkRings } from "../domain/rings.ts";
import { RequestError } from "../errors.ts";
import { newId } from "../secrets.ts";
import type { Services } from "../services.ts";
import { isRolloutThrough } from "../store/rollouts.ts";
import type { Database } from "../store/store.ts";
import { isReferenceViolation } from "../store/violations.ts";
import { change } from "./change.ts";
import type { HandlersOf } from "./handler.ts";
import { found, refuseIf } from "./refusals.ts";

export function ringHandlers(
  services: Services,
): HandlersOf<"rings" | "createRing" | "changeRing" | "removeRing"> {
  const { parts, store } = services;
  return {
    rings: async () => await loadRings(store.database),
    async createRing({ body }, who) {
      return await change(services, who, async ({ tx }) => {
        const others = await loadRings(tx, { lock: true });
        refuseIf(checkRings([...others, body]));
        const id = newId(parts.random);
        await tx
          .insertInto("rings")
          .values({ id, ...columnsOf(body) })
          .execute();
        return {
          value: { id, ...body, devices: 0 },
          action: "ring.create",
          object: `ring ${id}`,
          detail: body,
          lists: ["rings"],
        };
      });
    },
    async changeRing({ params: { id }, body }, who) {
      return await change(services, who, async ({ tx }) => {
        const rings = await loadRings(tx, { lock: true });
        const before = found(
          rings.find((ring) => ring.id === id),
          `ring ${id}`,
        );
        refuseIf(checkRings([...rings.filter((ring) => ring.id !== id), body]));
        await tx.updateTable("rings").set(columnsOf(body)).where("id", "=", id).execute();
        return {
          value: { id, ...body, devices: before.devices },
          action: "ring.change",
          object: `ring ${id}`,
          detail: { before, after: body },
          lists: ["rings", "devices"],
        };
      });
    },
    async removeRing({ params: { id } }, who) {
      try {
        await change(services, who, async ({ tx }) => {
          if (await isRolloutThrough(tx, { ringId: id })) {
            throw new RequestError("in-use", "a rollout goes through this ring");
          }
          const row = await tx
            .deleteFrom("rings")
            .where("id", "=", id)
            .returning("name")
            .executeTakeFirst();
          return {
            value: undefined,
            action: "ring.remove",
            object: `ring ${id}`,
            detail: found(row, `ring ${id}`),
            lists: ["rings"],
          };
        });
      } catch (error) {
        if (!isReferenceViolation(error)) throw error;
        throw new RequestError("in-use", "devices or enrolment tokens are in this ring");
      }
    },
  };
}

const columnsOf = (draft: RingDraft) => ({
  name: draft.name,
  kind: draft.kind,
  position: draft.order,
  deferral_days: draft.deferralDays,
  deadline_days: draft.deadlineDays,
  grace_days: draft.graceDays,
});

/** In their order. */
export async function loadRings(
  database: Database,
  { lock = false }: { readonly lock?: boolean } = {},
): Promise<Ring[]> {
  // One change of rings at a time: whether they fit together is a matter of all of them.
  if (lock) await sql`lock table rings in share row exclusive mode`.execute(database);
  const { rows } = await sql<{
    id: string;
    name: string;
    kind: Ring["kind"];
    position: number;
    deferral_days: number;
    deadline_days: number;
    grace_days: number;
    devices: number;
  }>`
    select r.*, coalesce(d.devices, 0)::int as devices
    from rings r left join (
      select ring_id, count(*) as devices from devices group by ring_id) d on d.ring_id = r.id
    order by r.position, r.name`.execute(database);
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    kind: row.kind,
    order: row.position,
    deferralDays: row.deferral_days,
    deadlineDays: row.deadline_days,
    graceDays: row.grace_days,
    devices: row.devices,
  }));
}
