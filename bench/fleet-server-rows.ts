/** A hundred thousand devices as rows: what lists and reports have to be quick with. */
import type { Store } from "@suture/server";
import { sql } from "kysely";

/** In one statement a table; a device in five lacks the hotpatch, one in twenty is not ready. */
export async function fillDevices(store: Store, total: number, target: string): Promise<number> {
  const database = store.database;
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from devices`.execute(database);
  const missing = total - (rows[0]?.count ?? 0);
  if (missing <= 0) return 0;
  await sql`
    insert into devices (id, hostname, system, public_key, enrolled_at, ring_id, tags, readiness,
      compliance, compliance_rank, open_cves, build_ids)
    select gen_random_uuid(), 'host-' || lpad(n::text, 6, '0') || '.example',
      'Debian GNU/Linux 12 (bookworm)', 'row-' || n, now(),
      (array(select id from rings order by position))[1 + n % (select count(*)::int from rings)],
      array['site:' || n % 20, 'row'],
      case when n % 20 = 0 then 'not-ready' else 'ready' end,
      case when n % 20 = 0 then 'not-ready' when n % 5 = 0 then 'not-up-to-date'
        else 'up-to-date-hotpatched' end,
      case when n % 20 = 0 then 1 when n % 5 = 0 then 0 else 6 end,
      case when n % 5 = 0 then array['CVE-2026-1001'] else '{}' end,
      array['0000000000000000000000000000000000000000']
    from generate_series(1, ${missing}::int) n`.execute(database);
  await sql`
    insert into device_facts (device_id, serial, kernel, processor, agent_version, components)
    select id, 1, '6.1.0-40-amd64', 'x86-64', '0.1.0',
      '[{"file":"/usr/bin/program-0","buildId":"0000000000000000000000000000000000000000",
         "processes":1,"outdatedProcesses":0,"hotpatchedProcesses":1}]'::jsonb
    from devices where public_key like 'row-%'`.execute(database);
  await sql`
    insert into device_contacts (device_id, last_seen_at, connected_until)
    select id, now(), now() + interval '1 hour' from devices
    where public_key like 'row-%'`.execute(database);
  await sql`
    insert into device_updates (device_id, target, state, at, concerned, protected)
    select id, ${target}, case when compliance_rank = 6 then 'succeeded' else 'waiting' end,
      now(), true, compliance_rank = 6
    from devices where public_key like 'row-%'`.execute(database);
  await sql`
    insert into device_cves (device_id, cve, exposed_at, protected_at)
    select id, 'CVE-2026-1001', now() - interval '2 days',
      case when compliance_rank = 6 then now() - random() * interval '40 hours' end
    from devices where public_key like 'row-%'`.execute(database);
  await sql`analyze`.execute(database);
  return missing;
}
