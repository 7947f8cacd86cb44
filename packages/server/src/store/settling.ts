/** What is loaded of devices to settle them (fleet/settle.ts). */
import type {
  ComponentCompliance,
  ComponentFacts,
  DeviceUpdateState,
  Readiness,
  ReadinessFinding,
} from "@suture/contract";
import { sql } from "kysely";
import type { Tx } from "./store.ts";

export interface SettlingDevice {
  readonly id: string;
  readonly hostname: string;
  readonly system: string;
  readonly ring_id: string | null;
  readonly tags: readonly string[];
  readonly readiness: Readiness;
  readonly build_ids: readonly string[];
  readonly packages: readonly string[];
  readonly compliance: string;
  readonly reason: string | null;
  readonly open_cves: readonly string[];
  readonly serial: number;
  readonly event_serial: number;
  readonly findings: readonly ReadinessFinding[];
  /** With what was found of them when the device was settled before; new ones without. */
  readonly components: readonly KnownComponent[];
  readonly generation: number;
  /** Of the assignment that the device has, as it says. */
  readonly told_serial: number;
  readonly assignment_serial: number | null;
  readonly content: string | null;
  readonly expires_at: Date | null;
  /** All groups, fixed and dynamic. */
  readonly group_ids: readonly string[];
  readonly rollouts: readonly RolloutPlace[];
  readonly updates: readonly { readonly target: string; readonly protected: boolean }[];
  readonly cves: readonly { readonly cve: string; readonly is_open: boolean }[];
}

export type KnownComponent = ComponentFacts &
  Partial<Pick<ComponentCompliance, "compliance" | "reason" | "openCves" | "fixedCves">>;

export interface RolloutPlace {
  readonly rollout_id: string;
  readonly ring_id: string;
  readonly state: DeviceUpdateState;
  readonly detail: string | null;
}

/** Locks the devices' contacts, in the order of the ids, and loads. */
export async function loadSettling(tx: Tx, ids: readonly string[]): Promise<SettlingDevice[]> {
  if (ids.length === 0) return [];
  await sql`
    select 1 from device_contacts where device_id = any(${ids}::uuid[])
    order by device_id for update`.execute(tx);
  const { rows } = await sql<SettlingDevice>`
    select d.id, d.hostname, d.system, d.ring_id, d.tags, d.readiness, d.build_ids, d.packages,
      d.compliance, d.reason, d.open_cves, f.serial, f.event_serial, f.findings, f.components,
      c.generation, c.assignment_serial as told_serial, a.serial as assignment_serial, a.content,
      a.expires_at,
      coalesce((select jsonb_agg(g.group_id) from group_devices g where g.device_id = d.id),
        '[]') as group_ids,
      coalesce((select jsonb_agg(jsonb_build_object('rollout_id', x.rollout_id,
          'ring_id', x.ring_id, 'state', x.state, 'detail', x.detail))
        from rollout_devices x where x.device_id = d.id), '[]') as rollouts,
      coalesce((select jsonb_agg(jsonb_build_object('target', u.target, 'protected', u.protected))
        from device_updates u where u.device_id = d.id and u.concerned), '[]') as updates,
      coalesce((select jsonb_agg(jsonb_build_object('cve', e.cve,
          'is_open', e.protected_at is null))
        from device_cves e where e.device_id = d.id), '[]') as cves
    from devices d join device_facts f on f.device_id = d.id
      join device_contacts c on c.device_id = d.id
      left join assignments a on a.device_id = d.id
    where d.id = any(${ids}::uuid[]) order by d.id`.execute(tx);
  return rows;
}

export interface StaleSearch {
  /** Ids behind this one; `NO_ID` for all. */
  readonly after: string;
  readonly limit: number;
}

/** Before every id. */
export const NO_ID = "00000000-0000-0000-0000-000000000000";

/** Devices that were settled for an older generation, unless another server is at them. */
export async function staleDevices(tx: Tx, { after, limit }: StaleSearch): Promise<string[]> {
  const { rows } = await sql<{ device_id: string }>`
    select c.device_id from device_contacts c cross join fleet
      left join assignments a on a.device_id = c.device_id
    where c.device_id > ${after}::uuid and (a.device_id is null
      or a.fleet_generation <> fleet.generation or a.device_generation <> c.generation)
    order by c.device_id limit ${limit} for update of c skip locked`.execute(tx);
  return rows.map(({ device_id }) => device_id);
}
