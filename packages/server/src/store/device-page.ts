/** One device with everything that is known of it. */
import { createHash } from "node:crypto";
import type {
  ComponentCompliance,
  Device,
  DeviceEvent,
  Request,
  TargetProgress,
} from "@suture/contract";
import { sql } from "kysely";
import { orderPolicies, policyOf } from "../domain/policy.ts";
import { RequestError } from "../errors.ts";
import { SUMMARY_COLUMNS, type SummaryRow, summaryOf } from "./device-list.ts";
import { keysOf, pageOfRows, pageSizeOf } from "./pages.ts";
import type { Database } from "./store.ts";

interface DeviceRow extends SummaryRow {
  readonly kernel: string;
  readonly processor: string;
  readonly agent_version: string;
  readonly public_key: string;
  readonly enrolled_at: Date;
  readonly findings: Device["findings"];
  readonly components: ComponentCompliance[];
}

/** Throws RequestError `not-found`. */
export async function loadDevice(database: Database, id: string, now: Date): Promise<Device> {
  const { rows } = await sql<DeviceRow>`
    select ${SUMMARY_COLUMNS}, f.kernel, f.processor, f.agent_version, d.public_key, d.enrolled_at,
      f.findings, f.components
    from devices d join device_contacts c on c.device_id = d.id
      join device_facts f on f.device_id = d.id left join rings r on r.id = d.ring_id
    where d.id = ${id}`.execute(database);
  const [row] = rows;
  if (row === undefined) throw new RequestError("not-found", `no device ${id}`);
  const groups = await database
    .selectFrom("group_devices")
    .innerJoin("groups", "groups.id", "group_devices.group_id")
    .select(["groups.id", "groups.name"])
    .where("device_id", "=", id)
    .orderBy("groups.name")
    .execute();
  const digest = createHash("sha256").update(Buffer.from(row.public_key, "base64url"));
  return {
    ...summaryOf(row, now),
    kernel: row.kernel,
    processor: row.processor,
    agentVersion: row.agent_version,
    keyDigest: digest.digest("hex"),
    enrolledAt: row.enrolled_at.toISOString(),
    findings: row.findings,
    components: row.components,
    progress: await progressOf(database, id),
    policy: await policyOfDevice(database, new Set(groups.map((group) => group.id))),
    groups,
  };
}

async function policyOfDevice(
  database: Database,
  groupIds: ReadonlySet<string>,
): Promise<Device["policy"]> {
  const policies = await database
    .selectFrom("policies")
    .select(["id", "name", "group_ids as groupIds", "precedence", "settings"])
    .execute();
  const { id, name, why } = policyOf(orderPolicies(policies), groupIds);
  return { ...(id !== undefined && { id }), name, why };
}

async function progressOf(database: Database, id: string): Promise<TargetProgress[]> {
  const rows = await database
    .selectFrom("device_updates")
    .selectAll()
    .where("device_id", "=", id)
    .orderBy("at", "desc")
    .execute();
  return rows.flatMap((row) =>
    row.state === null
      ? []
      : [
          {
            target: row.target,
            state: row.state,
            ...(row.code !== null && { code: row.code }),
            ...(row.detail !== null && { detail: row.detail }),
            ...(row.signal !== null && { signal: row.signal }),
            ...(row.pause_microseconds !== null && { pauseMicroseconds: row.pause_microseconds }),
            ...(row.processes !== null && { processes: row.processes }),
            at: row.at.toISOString(),
          },
        ],
  );
}

/** What happened on a device, newest first. Throws RequestError `not-found`. */
export async function eventsOf(
  database: Database,
  id: string,
  query: NonNullable<Request<"deviceEvents">["query"]>,
): Promise<{ items: DeviceEvent[]; next?: string; total: number }> {
  const size = pageSizeOf(query);
  const device = await database
    .selectFrom("devices")
    .select("id")
    .where("id", "=", id)
    .executeTakeFirst();
  if (device === undefined) throw new RequestError("not-found", `no device ${id}`);
  const all = database.selectFrom("device_events").where("device_id", "=", id);
  const before =
    query.cursor === undefined ? undefined : Number(keysOf(query.cursor, ["integer"])[0]);
  const rows = await all
    .selectAll()
    .$if(before !== undefined, (from) => from.where("serial", "<", before ?? 0))
    .orderBy("serial", "desc")
    .limit(size + 1)
    .execute();
  const counted = await all
    .select(({ fn }) => fn.countAll<number>().as("total"))
    .executeTakeFirstOrThrow();
  const page = pageOfRows(rows, size, ({ serial }) => [serial]);
  return {
    items: page.rows.map((row) => ({
      serial: row.serial,
      at: row.at.toISOString(),
      kind: row.kind,
      ...(row.target !== null && { target: row.target }),
      ...(row.code !== null && { code: row.code }),
      detail: row.detail,
    })),
    ...(page.next !== undefined && { next: page.next }),
    total: Number(counted.total),
  };
}
