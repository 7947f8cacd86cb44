/** Two servers over one PostgreSQL are one server. */
import { type Assignment, GATES_DEFAULT, Role } from "@suture/contract";
import { expect, test } from "vitest";
import { openTestApp } from "./app-fixture.ts";
import {
  catalogOf,
  hotpatchTarget,
  runningComponent,
  updateOfSequence,
} from "./channel-fixture.ts";
import { onBothStores } from "./store/test-both-stores.ts";

onBothStores("replicas", ({ store, second }) => {
  test("what is decided at one reaches devices that wait at the other", async () => {
    const other = await second();
    // PGlite is of one process.
    if (other === undefined) return;
    const readChannel = async () => catalogOf([updateOfSequence(0), updateOfSequence(1)]);
    const [a, b] = [await openTestApp(store(), { readChannel }), await openTestApp(other)];
    try {
      const author = await a.person([Role.author]);
      const approver = await a.person([Role.approver]);
      await author("refreshCatalog");
      const [ring] = await author("rings");
      const device = await b.enrol({ hostname: "waits", ringId: ring?.id ?? "" });
      const { assignment } = await device.tell({ components: [runningComponent()] });
      const { serial } = JSON.parse(assignment?.document ?? "") as Assignment;
      const held = device.call("awaitAssignment", { query: { after: serial } });
      while (b.app.heldRequests() === 0) await new Promise((next) => setImmediate(next));

      const draft = { name: "r", target: hotpatchTarget(1), ringIds: [], groupIds: [] };
      const { id } = await author("createRollout", { body: { ...draft, gates: GATES_DEFAULT } });
      const act = (action: "submit" | "approve") => ({ params: { id }, body: { action } });
      await author("actOnRollout", act("submit"));
      await approver("actOnRollout", act("approve"));
      const wanted = JSON.parse((await held).assignment?.document ?? "") as Assignment;
      expect(wanted.apply).toMatchObject([{ target: hotpatchTarget(1) }]);

      // Both decide, and both look at all devices: nothing happens twice.
      await Promise.all([a.tick(), b.tick(), a.tick(), b.tick()]);
      const auditor = await b.person([Role.auditor]);
      const begun = await auditor("audit", { query: { action: "rollout.begin-group" } });
      expect(begun.total).toBe(1);
      expect(await auditor("verifyAudit")).toMatchObject({ intact: true });
      const query = { query: { after: wanted.serial - 1 } };
      const again = await device.call("awaitAssignment", query);
      expect(JSON.parse(again.assignment?.document ?? "")).toMatchObject({
        serial: wanted.serial,
      });
    } finally {
      await a.app.close();
      await b.app.close();
    }
  });

  test("many devices that tell much at the same time are all heard", async () => {
    const server = await openTestApp(store());
    const other = await second();
    const beside = other === undefined ? server : await openTestApp(other);
    try {
      const devices = await Promise.all(
        Array.from({ length: 20 }, async (_, at) =>
          (at % 2 === 0 ? server : beside).enrol({ hostname: `busy-${at}` }),
        ),
      );
      const at = server.clock.now().toISOString();
      const event = { at, kind: "started" as const, detail: "x" };
      for (let serial = 1; serial <= 3; serial += 1) {
        const touching = server.store.database.updateTable("fleet").set((set) => ({
          generation: set("generation", "+", 1),
        }));
        const told = devices.map(async (device) =>
          device.tell({ components: [runningComponent()] }, { events: [{ ...event, serial }] }),
        );
        const answers = await Promise.all([...told, touching.execute(), beside.tick()]);
        expect(answers.slice(0, 20)).toMatchObject(
          devices.map(() => ({ serial, eventSerial: serial })),
        );
      }
      const viewer = await server.person([Role.viewer]);
      expect((await viewer("devices", { query: { search: "busy-" } })).total).toBe(20);
    } finally {
      await server.app.close();
      if (beside !== server) await beside.app.close();
    }
  });
});
