/** Groups, with how many devices they have. */
import type { Group, Scope } from "@suture/contract";
import { sql } from "kysely";
import { matchesScope } from "../domain/scope.ts";
import type { Database, Tx } from "./store.ts";

interface GroupRow {
  readonly id: string;
  readonly name: string;
  readonly description: string | null;
  readonly scope: Scope | null;
  readonly changed_at: Date;
  readonly changed_by: string;
  readonly devices: number;
  readonly device_ids: string[] | null;
}

/** All by name, or the one with this id. */
export async function loadGroups(database: Database, id?: string): Promise<Group[]> {
  const { rows } = await sql<GroupRow>`
    select g.*, coalesce(m.devices, 0)::int as devices, m.device_ids
    from groups g left join lateral (
      select count(*) as devices,
        case when g.scope is null then jsonb_agg(device_id order by device_id) end as device_ids
      from group_devices where group_id = g.id) m on true
    where ${id === undefined ? sql`true` : sql`g.id = ${id}`} order by g.name`.execute(database);
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    ...(row.description !== null && { description: row.description }),
    ...(row.scope === null ? { deviceIds: row.device_ids ?? [] } : { scope: row.scope }),
    devices: row.devices,
    changedAt: row.changed_at.toISOString(),
    changedBy: row.changed_by,
  }));
}

const pageSize = 5000;

/** One of the two. */
export interface Members {
  readonly deviceIds?: readonly string[] | undefined;
  readonly scope?: Scope | undefined;
}

/** Puts exactly those devices in that the draft says; a dynamic scope is evaluated for all. */
export async function fillGroup(tx: Tx, id: string, { deviceIds, scope }: Members): Promise<void> {
  await tx.deleteFrom("group_devices").where("group_id", "=", id).execute();
  if (scope === undefined) return await addMembers(tx, id, deviceIds ?? []);
  let after = "00000000-0000-0000-0000-000000000000";
  for (;;) {
    const rows = await tx
      .selectFrom("devices")
      .select(["id", "tags", "packages", "build_ids", "readiness", "system", "hostname"])
      .where("id", ">", after)
      .orderBy("id")
      .limit(pageSize)
      .execute();
    const members = rows.filter((row) =>
      matchesScope(scope, {
        tags: new Set(row.tags),
        packages: new Set(row.packages),
        buildIds: new Set(row.build_ids),
        readiness: row.readiness,
        system: row.system,
        hostname: row.hostname,
      }),
    );
    await addMembers(
      tx,
      id,
      members.map((member) => member.id),
    );
    const last = rows.at(-1);
    if (last === undefined || rows.length < pageSize) return;
    after = last.id;
  }
}

async function addMembers(tx: Tx, id: string, deviceIds: readonly string[]): Promise<void> {
  if (deviceIds.length === 0) return;
  await sql`
    insert into group_devices (group_id, device_id)
    select ${id}::uuid, unnest(${deviceIds}::uuid[]) on conflict do nothing`.execute(tx);
}
