/** Devices in groups. */
import { sql } from "kysely";
import type { Tx } from "./store.ts";

export interface MemberChange {
  readonly group_id: string;
  readonly device_id: string;
  readonly is_in: boolean;
}

/** Devices that came into dynamic groups, and that left them. */
export async function changeMembers(tx: Tx, changes: readonly MemberChange[]): Promise<void> {
  if (changes.length === 0) return;
  const document = JSON.stringify(changes);
  await sql`
    insert into group_devices (group_id, device_id)
    select r.group_id, r.device_id
    from jsonb_to_recordset(${document}::jsonb) as r (group_id uuid, device_id uuid,
      is_in boolean) join groups g on g.id = r.group_id
    where r.is_in on conflict do nothing`.execute(tx);
  await sql`
    delete from group_devices m
    using jsonb_to_recordset(${document}::jsonb) as r (group_id uuid, device_id uuid,
      is_in boolean)
    where not r.is_in and m.group_id = r.group_id and m.device_id = r.device_id`.execute(tx);
}
