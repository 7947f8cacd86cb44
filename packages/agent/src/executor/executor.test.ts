/** The whole executor on real processes: applying, superseding, reverting, and what it tells. */
import { renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { createTestDevice, type RunningExecutor, type TestDevice } from "./executor-fixture.ts";

const ONE = "int one(void) { return 11; }";
const ALL = `${ONE}\nint two(void) { return 22; }\nint three(void) { return 33; }`;

let device: TestDevice;
let executor: RunningExecutor | undefined;
beforeAll(async () => {
  device = await createTestDevice();
  await device.addHotpatch(1, ONE);
  await device.deliver();
});
afterEach(async () => {
  await executor?.stop();
  await device.workshop.endVictims();
  rmSync(device.folders.executor, { recursive: true });
});
afterAll(() => device.close());

type Victim = Awaited<ReturnType<TestDevice["workshop"]["start"]>>;
const answersOf = async (victim: Victim): Promise<string> => {
  victim.send("x\n");
  return await victim.nextLine(/^one/);
};
const hotpatchedOf =
  (count: number) =>
  (status: { components: readonly { hotpatchedProcesses: number; reason: string }[] }) =>
    status.components[0]?.hotpatchedProcesses === count &&
    status.components[0].reason === "newest-applied";

test("stand-alone: the newest goes into all processes, into later ones, and a newer one supersedes it", async () => {
  device.writePolicy();
  const first = await device.workshop.start(device.program, ["2"]);
  const second = await device.workshop.start(device.program, ["1"]);
  executor = await device.start();
  await executor.until(hotpatchedOf(2));
  expect(await answersOf(first)).toBe("one 11 two 2 three 3");
  expect(await answersOf(second)).toBe("one 11 two 2 three 3");
  const third = await device.workshop.start(device.program, ["1"]);
  await executor.until(hotpatchedOf(3));
  expect(await answersOf(third)).toBe("one 11 two 2 three 3");
  await device.addHotpatch(2, ALL);
  await device.deliver();
  const channel = await executor.root.ask("channel-changed", {});
  expect(channel.problem).toBeUndefined();
  const { target } = device.target(2);
  const status = await executor.until(({ progress }) =>
    progress.some((item) => item.target === target && item.state === "applied"),
  );
  expect(status.components[0]).toMatchObject({
    ...{ hotpatch: "fix-2", hotpatchSequence: 2, processes: 3, hotpatchedProcesses: 3 },
    ...{ compliance: "up-to-date-hotpatched", reason: "newest-applied" },
  });
  expect(status.watching.map((watch) => watch.hotpatch)).toEqual(["fix-2"]);
  for (const victim of [first, second, third]) {
    expect(await answersOf(victim)).toBe("one 11 two 22 three 33");
  }
  const { events } = await executor.root.ask("events", { after: 0 });
  expect(events.map(({ kind }) => kind)).toEqual(["started", "applied", "applied", "applied"]);
  const { actions } = await executor.root.ask("remove", { target, reason: "try", dryRun: false });
  expect(actions).toMatchObject([{ action: "revert", outcome: "done" }]);
  for (const victim of [first, second, third]) {
    expect(await answersOf(victim)).toMatch(/^one 11? two 2 three 3$/);
  }
  // The one before is still allowed, and comes back; the removed one does not.
  await executor.until(({ components }) => components[0]?.hotpatch === "fix-1");
  expect(await executor.root.ask("audit-verify", {})).toMatchObject({
    records: expect.any(Number),
  });
  const back = await executor.root.ask("apply", { target, dryRun: false });
  expect(back.actions).toMatchObject([{ action: "apply", outcome: "done", hotpatch: "fix-2" }]);
  expect(await answersOf(first)).toBe("one 11 two 22 three 33");
});

test("without the spool, and after a restart, what was verified once is enough", async () => {
  device.writePolicy();
  const first = await device.workshop.start(device.program, ["1"]);
  executor = await device.start();
  await executor.until(hotpatchedOf(1));
  await executor.stop();
  rmSync(device.folders.spool, { recursive: true });
  executor = await device.start();
  const second = await device.workshop.start(device.program, ["1"]);
  const status = await executor.until(hotpatchedOf(2));
  expect(status.channel).toMatchObject({ problem: { code: "file-missing" } });
  expect(status.components[0]?.hotpatch).toBe("fix-2");
  for (const victim of [first, second]) {
    expect(await answersOf(victim)).toBe("one 11 two 22 three 33");
  }
  await device.deliver();
});

test("a hotpatch that the network half has not brought yet is waited for, and not refused", async () => {
  device.writePolicy();
  await device.workshop.start(device.program, ["1"]);
  const targets = join(device.folders.spool, "targets");
  renameSync(targets, `${targets}.later`);
  executor = await device.start();
  await executor.until(({ components }) => components[0]?.processes === 1);
  const { actions } = await executor.root.ask("apply", { dryRun: false });
  expect(actions).toMatchObject([{ action: "apply", outcome: "not-downloaded" }]);
  const { progress } = await executor.root.ask("status", {});
  expect(progress).toEqual([]);
  renameSync(`${targets}.later`, targets);
  await executor.until(hotpatchedOf(1));
});

test("a clock that is set forward takes nothing away and adds nothing; set back, it goes on", async () => {
  device.writePolicy();
  let offsetMs = 0;
  const now = () => new Date(Date.now() + offsetMs);
  const first = await device.workshop.start(device.program, ["1"]);
  executor = await device.start({ now });
  await executor.until(hotpatchedOf(1));
  offsetMs = 400 * 24 * 3600_000;
  const second = await device.workshop.start(device.program, ["1"]);
  const late = await executor.until(({ components }) => components[0]?.processes === 2);
  expect(late.watching).toHaveLength(1);
  expect(await answersOf(first)).toBe("one 11 two 22 three 33");
  expect(await answersOf(second)).toBe("one 1 two 2 three 3");
  expect((await executor.root.ask("readiness", {})).findings).toMatchObject([
    { reason: "channel-unreachable" },
  ]);
  offsetMs = -3600_000;
  await executor.until(hotpatchedOf(2));
  expect(await answersOf(second)).toBe("one 11 two 22 three 33");
});
