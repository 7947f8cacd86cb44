/** The list of devices: filters, three orders, pages by cursor. */
import type { DeviceSummary, Request } from "@suture/contract";
import { type Expression, type RawBuilder, type SqlBool, sql } from "kysely";
import { type CursorKey, keysOf, pageOfRows, pageSizeOf } from "./pages.ts";
import type { Database } from "./store.ts";

type Query = NonNullable<Request<"devices">["query"]>;

export interface SummaryRow {
  readonly id: string;
  readonly hostname: string;
  readonly system: string;
  readonly ring_id: string | null;
  readonly ring: string | null;
  readonly tags: string[];
  readonly readiness: DeviceSummary["readiness"];
  readonly compliance: DeviceSummary["compliance"];
  readonly compliance_rank: number;
  readonly reason: string | null;
  readonly open_cves: string[];
  readonly last_seen_at: Date | null;
  readonly connected_until: Date | null;
}

interface Page {
  readonly items: DeviceSummary[];
  readonly next?: string;
  readonly total: number;
}

/** A page of it, and how many there are in all pages. */
export async function listDevices(database: Database, query: Query, now: Date): Promise<Page> {
  const size = pageSizeOf(query);
  const order = ORDERS[query.sort ?? "hostname"];
  const filter = filterOf(query);
  const after = query.cursor === undefined ? sql`true` : order.after(query.cursor);
  const [{ rows }, counted] = await Promise.all([
    sql<SummaryRow>`
      select ${SUMMARY_COLUMNS} from devices d
        join device_contacts c on c.device_id = d.id left join rings r on r.id = d.ring_id
      where ${filter} and ${after} order by ${order.columns} limit ${size + 1}`.execute(database),
    sql<{ total: number }>`
      select count(*)::int as total from devices d where ${filter}`.execute(database),
  ]);
  const page = pageOfRows(rows, size, order.keys);
  return {
    items: page.rows.map((row) => summaryOf(row, now)),
    ...(page.next !== undefined && { next: page.next }),
    total: counted.rows[0]?.total ?? 0,
  };
}

export const SUMMARY_COLUMNS = sql`d.id, d.hostname, d.system, d.ring_id, r.name as ring, d.tags,
  d.readiness, d.compliance, d.compliance_rank, d.reason, d.open_cves, c.last_seen_at,
  c.connected_until`;

export const summaryOf = (row: SummaryRow, now: Date): DeviceSummary => ({
  id: row.id,
  hostname: row.hostname,
  system: row.system,
  ...(row.ring_id !== null && { ringId: row.ring_id }),
  ...(row.ring !== null && { ring: row.ring }),
  tags: row.tags,
  readiness: row.readiness,
  compliance: row.compliance,
  ...(row.reason !== null && { reason: row.reason }),
  openCves: row.open_cves.length,
  connected: row.connected_until !== null && row.connected_until > now,
  ...(row.last_seen_at !== null && { lastSeenAt: row.last_seen_at.toISOString() }),
});

/** Conditions on `d`, a row of devices. */
function filterOf(query: Query): Expression<SqlBool> {
  const { search, ringId, groupId, tag, readiness, compliance, cve } = query;
  const conditions = [
    search !== undefined && hostnameHas(search),
    ringId !== undefined && sql`d.ring_id = ${ringId}`,
    groupId !== undefined &&
      sql`d.id in (select device_id from group_devices where group_id = ${groupId})`,
    tag !== undefined && sql`d.tags @> ${[tag]}::text[]`,
    readiness !== undefined && sql`d.readiness = ${readiness}`,
    compliance !== undefined && sql`d.compliance = ${compliance}`,
    cve !== undefined && sql`d.open_cves @> ${[cve]}::text[]`,
  ].filter((condition) => condition !== false);
  return conditions.length === 0
    ? sql<SqlBool>`true`
    : sql<SqlBool>`${sql.join(conditions, sql` and `)}`;
}

/** Host names are ASCII (RFC 1123), and "C" compares bytes: half the time of `ilike`. */
const hostnameHas = (text: string) =>
  sql`lower(d.hostname collate "C") like ${`%${escapeLike(text.toLowerCase())}%`}`;

const escapeLike = (text: string): string => text.replace(/[\\%_]/g, "\\$&");

interface Order {
  readonly columns: RawBuilder<unknown>;
  readonly after: (cursor: string) => RawBuilder<unknown>;
  readonly keys: (row: SummaryRow) => readonly CursorKey[];
}

const ORDERS: Readonly<Record<NonNullable<Query["sort"]>, Order>> = {
  hostname: {
    columns: sql`d.hostname, d.id`,
    after: (cursor) => {
      const [hostname, id] = keysOf(cursor, ["text", "id"]);
      return sql`(d.hostname, d.id) > (${hostname}, ${id}::uuid)`;
    },
    keys: ({ hostname, id }) => [hostname, id],
  },
  /** What was not heard for longest comes first: it is what people look for. */
  "last-seen": {
    columns: sql`coalesce(c.last_seen_at, 'epoch'), d.id`,
    after: (cursor) => {
      const [at, id] = keysOf(cursor, ["moment", "id"]);
      return sql`(coalesce(c.last_seen_at, 'epoch'), d.id) > (${at}::timestamptz, ${id}::uuid)`;
    },
    keys: ({ last_seen_at, id }) => [(last_seen_at ?? new Date(0)).toISOString(), id],
  },
  compliance: {
    columns: sql`d.compliance_rank, d.hostname, d.id`,
    after: (cursor) => {
      const [rank, hostname, id] = keysOf(cursor, ["integer", "text", "id"]);
      return sql`(d.compliance_rank, d.hostname, d.id) > (${rank}::int, ${hostname}, ${id}::uuid)`;
    },
    keys: ({ compliance_rank, hostname, id }) => [compliance_rank, hostname, id],
  },
};
