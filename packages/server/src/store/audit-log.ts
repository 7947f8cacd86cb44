/** The audit log as it is read. */
import type { AuditRecord, Request } from "@suture/contract";
import { keysOf, pageOfRows, pageSizeOf } from "./pages.ts";
import type { Database } from "./store.ts";
import type { AuditTable } from "./tables.ts";

const recordOf = (row: AuditTable): AuditRecord => ({
  index: row.position,
  at: row.at.toISOString(),
  who: row.who,
  action: row.action,
  object: row.object,
  ...(row.reason !== null && { reason: row.reason }),
  detail: JSON.parse(row.detail) as unknown,
  previous: row.previous,
  digest: row.digest,
});

/** A page, newest first. */
export async function listAudit(
  database: Database,
  query: NonNullable<Request<"audit">["query"]>,
): Promise<{ items: AuditRecord[]; next?: string; total: number }> {
  const { who, action, from, cursor } = query;
  const size = pageSizeOf(query);
  const before = cursor === undefined ? undefined : Number(keysOf(cursor, ["integer"])[0]);
  const filtered = database
    .selectFrom("audit")
    .$if(who !== undefined, (all) => all.where("who", "=", who ?? ""))
    .$if(action !== undefined, (all) => all.where("action", "=", action ?? ""))
    .$if(from !== undefined, (all) => all.where("position", ">=", from ?? 0));
  const rows = await filtered
    .selectAll()
    .$if(before !== undefined, (all) => all.where("position", "<", before ?? 0))
    .orderBy("position", "desc")
    .limit(size + 1)
    .execute();
  const { total } = await filtered
    .select(({ fn }) => fn.countAll().as("total"))
    .executeTakeFirstOrThrow();
  const page = pageOfRows(rows, size, ({ position }) => [position]);
  return {
    items: page.rows.map(recordOf),
    ...(page.next !== undefined && { next: page.next }),
    total: Number(total),
  };
}

const pageSize = 1000;

/** All records in pages, oldest first. */
export async function* allRecords(database: Database): AsyncGenerator<AuditRecord[]> {
  let after = Number.MIN_SAFE_INTEGER;
  for (;;) {
    const rows = await database
      .selectFrom("audit")
      .selectAll()
      .where("position", ">", after)
      .orderBy("position")
      .limit(pageSize)
      .execute();
    const last = rows.at(-1);
    if (last === undefined) return;
    yield rows.map(recordOf);
    after = last.position;
  }
}
