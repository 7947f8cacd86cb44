/** Brings the tables up to date: numbered migrations, each in a transaction, one server at a time. */
import { type Kysely, sql } from "kysely";
import { StoreError } from "./errors.ts";
import type { Migration } from "./migration.ts";
import { begin } from "./migrations/0001-begin.ts";
import type { Tables } from "./tables.ts";

export const MIGRATIONS: readonly Migration[] = [begin];

/** Any number: two servers that start together must ask for the same lock. */
const lockKey = 7_305_417;

/** Throws StoreError where the tables are of a newer program. */
export async function migrate(
  database: Kysely<Tables>,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  await database.transaction().execute(async (transaction) => {
    await sql`select pg_advisory_xact_lock(${sql.lit(lockKey)})`.execute(transaction);
    await sql`create table if not exists migrations (
      number int primary key, name text not null, made_at timestamptz not null default now())`.execute(
      transaction,
    );
    const { rows } = await sql<{ number: number }>`
      select coalesce(max(number), 0)::int as number from migrations`.execute(transaction);
    const done = rows[0]?.number ?? 0;
    if (done > migrations.length) {
      throw new StoreError("newer-tables", `the tables are at ${done}, not ${migrations.length}`);
    }
    for (const { number, name, statements } of migrations.slice(done)) {
      for (const statement of statements) await sql.raw(statement).execute(transaction);
      await sql`insert into migrations (number, name) values (${number}, ${name})`.execute(
        transaction,
      );
    }
  });
}
