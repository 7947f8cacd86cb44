/** Devices in rollouts. */
import type { ComponentFacts, DeviceUpdateState } from "@suture/contract";
import { sql } from "kysely";
import type { Tx } from "./store.ts";

export interface Placement {
  readonly rollout_id: string;
  readonly device_id: string;
  readonly ring_id: string;
  readonly state: DeviceUpdateState;
}

/** New places, and places that changed by themselves; the attempt begins anew. */
export async function placeDevices(
  tx: Tx,
  placements: readonly Placement[],
  now: Date,
): Promise<void> {
  if (placements.length === 0) return;
  await sql`
    insert into rollout_devices (rollout_id, device_id, ring_id, state, at)
    select rollout_id, device_id, ring_id, state, ${now}::timestamptz
    from jsonb_to_recordset(${JSON.stringify(placements)}::jsonb) as r (rollout_id uuid,
      device_id uuid, ring_id uuid, state text)
    on conflict (rollout_id, device_id) do update set state = excluded.state,
      ring_id = excluded.ring_id, at = excluded.at, attempt = 0, code = null,
      detail = null`.execute(tx);
}

export interface Search {
  readonly ringIds: readonly string[];
  /** With one of these Build-IDs … */
  readonly buildIds?: readonly string[];
  /** … or packages. */
  readonly packages?: readonly string[];
}

export interface Candidate {
  readonly id: string;
  readonly ringId: string;
  readonly groupIds: readonly string[];
  readonly components: readonly ComponentFacts[];
}

const pageSize = 2000;

/** Devices of these rings that may need an update, in pages. */
export async function* candidatesOf(tx: Tx, search: Search): AsyncGenerator<readonly Candidate[]> {
  const { ringIds, buildIds = [], packages = [] } = search;
  let after = "00000000-0000-0000-0000-000000000000";
  for (;;) {
    const { rows } = await sql<Candidate>`
      select d.id, d.ring_id as "ringId", f.components,
        coalesce((select jsonb_agg(g.group_id) from group_devices g where g.device_id = d.id),
          '[]') as "groupIds"
      from devices d join device_facts f on f.device_id = d.id
      where d.id > ${after}::uuid and d.ring_id = any(${ringIds}::uuid[])
        and (d.build_ids && ${buildIds}::text[] or d.packages && ${packages}::text[])
      order by d.id limit ${pageSize}`.execute(tx);
    if (rows.length > 0) yield rows;
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSize) return;
    after = last.id;
  }
}
