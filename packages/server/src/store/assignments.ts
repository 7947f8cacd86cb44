/** Assignments as they were signed. */
import type { SignedAssignment } from "@suture/contract";
import { sql } from "kysely";
import type { Database, Tx } from "./store.ts";

/** The newest assignments of these devices. */
export async function documentsOf(
  database: Database,
  ids: readonly string[],
): Promise<ReadonlyMap<string, SignedAssignment>> {
  if (ids.length === 0) return new Map();
  const rows = await database
    .selectFrom("assignments")
    .select(["device_id", "document", "signature"])
    .where("device_id", "in", ids)
    .execute();
  return new Map(
    rows.map(({ device_id, document, signature }) => [device_id, { document, signature }]),
  );
}

export interface KeptAssignment {
  readonly device_id: string;
  readonly serial: number;
  readonly document: string;
  readonly signature: string;
  readonly content: string;
  readonly fleet_generation: number;
  readonly device_generation: number;
  readonly issued_at: string;
  readonly expires_at: string;
}

/** Keeps them in place of those before. */
export async function keepAssignments(tx: Tx, rows: readonly KeptAssignment[]): Promise<void> {
  if (rows.length === 0) return;
  await sql`
    insert into assignments (device_id, serial, document, signature, content, fleet_generation,
      device_generation, issued_at, expires_at)
    select * from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as r (device_id uuid,
      serial int8, document text, signature text, content text, fleet_generation int8,
      device_generation int8, issued_at timestamptz, expires_at timestamptz)
    on conflict (device_id) do update set serial = excluded.serial, document = excluded.document,
      signature = excluded.signature, content = excluded.content,
      fleet_generation = excluded.fleet_generation,
      device_generation = excluded.device_generation, issued_at = excluded.issued_at,
      expires_at = excluded.expires_at`.execute(tx);
}

/** Notes that these still say what they must, by what the fleet and the devices are now. */
export async function confirmAssignments(
  tx: Tx,
  ids: readonly string[],
  fleetGeneration: number,
): Promise<void> {
  if (ids.length === 0) return;
  await sql`
    update assignments a
    set fleet_generation = ${fleetGeneration}, device_generation = c.generation
    from device_contacts c where c.device_id = a.device_id and a.device_id = any(${ids}::uuid[])`.execute(
    tx,
  );
}
