/** A fleet from enrolment to a hotpatch in force, over the API as people and devices use it. */
import { type Assignment, GATES_DEFAULT, POLICY_DEFAULT, Role } from "@suture/contract";
import { type QualityUpdate, ReleaseError } from "@suture/release";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Caller, openTestApp, type TestApp, type TestDevice } from "./app-fixture.ts";
import {
  catalogOf,
  hotpatchTarget,
  runningComponent,
  updateOfSequence,
} from "./channel-fixture.ts";
import { onBothStores } from "./store/test-both-stores.ts";

type SignedAssignment = { document: string; signature: string } | undefined;
const read = (signed: SignedAssignment): Assignment => {
  if (signed === undefined) throw new Error("no assignment came");
  return JSON.parse(signed.document) as Assignment;
};

onBothStores("a fleet", ({ store }) => {
  let server: TestApp;
  let updates: QualityUpdate[] = [updateOfSequence(0), updateOfSequence(1)];
  let channelError: Error | undefined;
  let author: Caller;
  let approver: Caller;
  let operator: Caller;
  let first: TestDevice;
  let second: TestDevice;
  let rolloutId = "";
  const target = hotpatchTarget(1);
  const of = (id: string) => ({ params: { id } });

  beforeAll(async () => {
    server = await openTestApp(store(), {
      readChannel: async () => {
        if (channelError) throw channelError;
        return catalogOf(updates);
      },
    });
    author = await server.person([Role.author]);
    approver = await server.person([Role.approver]);
    operator = await server.person([Role.operator]);
  });
  afterAll(async () => await server.app.close());

  const assignmentOf = async (device: TestDevice, after: number): Promise<SignedAssignment> =>
    (await device.call("awaitAssignment", { query: { after } })).assignment;
  /** The request is held before anything is changed. */
  const hold = async (device: TestDevice, after: number): Promise<Promise<SignedAssignment>[]> => {
    const held = assignmentOf(device, after);
    while (server.app.heldRequests() === 0) await new Promise((next) => setImmediate(next));
    return [held];
  };
  const progress = async (
    device: TestDevice,
    state: "applied" | "reverted",
    more: { signal?: "crash" } = {},
  ) => {
    const at = server.clock.now().toISOString();
    const applied = { hotpatch: "redis-2026-10-1", hotpatchSequence: 1 };
    await device.tell(
      { components: [runningComponent(state === "applied" ? applied : {})] },
      { progress: [{ target, state, at, ...more }] },
    );
    await server.tick();
  };

  test("devices that run what an update is for are not up to date", async () => {
    await author("refreshCatalog");
    const rings = await author("rings");
    const [testRing, ring1] = rings;
    first = await server.enrol({ hostname: "first", ringId: testRing?.id ?? "" });
    second = await server.enrol({ hostname: "second", ringId: ring1?.id ?? "" });
    for (const device of [first, second]) {
      await device.tell({ components: [runningComponent()] });
    }
    const { items, total } = await author("devices", { query: { compliance: "not-up-to-date" } });
    expect(total).toBe(2);
    expect(items).toMatchObject([
      { hostname: "first", ring: "Test", openCves: 2 },
      { hostname: "second", ring: "Ring 1", openCves: 2 },
    ]);
    const { updates: listed } = await author("catalog");
    expect(listed).toMatchObject([
      { target: "redis/2026-10/baseline.json", devicesConcerned: 2, devicesProtected: 2 },
      { target, devicesConcerned: 2, devicesProtected: 0 },
    ]);
    const { total: exposed } = await author("devices", { query: { cve: "CVE-2026-1001" } });
    expect(exposed).toBe(2);
  });

  test("an author writes a rollout, and does not approve it", async () => {
    const draft = {
      name: "redis October",
      target,
      ringIds: [],
      groupIds: [],
      gates: { ...GATES_DEFAULT, successThreshold: 1, soakHours: 1 },
    };
    const rollout = await author("createRollout", { body: draft });
    rolloutId = rollout.id;
    expect(rollout).toMatchObject({ state: "draft", devices: 2, protectedDevices: 0 });
    await author("actOnRollout", { ...of(rolloutId), body: { action: "submit" } });
    const approve = { ...of(rolloutId), body: { action: "approve" as const } };
    await expect(author("actOnRollout", approve)).rejects.toThrow("not-permitted");
    await expect(operator("actOnRollout", approve)).rejects.toThrow("not-permitted");
    expect(await approver("approvals")).toMatchObject([{ rolloutId, allowed: true }]);
  });

  test("an approved rollout is offered to its first ring alone", async () => {
    const [held] = await hold(first, read(await assignmentOf(first, 0)).serial);
    const approve = { ...of(rolloutId), body: { action: "approve" as const } };
    expect(await approver("actOnRollout", approve)).toMatchObject({ state: "running" });
    const offered = read(await held);
    expect(offered.apply).toMatchObject([{ target, sha256: "01".repeat(32) }]);
    expect(read(await assignmentOf(second, 0)).apply).toEqual([]);
  });

  test("a reason that is over is not told any longer", async () => {
    const waiting = await author("device", of(second.id));
    expect(waiting).toMatchObject({
      compliance: "in-progress",
      reason: "redis: Waits for Ring 1.",
    });
    await progress(first, "applied");
    await operator("pauseAll", { body: { reason: "to look around" } });
    await operator("resumeAll");
    await server.tick();
    const { components } = await author("device", of(first.id));
    expect(components).toMatchObject([{ compliance: "up-to-date-hotpatched", openCves: [] }]);
    expect(components[0]).not.toHaveProperty("reason");
  });

  test("the next ring follows when the first has it and the soak time is over", async () => {
    await progress(first, "applied");
    expect(await author("rollout", of(rolloutId))).toMatchObject({
      protectedDevices: 1,
      groups: [{ state: "soaking", waitsFor: { code: "soak" } }, { state: "waiting" }, {}, {}, {}],
    });
    const { serial } = read(await assignmentOf(second, 0));
    const [held] = await hold(second, serial);
    server.clock.forward(3_600_000);
    await server.tick();
    expect(read(await held).apply).toMatchObject([{ target }]);
  });

  test("a health signal halts it, raises an alert, and goes to no device more", async () => {
    await progress(second, "reverted", { signal: "crash" });
    expect(await author("rollout", of(rolloutId))).toMatchObject({
      state: "halted",
      halted: { signal: "crash", hostname: "second" },
    });
    const { items } = await author("alerts");
    expect(items.map(({ code }) => code).sort()).toEqual(["health-revert", "rollout-halted"]);
    const [alert] = items;
    const acknowledged = await operator("acknowledgeAlert", of(alert?.id ?? ""));
    expect(acknowledged).toMatchObject({ acknowledgedBy: "operator" });
    expect(read(await assignmentOf(second, 0)).apply).toEqual([]);
  });

  test("it is reverted live where it is", async () => {
    const { serial } = read(await assignmentOf(first, 0));
    const [held] = await hold(first, serial);
    const reason = "it crashes";
    await operator("actOnRollout", { ...of(rolloutId), body: { action: "revert", reason } });
    expect(read(await held)).toMatchObject({ apply: [], revert: [{ target, reason }] });
    await progress(first, "reverted");
    expect(await author("rollout", of(rolloutId))).toMatchObject({ state: "reverted" });
    const report = await author("compliance");
    expect(report).toMatchObject({
      devices: 2,
      counts: { "not-up-to-date": 2 },
      // Two CVEs on each of two devices are two devices.
      cves: ["CVE-2026-1001", "CVE-2026-1002"].map((cve) => {
        return { cve, concerned: 2, protected: 0, exposure: { open: 2 } };
      }),
      exposure: { open: 2 },
    });
  });

  test("the pause of everything reaches whoever waits, and its end too", async () => {
    const { serial } = read(await assignmentOf(first, 0));
    const [held] = await hold(first, serial);
    await operator("pauseAll", { body: { reason: "a bad feeling" } });
    const paused = read(await held);
    expect(paused).toMatchObject({ paused: true, serial: serial + 1 });
    expect(await author("overview")).toMatchObject({ paused: true });
    const [heldAgain] = await hold(first, paused.serial);
    await operator("resumeAll");
    expect(read(await heldAgain).paused).toBe(false);
  });

  test("groups, fixed and dynamic, and the policy for one of them", async () => {
    const draft = { name: "redis machines", scope: { package: "redis" } };
    const dynamic = await author("createGroup", { body: draft });
    expect(dynamic.devices).toBe(2);
    const fixed = await author("createGroup", {
      body: { name: "one machine", deviceIds: [first.id] },
    });
    expect(fixed).toMatchObject({ devices: 1, deviceIds: [first.id] });
    const settings = { ...POLICY_DEFAULT, hotpatch: "block" as const };
    const body = { name: "slowly", groupIds: [fixed.id], precedence: 1, settings };
    const policy = await author("createPolicy", { body: { ...body, gates: GATES_DEFAULT } });
    expect(read(await assignmentOf(first, 0)).policy.hotpatch).toBe("block");
    expect(read(await assignmentOf(second, 0)).policy.hotpatch).toBe("allow");
    expect(await author("device", of(first.id))).toMatchObject({
      policy: { name: "slowly" },
      groups: [{ name: "one machine" }, { name: "redis machines" }],
    });
    await expect(author("removeGroup", of(fixed.id))).rejects.toThrow("in-use");
    await author("removePolicy", of(policy.id));
    await author("removeGroup", of(fixed.id));
    await second.tell({ components: [] });
    expect(await author("groups")).toMatchObject([{ name: "redis machines", devices: 1 }]);
  });

  test("a channel that cannot be trusted keeps what was verified", async () => {
    channelError = new ReleaseError("expired", "timestamp.json", "valid until yesterday");
    await expect(author("refreshCatalog")).rejects.toThrow("channel-not-trusted");
    expect(await author("catalog")).toMatchObject({
      problem: { code: "expired" },
      updates: [{}, {}],
    });
    channelError = undefined;
    updates = [...updates, updateOfSequence(2)];
    const catalog = await author("refreshCatalog");
    expect(catalog.problem).toBeUndefined();
    expect(catalog.updates).toHaveLength(3);
    await server.tick();
    expect(await author("device", of(first.id))).toMatchObject({ openCves: 3 });
  });

  test("everything that people changed is in one unbroken audit log", async () => {
    const auditor = await server.person([Role.auditor]);
    expect(await auditor("verifyAudit")).toMatchObject({ intact: true });
    const { items } = await auditor("audit", { query: { action: "rollout.approve" } });
    expect(items).toMatchObject([{ who: "approver", object: `rollout ${rolloutId}` }]);
    const { database } = server.store;
    await database.updateTable("audit").set({ who: "mallory" }).where("position", "=", 3).execute();
    expect(await auditor("verifyAudit")).toMatchObject({ intact: false, brokenAt: 3 });
  });
});
