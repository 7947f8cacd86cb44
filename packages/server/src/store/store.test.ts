import { expect, test } from "vitest";
import { verifyChain } from "../domain/audit-chain.ts";
import { appendAudit } from "./audit.ts";
import { allRecords } from "./audit-log.ts";
import { insertDevice, noteContacts } from "./devices.ts";
import { useEnrolmentToken } from "./enrolment-tokens.ts";
import { MIGRATIONS, migrate } from "./migrate.ts";
import type { Store } from "./store.ts";
import { onBothStores } from "./test-both-stores.ts";
import { isUniqueViolation } from "./violations.ts";

const now = new Date("2026-11-22T10:00:00.000Z");
const later = (ms: number): Date => new Date(now.getTime() + ms);

const newDevice = async (store: Store): Promise<string> => {
  const id = crypto.randomUUID();
  await store.transact(async ({ tx }) => {
    const device = { id, hostname: "a", publicKey: id, ringId: null, tags: ["a b", 'c"d'] };
    await insertDevice(tx, device, now);
  });
  return id;
};

onBothStores("the store", ({ store, second }) => {
  test("migrates an empty database, and one that is up to date, and refuses a newer one", async () => {
    await migrate(store().database);
    await expect(migrate(store().database, MIGRATIONS.slice(1))).rejects.toThrow("the tables are");
  });

  test("migrations are numbered from 1 without gaps", () => {
    expect(MIGRATIONS.map(({ number }) => number)).toEqual(MIGRATIONS.map((_, at) => at + 1));
  });

  test("numbers, moments, lists and JSON come back as they went in", async () => {
    const id = await newDevice(store());
    const row = await store()
      .database.selectFrom("devices")
      .innerJoin("device_facts", "device_facts.device_id", "devices.id")
      .selectAll()
      .where("id", "=", id)
      .executeTakeFirstOrThrow();
    expect(row).toMatchObject({
      enrolled_at: now,
      tags: ["a b", 'c"d'],
      serial: 0,
      findings: [],
      ring_id: null,
    });
  });

  test("a transaction that throws leaves nothing, and says nothing", async () => {
    const heard: string[] = [];
    const stop = store().hear((signal) => heard.push(signal));
    const work = store().transact(async ({ tx, signal }) => {
      signal("never");
      await tx.updateTable("fleet").set({ paused: true }).execute();
      throw new Error("on purpose");
    });
    await expect(work).rejects.toThrow("on purpose");
    const fleet = await store().database.selectFrom("fleet").select("paused").execute();
    expect(fleet).toEqual([{ paused: false }]);
    await heardOf(store(), heard, "after it");
    expect(heard).toEqual(["after it"]);
    stop();
  });

  test("signals of one server reach the other", async () => {
    const other = await second();
    if (other === undefined) return;
    const heard: string[] = [];
    other.hear((signal) => heard.push(signal));
    await heardOf(store(), heard, "hello");
    expect(heard).toEqual(["hello"]);
  });

  test("records appended at the same time are one chain", async () => {
    const entry = { at: now, who: "ä", action: "a", object: "o", detail: { b: 1, a: [1.5, null] } };
    await Promise.all(
      Array.from({ length: 10 }, () =>
        store().transact(async ({ tx }) => await appendAudit(tx, entry)),
      ),
    );
    const records = [];
    for await (const page of allRecords(store().database)) records.push(...page);
    expect(verifyChain(records)).toMatchObject({ records: 10, intact: true });
  });

  test("an enrolment token is used as often as it may be, and no more", async () => {
    const { database } = store();
    await database
      .insertInto("enrolment_tokens")
      .values({
        id: crypto.randomUUID(),
        name: "three",
        digest: "d",
        tags: [],
        ring_id: null,
        expires_at: later(1000),
        uses_max: 3,
        created_by: "a",
        created_at: now,
      })
      .execute();
    const use = async (at: Date) =>
      await store().transact(async ({ tx }) => {
        const request = { digest: "d", now: at };
        return await useEnrolmentToken(tx, request);
      });
    expect(await use(later(2000))).toBeUndefined();
    const uses = await Promise.all(Array.from({ length: 8 }, async () => await use(now)));
    expect(uses.filter((used) => used !== undefined)).toHaveLength(3);
  });

  test("a nonce is taken once, and a removed device is not there", async () => {
    const id = await newDevice(store());
    const contact = {
      deviceId: id,
      nonce: "n1",
      assignmentSerial: 0,
      connectedUntil: later(1000),
    };
    const gone = { ...contact, deviceId: crypto.randomUUID() };
    const times = { now, noncesUntil: later(600_000) };
    const note = async () => await noteContacts(store().database, [contact, gone], times);
    expect([...(await note()).keys()]).toEqual([id]);
    expect((await note()).size).toBe(0);
    const row = await store()
      .database.selectFrom("device_contacts")
      .selectAll()
      .where("device_id", "=", id)
      .executeTakeFirstOrThrow();
    expect(row).toMatchObject({ last_seen_at: now, connected_until: later(1000) });
  });

  test("tells what must be the only one", async () => {
    const id = await newDevice(store());
    const again = store().transact(async ({ tx }) => {
      const device = { id: crypto.randomUUID(), hostname: "b", publicKey: id, ringId: null };
      await insertDevice(tx, { ...device, tags: [] }, now);
    });
    await expect(again).rejects.toSatisfy(isUniqueViolation);
  });
});

/** Signals that, and waits until it is heard; what was signalled before is heard before. */
async function heardOf(store: Store, heard: readonly string[], text: string): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = store.hear((signal) => signal === text && resolve());
  await store.transact(async ({ signal }) => signal(text));
  await promise;
  stop();
  // The other store's listener may come a little later than ours.
  while (!heard.includes(text)) await new Promise((next) => setImmediate(next));
}
