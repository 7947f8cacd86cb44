/** Runs a suite of tests on PGlite and on PostgreSQL. */
import { afterAll, beforeAll, describe } from "vitest";
import { type PostgresFixture, postgresFolder, startPostgres } from "./postgres-fixture.ts";
import { openPGliteStore, openPostgresStore, type Store } from "./store.ts";

export interface StoreOfSuite {
  /** The store of the suite, empty at its beginning. */
  readonly store: () => Store;
  /** Another server's store over the same database; undefined where there can be one only. */
  readonly second: () => Promise<Store | undefined>;
}

/** `define` is called once for each. Without PostgreSQL the second is skipped, but not in CI. */
export function onBothStores(name: string, define: (of: StoreOfSuite) => void): void {
  describe(`${name} on PGlite`, () => {
    let store: Store | undefined;
    beforeAll(async () => {
      store = await openPGliteStore();
    });
    afterAll(async () => await store?.close());
    define({ store: () => present(store), second: async () => undefined });
  });
  const binaries = postgresFolder();
  const isSkipped = binaries === undefined && !process.env.CI;
  const suffix = isSkipped ? " [needs postgresql in /usr/lib/postgresql]" : "";
  describe.skipIf(isSkipped)(`${name} on PostgreSQL${suffix}`, () => {
    let postgres: PostgresFixture | undefined;
    let store: Store | undefined;
    let url = "";
    const opened: Store[] = [];
    const open = async (): Promise<Store> => {
      const report = (error: unknown): void => console.error(error);
      const next = await openPostgresStore({ url, report });
      opened.push(next);
      return next;
    };
    beforeAll(async () => {
      if (binaries === undefined) throw new Error("no PostgreSQL in /usr/lib/postgresql");
      postgres = await startPostgres(binaries);
      url = await postgres.createDatabase();
      store = await open();
    });
    afterAll(async () => {
      for (const each of opened) await each.close();
      await postgres?.stop();
    });
    define({ store: () => present(store), second: open });
  });
}

function present(store: Store | undefined): Store {
  if (store === undefined) throw new Error("the store is not open yet");
  return store;
}
