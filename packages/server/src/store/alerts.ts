/** Alerts as rows, and what they are found by. */
import type { Alert, HealthSignal, Request } from "@suture/contract";
import { sql } from "kysely";
import type { AlertDevice } from "../domain/alerts.ts";
import type { SignalFacts } from "../domain/rollout-facts.ts";
import { keysOf, pageOfRows, pageSizeOf } from "./pages.ts";
import type { Database, Tx } from "./store.ts";

/** So many silent or unready devices have an alert of their own; the list of devices has all. */
const devicesMax = 500;
const signalsMax = 500;

/** Devices that were not heard since, or are not ready. */
export async function alertDevices(tx: Tx, silentSince: Date): Promise<AlertDevice[]> {
  const { rows } = await sql<{
    id: string;
    hostname: string;
    enrolled_at: Date;
    last_seen_at: Date | null;
    readiness: AlertDevice["readiness"];
    findings: AlertDevice["findings"];
  }>`
    select d.id, d.hostname, d.enrolled_at, c.last_seen_at, d.readiness, f.findings
    from devices d join device_contacts c on c.device_id = d.id
      join device_facts f on f.device_id = d.id
    where coalesce(c.last_seen_at, d.enrolled_at) < ${silentSince}::timestamptz
      or d.readiness = 'not-ready'
    order by d.id limit ${devicesMax}`.execute(tx);
  return rows.map((row) => ({
    id: row.id,
    hostname: row.hostname,
    enrolledAt: row.enrolled_at.getTime(),
    ...(row.last_seen_at !== null && { lastSeenAt: row.last_seen_at.getTime() }),
    readiness: row.readiness,
    findings: row.findings,
  }));
}

/** Devices that health signals reverted, by rollout. */
export async function signalsOf(
  tx: Tx,
  ids: readonly string[],
): Promise<ReadonlyMap<string, SignalFacts[]>> {
  const { rows } = await sql<{
    rollout_id: string;
    device_id: string;
    hostname: string;
    signal: HealthSignal;
    at: Date;
  }>`
    select x.rollout_id, x.device_id, d.hostname, x.signal, x.at
    from rollout_devices x join devices d on d.id = x.device_id
    where x.rollout_id = any(${ids}::uuid[]) and x.signal is not null
    order by x.at limit ${signalsMax}`.execute(tx);
  const signals = new Map<string, SignalFacts[]>();
  for (const { rollout_id, device_id, hostname, signal, at } of rows) {
    const list = signals.get(rollout_id) ?? [];
    list.push({ signal, deviceId: device_id, hostname, at: at.getTime() });
    signals.set(rollout_id, list);
  }
  return signals;
}

export interface OpenAlert {
  readonly id: string;
  readonly key: string;
  readonly text: string;
  readonly rollout_id: string | null;
}

export async function openAlerts(tx: Tx): Promise<OpenAlert[]> {
  return await tx
    .selectFrom("alerts")
    .select(["id", "key", "text", "rollout_id"])
    .where("resolved_at", "is", null)
    .forUpdate()
    .execute();
}

export async function resolveAlerts(tx: Tx, ids: readonly string[], now: Date): Promise<void> {
  if (ids.length === 0) return;
  await tx.updateTable("alerts").set({ resolved_at: now }).where("id", "in", ids).execute();
}

interface AlertRow {
  readonly id: string;
  readonly code: string;
  readonly severity: Alert["severity"];
  readonly text: string;
  readonly remediation: string;
  readonly device_id: string | null;
  readonly hostname: string | null;
  readonly rollout_id: string | null;
  readonly raised_at: Date;
  readonly acknowledged_by: string | null;
  readonly resolved_at: Date | null;
}

const COLUMNS = sql`a.id, a.code, a.severity, a.text, a.remediation, a.device_id, d.hostname,
  a.rollout_id, a.raised_at, a.acknowledged_by, a.resolved_at`;

const alertOf = (row: AlertRow): Alert => ({
  id: row.id,
  code: row.code,
  severity: row.severity,
  text: row.text,
  remediation: row.remediation,
  ...(row.device_id !== null && { deviceId: row.device_id }),
  ...(row.hostname !== null && { hostname: row.hostname }),
  ...(row.rollout_id !== null && { rolloutId: row.rollout_id }),
  raisedAt: row.raised_at.toISOString(),
  ...(row.acknowledged_by !== null && { acknowledgedBy: row.acknowledged_by }),
  ...(row.resolved_at !== null && { resolvedAt: row.resolved_at.toISOString() }),
});

/** Open ones first, then the newest. */
export async function listAlerts(
  database: Database,
  query: NonNullable<Request<"alerts">["query"]>,
): Promise<{ items: Alert[]; next?: string; total: number }> {
  const size = pageSizeOf(query);
  const [isOver = 0, at = "", id = ""] =
    query.cursor === undefined ? [] : keysOf(query.cursor, ["integer", "moment", "id"]);
  const after =
    query.cursor === undefined
      ? sql`true`
      : sql`((a.resolved_at is not null)::int > ${isOver}::int
          or (a.resolved_at is not null)::int = ${isOver}::int
            and (a.raised_at, a.id) < (${at}::timestamptz, ${id}::uuid))`;
  const { rows } = await sql<AlertRow>`
    select ${COLUMNS} from alerts a left join devices d on d.id = a.device_id
    where ${after} order by a.resolved_at is not null, a.raised_at desc, a.id desc
    limit ${size + 1}`.execute(database);
  const { total } = await database
    .selectFrom("alerts")
    .select(({ fn }) => fn.countAll().as("total"))
    .executeTakeFirstOrThrow();
  const page = pageOfRows(rows, size, (row) => [
    Number(row.resolved_at !== null),
    row.raised_at.toISOString(),
    row.id,
  ]);
  return {
    items: page.rows.map(alertOf),
    ...(page.next !== undefined && { next: page.next }),
    total: Number(total),
  };
}

/** Undefined where there is no such alert. */
export async function loadAlert(database: Database, id: string): Promise<Alert | undefined> {
  const { rows } = await sql<AlertRow>`
    select ${COLUMNS} from alerts a left join devices d on d.id = a.device_id
    where a.id = ${id}`.execute(database);
  const [row] = rows;
  return row && alertOf(row);
}
