/**
 * The whole product in separate processes: a server on PostgreSQL, three agents with their own
 * folders and programs that run, a rollout through two rings. What is in force is asked of the
 * programs themselves.
 */
import { describe, expect, test } from "vitest";
import { allWithFleet, canOpenFleet } from "./fleet-fixture.ts";
import { type Fleet, says, untilRollout, values } from "./fleet-scene.ts";
import { runSuture } from "./suture-command.ts";
import { until } from "./until.ts";

describe.runIf(canOpenFleet())("a fleet of three", () => {
  let fleet: Fleet;
  allWithFleet((opened) => {
    fleet = opened;
  });

  test("all machines are ready, each with its own program", async () => {
    for (const { deviceId } of fleet.machines) {
      const device = await until("the device is ready", 60_000, async () => {
        const viewer = await fleet.viewer();
        const found = await viewer("device", { params: { id: deviceId } });
        return found.readiness === "ready" ? found : undefined;
      });
      const own = device.components.filter(({ file }) => file.endsWith("/worker"));
      expect(own.map(({ processes }) => processes)).toEqual([1]);
      expect(device.connected).toBe(true);
    }
  }, 90_000);

  test("a hotpatch that leaks is stopped at the first ring and reverted live", async () => {
    const [first, second, third] = fleet.machines as [never, never, never];
    const target = await fleet.publish("leaking");
    const id = await fleet.rollOut("leaking", target);
    await says(first, values.leaking);
    const rollout = await untilRollout(fleet, id, ["halted", "completed"]);
    expect(rollout).toMatchObject({ state: "halted", halted: { signal: "memory-growth" } });
    await says(first, values.original);
    const viewer = await fleet.viewer();
    const devices = await viewer("rolloutDevices", { params: { id }, query: {} });
    expect(devices.items.map(({ state }) => state).sort()).toEqual([
      ...["reverted", "waiting", "waiting"],
    ]);
    expect(unreadOf(second)).toEqual([]);
    expect(unreadOf(third)).toEqual([]);
  }, 180_000);

  test("the fixed one goes through both rings, first the one and then the other", async () => {
    const target = await fleet.publish("fixed");
    const id = await fleet.rollOut("fixed", target);
    for (const machine of fleet.machines) await says(machine, values.fixed);
    const { groups } = await untilRollout(fleet, id, ["completed"]);
    const [test, last] = groups;
    expect(Date.parse(last?.beganAt ?? "")).toBeGreaterThanOrEqual(
      Date.parse(test?.completedAt ?? "never"),
    );
    await until("each watch has ended well", 60_000, async () => {
      const viewer = await fleet.viewer();
      const { items } = await viewer("rolloutDevices", { params: { id }, query: {} });
      return items.every(({ state }) => state === "succeeded") ? items : undefined;
    });
  }, 180_000);

  test("no program went down, and each machine's record is whole", async () => {
    for (const { victim, root, name } of fleet.machines) {
      expect(victim.ending()).toBeUndefined();
      const audit = await runSuture(["audit", "verify", "--root", root]);
      expect(audit.answer.ok).toBe(true);
      const history = await runSuture(["history", "--count", "100", "--root", root]);
      const records = history.answer.records as { what: string }[];
      const applied = records.filter(({ what }) => what === "applied").length;
      // Nothing twice: the leaking one and the fixed one in the first ring, else the fixed one.
      expect(applied).toBe(name === "first" ? 2 : 1);
    }
    const auditor = await fleet.plane().as("auditor");
    expect((await auditor("verifyAudit")).intact).toBe(true);
  }, 60_000);
});

const unreadOf = ({ victim }: Fleet["machines"][number]): readonly string[] => victim.unread();
