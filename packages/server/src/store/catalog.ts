/** The catalog: quality updates, calendar and state of the release channel. */
import { type Catalog as CatalogView, canonicalJson } from "@suture/contract";
import type { Catalog } from "@suture/release";
import { sql } from "kysely";
import type { Database, Tx } from "./store.ts";
import type { UpdateDocument } from "./tables.ts";

export interface CatalogChanges {
  readonly added: readonly string[];
  readonly changed: readonly string[];
  readonly removed: readonly string[];
}

/** Makes the kept updates these; what is the same is not written. */
export async function keepUpdates(
  tx: Tx,
  updates: readonly UpdateDocument[],
  at: Date,
): Promise<CatalogChanges> {
  const rows = await tx.selectFrom("updates").select(["target", "entry"]).execute();
  const before = new Map(rows.map(({ target, entry }) => [target, canonicalJson(entry)]));
  const after = new Set(updates.map(({ target }) => target));
  const added = updates.filter(({ target }) => !before.has(target));
  const changed = updates.filter(
    (update) => before.has(update.target) && before.get(update.target) !== canonicalJson(update),
  );
  const removed = rows.map(({ target }) => target).filter((target) => !after.has(target));
  if (removed.length > 0) {
    await tx.deleteFrom("updates").where("target", "in", removed).execute();
  }
  const places = new Map(updates.map(({ target }, position) => [target, position]));
  const written = [...added, ...changed].map((entry) => ({
    target: entry.target,
    sha256: entry.sha256,
    position: places.get(entry.target) ?? 0,
    entry,
  }));
  if (written.length > 0) {
    await sql`
      insert into updates (target, sha256, position, entry, first_seen_at)
      select target, sha256, position, entry, ${at}::timestamptz
      from jsonb_to_recordset(${JSON.stringify(written)}::jsonb) as r (target text, sha256 text,
        position int, entry jsonb)
      on conflict (target) do update set sha256 = excluded.sha256,
        position = excluded.position, entry = excluded.entry`.execute(tx);
  }
  const targets = (list: readonly UpdateDocument[]) => list.map(({ target }) => target);
  return { added: targets(added), changed: targets(changed), removed };
}

/** Notes that the channel was verified; whether anything but the moment differs. */
export async function keepChannel(tx: Tx, catalog: Catalog, at: Date): Promise<boolean> {
  const { plannedMonths, entries } = catalog.calendar;
  const after = {
    expires_at: new Date(catalog.expires),
    problem: null,
    problems: catalog.products.flatMap(({ name, problem }) =>
      problem === undefined
        ? []
        : [{ product: name, code: problem.reason, detail: problem.detail }],
    ),
    calendar: { plannedMonths, entries },
  };
  const before = await tx
    .selectFrom("channel")
    .select(["expires_at", "problem", "problems", "calendar"])
    .executeTakeFirstOrThrow();
  await tx
    .updateTable("channel")
    .set({
      verified_at: at,
      expires_at: after.expires_at,
      problem: null,
      problems: JSON.stringify(after.problems),
      calendar: JSON.stringify(after.calendar),
    })
    .execute();
  return sorted(before) !== sorted(after);
}

const sorted = (value: object): string => canonicalJson(JSON.parse(JSON.stringify(value)));

/** Notes why it could not be; whether that is new. */
export async function keepChannelProblem(
  tx: Tx,
  problem: { readonly code: string; readonly detail: string; readonly remediation: string },
): Promise<boolean> {
  const { rows } = await sql`
    update channel set problem = ${JSON.stringify(problem)}::jsonb
    where problem is distinct from ${JSON.stringify(problem)}::jsonb returning id`.execute(tx);
  return rows.length > 0;
}

/** The channel's state and updates, with how many devices each concerns. */
export async function loadCatalog(
  database: Database,
): Promise<Omit<CatalogView, "calendar"> & { readonly calendar: ChannelCalendar }> {
  const channel = await database.selectFrom("channel").selectAll().executeTakeFirstOrThrow();
  const updates = await database
    .selectFrom("updates")
    .select("entry")
    .orderBy("position")
    .execute();
  const { rows } = await sql<{ target: string; concerned: number; protected: number }>`
    select target, count(*)::int as concerned,
      (count(*) filter (where protected))::int as protected
    from device_updates where concerned group by target`.execute(database);
  const counts = new Map(rows.map((row) => [row.target, row]));
  const { verified_at, expires_at, problem, problems, calendar } = channel;
  return {
    ...(verified_at !== null && { verifiedAt: verified_at.toISOString() }),
    ...(expires_at !== null && { expiresAt: expires_at.toISOString() }),
    ...(problem !== null && { problem }),
    problems,
    calendar,
    updates: updates.map(({ entry }) => ({
      ...entry,
      devicesConcerned: counts.get(entry.target)?.concerned ?? 0,
      devicesProtected: counts.get(entry.target)?.protected ?? 0,
    })),
  };
}

export type ChannelCalendar = {
  readonly plannedMonths: readonly number[];
  readonly entries: readonly {
    readonly date: string;
    readonly kind: "baseline" | "hotpatch" | "out-of-band";
    readonly product?: string;
    readonly note?: string;
  }[];
};
