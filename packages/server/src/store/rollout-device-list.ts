/** The devices of a rollout, in pages. */
import type { Request, RolloutDevice } from "@suture/contract";
import { sql } from "kysely";
import { RequestError } from "../errors.ts";
import { keysOf, pageOfRows, pageSizeOf } from "./pages.ts";
import type { Database } from "./store.ts";

interface Row {
  readonly device_id: string;
  readonly hostname: string;
  readonly ring: string;
  readonly state: RolloutDevice["state"];
  readonly code: string | null;
  readonly detail: string | null;
  readonly signal: RolloutDevice["signal"] | null;
  readonly at: Date;
}

/** By hostname. Throws RequestError `not-found`. */
export async function listRolloutDevices(
  database: Database,
  id: string,
  query: NonNullable<Request<"rolloutDevices">["query"]>,
): Promise<{ items: RolloutDevice[]; next?: string; total: number }> {
  const rollout = await database
    .selectFrom("rollouts")
    .select("document")
    .where("id", "=", id)
    .executeTakeFirst();
  if (rollout === undefined) throw new RequestError("not-found", `there is no rollout ${id}`);
  const names = new Map(rollout.document.groups.map(({ ringId, name }) => [ringId, name]));
  const size = pageSizeOf(query);
  const { ringId, state, cursor } = query;
  const filter = sql.join(
    [
      sql`x.rollout_id = ${id}::uuid`,
      ...(ringId === undefined ? [] : [sql`x.ring_id::text = ${ringId}`]),
      ...(state === undefined ? [] : [sql`x.state = ${state}`]),
    ],
    sql` and `,
  );
  const [hostname = "", deviceId = ""] = cursor === undefined ? [] : keysOf(cursor, ["text", "id"]);
  const after =
    cursor === undefined ? sql`true` : sql`(d.hostname, d.id) > (${hostname}, ${deviceId}::uuid)`;
  const { rows } = await sql<Row>`
    select x.device_id, d.hostname, x.ring_id as ring, x.state, x.code, x.detail, x.signal, x.at
    from rollout_devices x join devices d on d.id = x.device_id
    where ${filter} and ${after} order by d.hostname, d.id limit ${size + 1}`.execute(database);
  const counted = await sql<{ total: number }>`
    select count(*)::int as total from rollout_devices x where ${filter}`.execute(database);
  const page = pageOfRows(rows, size, (row) => [row.hostname, row.device_id]);
  return {
    items: page.rows.map((row) => ({
      deviceId: row.device_id,
      hostname: row.hostname,
      ring: names.get(row.ring) ?? "?",
      state: row.state,
      ...(row.code !== null && { code: row.code }),
      ...(row.detail !== null && { detail: row.detail }),
      ...(row.signal && { signal: row.signal }),
      at: row.at.toISOString(),
    })),
    ...(page.next !== undefined && { next: page.next }),
    total: counted.rows[0]?.total ?? 0,
  };
}
