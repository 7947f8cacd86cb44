/** Sums over all devices for reports. */
import type { ComplianceState, DeviceUpdateState, ExposureWindow } from "@suture/contract";
import { sql } from "kysely";
import type { Database } from "./store.ts";

/** Devices by compliance state; states without devices are absent. */
export async function complianceSums(
  database: Database,
): Promise<ReadonlyMap<ComplianceState, number>> {
  const { rows } = await sql<{ compliance: ComplianceState; count: number }>`
    select compliance, count(*)::int as count from devices group by compliance`.execute(database);
  return new Map(rows.map(({ compliance, count }) => [compliance, count]));
}

export async function connectedCount(database: Database, now: Date): Promise<number> {
  const { rows } = await sql<{ count: number }>`
    select count(*)::int as count from device_contacts
    where connected_until > ${now}::timestamptz`.execute(database);
  return rows[0]?.count ?? 0;
}

interface ExposureRow {
  readonly cve: string | null;
  readonly concerned: number;
  readonly open: number;
  readonly median: number | null;
  readonly p90: number | null;
}

export interface ExposureSum {
  readonly concerned: number;
  readonly exposure: ExposureWindow;
}

/**
 * Exposure by CVE, and of all together (`all`), in one pass. The percentiles are the nearest rank,
 * as in domain/compliance-report.ts.
 */
export async function exposureSums(database: Database): Promise<{
  readonly all: ExposureSum;
  readonly cves: ReadonlyMap<string, ExposureSum>;
}> {
  const { rows } = await sql<ExposureRow>`
    select cve, count(distinct device_id)::int as concerned,
      (count(distinct device_id) filter (where protected_at is null))::int as open,
      percentile_disc(0.5) within group (order by hours) as median,
      percentile_disc(0.9) within group (order by hours) as p90
    from (select cve, device_id, protected_at,
        greatest(0, extract(epoch from protected_at - exposed_at)::float8 / 3600) as hours
      from (select cve, device_id, protected_at, exposed_at from device_cves) e) e
    group by grouping sets ((cve), ())`.execute(database);
  const sums = rows.map((row) => [row.cve, sumOf(row)] as const);
  const all = sums.find(([cve]) => cve === null)?.[1];
  return {
    all: all ?? { concerned: 0, exposure: { open: 0 } },
    cves: new Map(sums.flatMap(([cve, sum]) => (cve === null ? [] : [[cve, sum] as const]))),
  };
}

const sumOf = ({ concerned, open, median, p90 }: ExposureRow): ExposureSum => ({
  concerned,
  exposure: {
    open,
    ...(median !== null && p90 !== null && { medianHours: median, p90Hours: p90 }),
  },
});

export interface UpdateSum {
  readonly target: string;
  readonly state: DeviceUpdateState;
  readonly protected: boolean;
  readonly count: number;
}

/** Devices concerned by each update, by what they told. */
export async function updateSums(database: Database): Promise<UpdateSum[]> {
  const { rows } = await sql<UpdateSum>`
    select target, coalesce(state, 'waiting') as state, protected, count(*)::int as count
    from device_updates where concerned group by target, state, protected`.execute(database);
  return rows;
}

export interface ComponentRow {
  readonly hostname: string;
  readonly id: string;
  readonly ring: string | null;
  readonly components: readonly {
    readonly file: string;
    readonly buildId: string;
    readonly package?: string;
    readonly version?: string;
    readonly compliance: string;
    readonly hotpatch?: string;
    readonly openCves: readonly string[];
    readonly reason?: string;
  }[];
}

const pageSize = 1000;

/** All devices with their components, in pages. */
export async function* allComponents(database: Database): AsyncGenerator<readonly ComponentRow[]> {
  let hostname = "";
  let id = "00000000-0000-0000-0000-000000000000";
  for (;;) {
    const { rows } = await sql<ComponentRow>`
      select d.hostname, d.id, r.name as ring, f.components
      from devices d join device_facts f on f.device_id = d.id left join rings r on r.id = d.ring_id
      where (d.hostname, d.id) > (${hostname}, ${id}::uuid)
      order by d.hostname, d.id limit ${pageSize}`.execute(database);
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows;
    ({ hostname, id } = last);
  }
}
