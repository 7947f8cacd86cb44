/**
 * The store: one set of tables and one SQL, on PGlite in a folder or on a PostgreSQL server.
 *
 * Beside queries it carries signals: short texts that every server over the same database hears
 * after the transaction that sent them is committed. On PGlite there is only one server, and the
 * signal goes to it directly; on PostgreSQL LISTEN and NOTIFY carry it.
 */
import { mkdir } from "node:fs/promises";
import { PGlite } from "@electric-sql/pglite";
import { Kysely, PGliteDialect, PostgresDialect, type Transaction } from "kysely";
import pg from "pg";
import { lockFolder } from "./folder-lock.ts";
import { listenToSignals } from "./listener.ts";
import { migrate } from "./migrate.ts";
import { retried } from "./retry.ts";
import type { Tables } from "./tables.ts";

export type Database = Kysely<Tables>;
export type Tx = Transaction<Tables>;

export interface Store {
  readonly kind: "pglite" | "postgresql";
  readonly database: Database;
  /** Batches that may run side by side. */
  readonly concurrency: number;
  /**
   * Runs in one transaction; signals sent within it are heard after its commit. It may run again
   * where another transaction was in its way: `act` does nothing outside of the database.
   */
  readonly transact: <Value>(act: (work: Work) => Promise<Value>) => Promise<Value>;
  /** Hears what any server over this database signals. Gives the way to stop hearing. */
  readonly hear: (listener: (signal: string) => void) => () => void;
  readonly close: () => Promise<void>;
}

/** A transaction and what is said when it is committed. */
export interface Work {
  readonly tx: Tx;
  /** At most 7,000 bytes (NOTIFY takes 8,000). */
  readonly signal: (text: string) => void;
}

export interface StoreOptions {
  /** Where a failure goes that no request waits for: the connection for signals. */
  readonly report: (error: unknown) => void;
}

/**
 * A store in a folder of this machine, or in memory where no folder is given. Migrated. Throws
 * StoreError `folder-in-use`.
 */
export async function openPGliteStore(folder?: string): Promise<Store> {
  if (folder !== undefined) await mkdir(folder, { recursive: true, mode: 0o700 });
  const lock = folder === undefined ? undefined : await lockFolder(folder);
  const pglite = await PGlite.create(folder === undefined ? {} : { dataDir: folder });
  const database = new Kysely<Tables>({ dialect: new PGliteDialect({ pglite }) });
  await migrate(database);
  const listeners = new Set<(signal: string) => void>();
  return {
    kind: "pglite",
    database,
    concurrency: 1,
    async transact(act) {
      const signals: string[] = [];
      const value = await database
        .transaction()
        .execute(async (tx) => await act({ tx, signal: (text) => signals.push(text) }));
      for (const signal of signals) for (const listener of listeners) listener(signal);
      return value;
    },
    hear: (listener) => hearing(listeners, listener),
    async close() {
      await database.destroy();
      lock?.release();
    },
  };
}

const CHANNEL = "suture";
const poolSize = 8;

export interface PostgresOptions extends StoreOptions {
  /** `postgresql://user:password@host:5432/database` */
  readonly url: string;
}

/** A store on a PostgreSQL server. Migrated. */
export async function openPostgresStore({ url, report }: PostgresOptions): Promise<Store> {
  const pool = new pg.Pool({
    connectionString: url,
    max: poolSize,
    types: { getTypeParser: typeParser },
  });
  pool.on("error", report);
  const database = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  try {
    await migrate(database);
  } catch (error) {
    await database.destroy();
    throw error;
  }
  const listeners = new Set<(signal: string) => void>();
  const listener = await listenToSignals({
    url,
    channel: CHANNEL,
    report,
    heard: (signal) => {
      for (const hear of listeners) hear(signal);
    },
  });
  return {
    kind: "postgresql",
    database,
    concurrency: 2,
    async transact(act) {
      return await retried(
        async () =>
          await database.transaction().execute(async (tx) => {
            const signals: string[] = [];
            const value = await act({ tx, signal: (text) => signals.push(text) });
            await notify(tx, signals);
            return value;
          }),
      );
    },
    hear: (hear) => hearing(listeners, hear),
    async close() {
      await listener.close();
      await database.destroy();
    },
  };
}

async function notify(tx: Tx, signals: readonly string[]): Promise<void> {
  if (signals.length === 0) return;
  await tx
    .selectNoFrom((select) =>
      signals.map((signal, at) =>
        select.fn<null>("pg_notify", [select.val(CHANNEL), select.val(signal)]).as(`sent${at}`),
      ),
    )
    .execute();
}

function hearing<Listener>(listeners: Set<Listener>, listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** int8 as a number: whatever we count stays below 2^53. */
const int8 = 20;
const typeParser: typeof pg.types.getTypeParser = (oid: number, format?: "text" | "binary") =>
  oid === int8 && format !== "binary"
    ? (text: string) => Number(text)
    : pg.types.getTypeParser(oid, format as "text");
