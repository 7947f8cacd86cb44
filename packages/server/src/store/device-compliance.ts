/** Compliance of devices, written for many at once. */
import type { ComplianceState, ComponentCompliance } from "@suture/contract";
import { sql } from "kysely";
import type { Tx } from "./store.ts";

export interface ComplianceRow {
  readonly id: string;
  readonly compliance: ComplianceState;
  readonly compliance_rank: number;
  readonly reason: string | null;
  readonly open_cves: readonly string[];
  /** Only where they differ. */
  readonly components?: readonly ComponentCompliance[];
  readonly updates: readonly UpdateChange[];
  readonly cves: readonly CveChange[];
}

export interface UpdateChange {
  readonly device_id: string;
  readonly target: string;
  readonly concerned: boolean;
  readonly protected: boolean;
}

export interface CveChange {
  readonly device_id: string;
  readonly cve: string;
  readonly exposed_at: string | null;
  /** null: it is open. */
  readonly protected_at: string | null;
  readonly is_gone: boolean;
}

export async function keepCompliance(tx: Tx, rows: readonly ComplianceRow[]): Promise<void> {
  if (rows.length === 0) return;
  const summaries = rows.map(({ id, compliance, compliance_rank, reason, open_cves }) => ({
    ...{ id, compliance, compliance_rank, reason, open_cves },
  }));
  await sql`
    update devices d set compliance = r.compliance, compliance_rank = r.compliance_rank,
      reason = r.reason, open_cves = r.open_cves
    from jsonb_to_recordset(${JSON.stringify(summaries)}::jsonb) as r (id uuid, compliance text,
      compliance_rank int, reason text, open_cves text[])
    where d.id = r.id and (d.compliance, d.reason, d.open_cves)
      is distinct from (r.compliance, r.reason, r.open_cves)`.execute(tx);
  const components = rows.flatMap((row) =>
    row.components === undefined ? [] : [{ id: row.id, components: row.components }],
  );
  if (components.length > 0) {
    await sql`
      update device_facts f set components = r.components
      from jsonb_to_recordset(${JSON.stringify(components)}::jsonb) as r (id uuid,
        components jsonb) where f.device_id = r.id`.execute(tx);
  }
  await keepUpdates(
    tx,
    rows.flatMap(({ updates }) => updates),
  );
  await keepCves(
    tx,
    rows.flatMap(({ cves }) => cves),
  );
}

async function keepUpdates(tx: Tx, changes: readonly UpdateChange[]): Promise<void> {
  if (changes.length === 0) return;
  await sql`
    insert into device_updates (device_id, target, concerned, protected, at)
    select device_id, target, concerned, protected, now()
    from jsonb_to_recordset(${JSON.stringify(changes)}::jsonb) as r (device_id uuid, target text,
      concerned boolean, protected boolean)
    on conflict (device_id, target) do update
      set concerned = excluded.concerned, protected = excluded.protected`.execute(tx);
}

/** A CVE that opens again (a hotpatch was reverted) keeps the moment it was first open. */
async function keepCves(tx: Tx, changes: readonly CveChange[]): Promise<void> {
  const gone = changes.filter(({ is_gone }) => is_gone);
  const kept = changes.filter(({ is_gone }) => !is_gone);
  if (gone.length > 0) {
    await sql`
      delete from device_cves e
      using jsonb_to_recordset(${JSON.stringify(gone)}::jsonb) as r (device_id uuid, cve text)
      where e.device_id = r.device_id and e.cve = r.cve`.execute(tx);
  }
  if (kept.length === 0) return;
  await sql`
    insert into device_cves (device_id, cve, exposed_at, protected_at)
    select device_id, cve, exposed_at, protected_at
    from jsonb_to_recordset(${JSON.stringify(kept)}::jsonb) as r (device_id uuid, cve text,
      exposed_at timestamptz, protected_at timestamptz)
    on conflict (device_id, cve) do update set protected_at = excluded.protected_at`.execute(tx);
}
