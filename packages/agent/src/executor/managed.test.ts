/** Under a control plane: only what its key assigns to this device happens. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { connectExecutor } from "../executor-client.ts";
import { createTestControl } from "./assignment-fixture.ts";
import { createTestDevice, type RunningExecutor, type TestDevice } from "./executor-fixture.ts";

let device: TestDevice;
let executor: RunningExecutor;
beforeEach(async () => {
  device = await createTestDevice();
  await device.addHotpatch(1, "int one(void) { return 11; }");
  await device.addHotpatch(2, "int one(void) { return 11; }\nint two(void) { return 22; }");
  await device.deliver();
  device.enrol();
});
afterEach(() => device.close());

const assign = async (serial: number, change = {}): Promise<void> => {
  const request = device.control.signed(device.assignment(serial, change));
  const connection = await connectAsNetwork();
  await connection.ask("assignment", request);
  connection.close();
};
/** Whom the kernel would say that whoever connects is: this test is root itself. */
let uid = 0;
const peerOf = () => ({ pid: 1, uid, gid: uid });
const connectAsNetwork = async () => {
  uid = 65534;
  try {
    return await connectExecutor(device.folders.socket);
  } finally {
    uid = 0;
  }
};

test("waits, applies what is assigned, pauses, reverts, and keeps what was assigned", async () => {
  const victim = await device.workshop.start(device.program, ["1"]);
  const answer = async (): Promise<string> => {
    victim.send("x\n");
    return await victim.nextLine(/^one/);
  };
  executor = await device.start({ peerOf });
  const reasonIs = async (reason: string, hotpatch?: string) => {
    const connection = await connectAsNetwork();
    for (;;) {
      const { progress = [], serials } = await connection.ask("state", {});
      const found = progress.find((item) => item.target === device.target(2).target);
      if ((found?.code ?? found?.state) === reason) break;
      await connection.ask("state", { known: serials.change, waitSeconds: 5 });
    }
    connection.close();
    return hotpatch;
  };
  await assign(1, { paused: true, apply: [device.target(2)] });
  await reasonIs("paused");
  expect(await answer()).toBe("one 1 two 2 three 3");
  await assign(2, { apply: [device.target(1), device.target(2)] });
  await reasonIs("applied");
  expect(await answer()).toBe("one 11 two 22 three 3");
  const revert = [{ target: device.target(2).target, reason: "halted" }];
  await assign(3, { apply: [device.target(1)], revert });
  await reasonIs("ordered");
  await expect(assign(2, { apply: [device.target(2)] })).rejects.toThrow("older than the one");
  const other = createTestControl(device.now);
  const forged = other.signed(device.assignment(9, { apply: [device.target(2)] }));
  const connection = await connectAsNetwork();
  await expect(connection.ask("assignment", forged)).rejects.toMatchObject({
    code: "assignment-key",
  });
  await executor.stop();
  executor = await device.start();
  const status = await executor.until(({ components }) => components[0]?.hotpatch === "fix-1");
  expect(status).toMatchObject({ phase: "managed", assignment: { serial: 3 }, paused: false });
  expect(await answer()).toBe("one 11 two 2 three 3");
  await expect(
    executor.root.ask("apply", { target: device.target(2).target, dryRun: false }),
  ).rejects.toMatchObject({ code: "target-not-allowed" });
  const { events } = await executor.root.ask("events", { after: 0 });
  expect(events.filter(({ kind }) => kind === "assignment-refused")).toHaveLength(2);
});

test("an assignment that has expired leaves what is applied, and applies nothing more", async () => {
  const victim = await device.workshop.start(device.program, ["1"]);
  let now = device.now;
  executor = await device.start({
    peerOf,
    now: () => now,
  });
  await assign(1, {
    apply: [device.target(1)],
    expiresAt: new Date(now.getTime() + 3600_000).toISOString(),
  });
  const connection = await connectAsNetwork();
  for (;;) {
    const { progress = [] } = await connection.ask("state", {});
    if (progress[0]?.state === "applied") break;
  }
  now = new Date(now.getTime() + 2 * 3600_000);
  await executor.stop();
  executor = await device.start({ now: () => now });
  const later = await device.workshop.start(device.program, ["1"]);
  const status = await executor.until(({ components }) => components[0]?.processes === 2);
  expect(status.components[0]).toMatchObject({
    ...{ reason: "assignment-expired", hotpatchedProcesses: 1 },
  });
  victim.send("x\n");
  expect(await victim.nextLine(/^one/)).toBe("one 11 two 2 three 3");
  later.send("x\n");
  expect(await later.nextLine(/^one/)).toBe("one 1 two 2 three 3");
});
