/**
 * A rollout in which everything is killed at least once: the server, whole agents, single halves.
 * In the end each program has the hotpatch, once, and none went down.
 */
import { describe, expect, test } from "vitest";
import { allWithFleet, canOpenFleet } from "./fleet-fixture.ts";
import { type Fleet, type Machine, pidsOfHalf, says, untilRollout, values } from "./fleet-scene.ts";
import { runSuture } from "./suture-command.ts";
import { until } from "./until.ts";

describe.runIf(canOpenFleet())("a fleet in which everything is killed", () => {
  let fleet: Fleet;
  allWithFleet((opened) => {
    fleet = opened;
  });

  test("rolls a hotpatch out all the same", async () => {
    const [first, second, third] = fleet.machines as [Machine, Machine, Machine];
    const target = await fleet.publish("fixed");
    const id = await fleet.rollOut("fixed", target);
    // The server at the moment at which the first ring is offered it.
    fleet.killServer();
    // A whole agent, and halves of others whose supervisor starts them again.
    first.agent.kill();
    killHalf(second, "network");
    killHalf(third, "executor");
    await fleet.startServer();
    first.startAgent();
    await says(first, values.fixed);
    // While the first machine's hotpatch is being watched.
    killHalf(first, "executor");
    killHalf(first, "network");
    fleet.killServer();
    await fleet.startServer();
    await says(second, values.fixed);
    second.agent.kill();
    second.startAgent();
    await says(third, values.fixed);
    const { groups } = await untilRollout(fleet, id, ["completed", "halted"]);
    expect((await fleet.rollout(id)).state).toBe("completed");
    expect(groups.map(({ devices }) => devices)).toEqual([1, 2]);
  }, 240_000);

  test("each program has it once, and none went down", async () => {
    for (const { victim, root } of fleet.machines) {
      expect(victim.ending()).toBeUndefined();
      // Its value changed once: nothing was taken back and put in again.
      expect(victim.unread().filter((line) => line.startsWith("value"))).toEqual([]);
      const audit = await until("the executor is back", 30_000, async () => {
        const result = await runSuture(["audit", "verify", "--root", root]);
        const { reason } = (result.answer.error ?? {}) as { reason?: string };
        return reason === "not-running" ? undefined : result.answer;
      });
      expect(audit).toMatchObject({ ok: true });
      const history = await runSuture(["history", "--count", "200", "--root", root]);
      const records = history.answer.records as { what: string; detail: unknown }[];
      // Told, and found done once more where the kill came between the log and the journal.
      expect(records.some(saysApplied)).toBe(true);
      expect(records.filter(({ what }) => what === "applied").length).toBeLessThanOrEqual(1);
    }
    const auditor = await fleet.plane().as("auditor");
    expect((await auditor("verifyAudit")).intact).toBe(true);
    const viewer = await fleet.viewer();
    for (const { deviceId } of fleet.machines) {
      const { items } = await viewer("deviceEvents", { params: { id: deviceId }, query: {} });
      expect(items.filter(({ kind }) => kind === "applied")).toHaveLength(1);
    }
  }, 60_000);
});

/** Told by whoever did it, or by its successor, who found it done. */
function saysApplied({
  what,
  detail,
}: {
  readonly what: string;
  readonly detail: unknown;
}): boolean {
  if (what === "applied") return true;
  const { act, outcome } = detail as { readonly act?: string; readonly outcome?: string };
  return what === "recovered" && act === "apply" && outcome === "done";
}

function killHalf(machine: Machine, half: "executor" | "network"): void {
  for (const pid of pidsOfHalf(machine, half)) process.kill(pid, "SIGKILL");
}
