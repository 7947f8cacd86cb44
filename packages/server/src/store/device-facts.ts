/** What devices told of themselves, written for many devices at once. */
import type { ComponentFacts, DeviceEvent, DeviceFacts, TargetProgress } from "@suture/contract";
import { sql } from "kysely";
import { EVENTS_KEPT } from "../limits.ts";
import type { Tx } from "./store.ts";

export interface KeptFacts {
  readonly id: string;
  readonly serial: number;
  readonly hostname: string;
  readonly system: string;
  readonly kernel: string;
  readonly processor: string;
  readonly agent_version: string;
  readonly readiness: DeviceFacts["readiness"];
  readonly findings: DeviceFacts["findings"];
  readonly components: readonly ComponentFacts[];
  readonly build_ids: readonly string[];
  readonly packages: readonly string[];
}

/** In place of what was known. */
export async function keepFacts(tx: Tx, rows: readonly KeptFacts[]): Promise<void> {
  if (rows.length === 0) return;
  const document = JSON.stringify(rows);
  await sql`
    update devices d set hostname = r.hostname, system = r.system, readiness = r.readiness,
      build_ids = r.build_ids, packages = r.packages
    from jsonb_to_recordset(${document}::jsonb) as r (id uuid, hostname text, system text,
      readiness text, build_ids text[], packages text[])
    where d.id = r.id and (d.hostname, d.system, d.readiness, d.build_ids, d.packages)
      is distinct from (r.hostname, r.system, r.readiness, r.build_ids, r.packages)`.execute(tx);
  await sql`
    update device_facts f set serial = r.serial, kernel = r.kernel, processor = r.processor,
      agent_version = r.agent_version, findings = r.findings, components = r.components
    from jsonb_to_recordset(${document}::jsonb) as r (id uuid, serial int8, kernel text,
      processor text, agent_version text, findings jsonb, components jsonb)
    where f.device_id = r.id`.execute(tx);
}

/** Events that are known already are left out; the newest serial is noted, old ones go. */
export async function insertEvents(
  tx: Tx,
  events: readonly (DeviceEvent & { readonly device_id: string })[],
): Promise<void> {
  if (events.length === 0) return;
  const document = JSON.stringify(events);
  await sql`
    insert into device_events (device_id, serial, at, kind, target, code, detail)
    select device_id, serial, at, kind, target, code, detail
    from jsonb_to_recordset(${document}::jsonb) as r (device_id uuid, serial int8, at timestamptz,
      kind text, target text, code text, detail text)
    on conflict do nothing`.execute(tx);
  await sql`
    update device_facts f set event_serial = r.serial
    from (select device_id, max(serial) as serial
      from jsonb_to_recordset(${document}::jsonb) as e (device_id uuid, serial int8)
      group by device_id) r
    where f.device_id = r.device_id and f.event_serial < r.serial`.execute(tx);
  const ids = [...new Set(events.map(({ device_id }) => device_id))];
  await sql`
    delete from device_events e using device_facts f
    where f.device_id = any(${ids}::uuid[]) and e.device_id = f.device_id
      and e.serial <= f.event_serial - ${EVENTS_KEPT}`.execute(tx);
}

/**
 * How far devices are with targets, also in their rollouts. Gives the targets that moved. What is
 * told of targets that nobody knows is not kept: it would be a device's way to fill the disk.
 */
export async function keepProgress(
  tx: Tx,
  progress: readonly (TargetProgress & { readonly device_id: string })[],
  now: Date,
): Promise<ReadonlySet<string>> {
  if (progress.length === 0) return new Set();
  // The last word of a device on a target counts; one statement may not touch a row twice.
  const last = new Map(progress.map((entry) => [`${entry.device_id} ${entry.target}`, entry]));
  const document = JSON.stringify([...last.values()]);
  await sql`
    insert into device_updates (device_id, target, state, code, detail, signal,
      pause_microseconds, processes, at)
    select * from jsonb_to_recordset(${document}::jsonb) as r (device_id uuid, target text,
      state text, code text, detail text, signal text, "pauseMicroseconds" float8, processes int,
      at timestamptz)
    where exists (select 1 from updates u where u.target = r.target)
      or exists (select 1 from rollouts o where o.target = r.target)
    on conflict (device_id, target) do update set state = excluded.state, code = excluded.code,
      detail = excluded.detail, signal = excluded.signal,
      pause_microseconds = excluded.pause_microseconds, processes = excluded.processes,
      at = excluded.at`.execute(tx);
  const { rows } = await sql<{ target: string }>`
    update rollout_devices x set state = r.state, code = r.code, detail = r.detail,
      signal = coalesce(r.signal, x.signal), at = ${now}::timestamptz
    from jsonb_to_recordset(${document}::jsonb) as r (device_id uuid, target text, state text,
      code text, detail text, signal text) join rollouts o on o.target = r.target
    where x.rollout_id = o.id and x.device_id = r.device_id
      and (x.state, x.code, x.detail) is distinct from (r.state, r.code, r.detail)
    returning o.target`.execute(tx);
  return new Set(rows.map(({ target }) => target));
}
