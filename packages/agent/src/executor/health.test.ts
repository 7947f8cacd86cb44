/** Bad hotpatches on real processes: each is noticed, taken back live, and stays away. */
import {
  appendFileSync,
  chmodSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { HealthSignal, HealthWatch } from "@suture/contract";
import { openEngine } from "@suture/engine";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createTestDevice, type RunningExecutor, type TestDevice } from "./executor-fixture.ts";

let device: TestDevice;
let executor: RunningExecutor | undefined;
let open: string;
beforeEach(async () => {
  device = await createTestDevice();
  open = mkdtempSync(join(tmpdir(), "suture-open-"));
  chmodSync(open, 0o755);
});
afterEach(async () => {
  await executor?.stop();
  await device.close();
  rmSync(open, { recursive: true });
});

type Source = string | ((pid: number | undefined) => string);

async function begin(source: Source, health: Partial<HealthWatch>, dynamic: string[] = []) {
  device.writePolicy({ health: { hours: 48, ...health } });
  const victims = [
    await device.workshop.start(device.program, ["1"]),
    await device.workshop.start(device.program, ["1"]),
  ];
  const text = typeof source === "string" ? source : source(victims[0]?.pid);
  await device.addHotpatch(1, text, dynamic);
  await device.deliver();
  executor = await device.start({ processorWindowMs: 1000 });
  return { victims, executor };
}

/** Waits for the signal; all that is left runs the old code, also what is started later. */
async function untilTakenBack(
  running: RunningExecutor,
  signal: HealthSignal,
  hasLater = true,
): Promise<string> {
  const { target } = device.target(1);
  const later = hasLater ? await device.workshop.start(device.program, ["1"]) : undefined;
  const status = await running.until(
    ({ progress, components }) =>
      progress.some((item) => item.target === target && item.signal === signal) &&
      components.some(({ hotpatchedProcesses, pids }) => {
        return hotpatchedProcesses === 0 && (later === undefined || pids.includes(later.pid));
      }),
  );
  later?.send("x\n");
  expect(await later?.nextLine(/^one/)).toBe(later && "one 1 two 2 three 3");
  expect(status.watching).toEqual([]);
  expect(status.components[0]).toMatchObject({
    compliance: "restart-pending",
    reason: "no-window",
  });
  const { events } = await running.root.ask("events", { after: 0 });
  const alarm = events.find(({ kind }) => kind === "health-signal");
  expect(alarm).toMatchObject({ target, code: signal });
  const applied = events.findIndex(({ kind }) => kind === "applied");
  expect(applied).toBeLessThan(events.findIndex(({ kind }) => kind === "health-signal"));
  expect(await running.root.ask("audit-verify", {})).not.toHaveProperty("problem");
  return alarm?.detail ?? "";
}

test("memory that grows", async () => {
  const leak = `void *malloc(unsigned long);
int one(void) {
  static int calls;
  if (++calls % 512 == 0) *(volatile char *)malloc(4096) = 1;
  return 11;
}`;
  const { victims, executor } = await begin(leak, { memoryRatioMax: 2 }, ["malloc"]);
  expect(await untilTakenBack(executor, "memory-growth")).toMatch(/MiB resident, [\d.]+ times/);
  for (const victim of victims) {
    victim.send("x\n");
    expect(await victim.nextLine(/^one/)).toBe("one 1 two 2 three 3");
  }
});

test("processor time", async () => {
  const busy = `int one(void) {
  for (volatile int i = 0; i < 20000; i++) ;
  return 11;
}`;
  const { executor } = await begin(busy, { processorRatioMax: 1 });
  expect(await untilTakenBack(executor, "processor-time")).toMatch(/of a processor for \d+ s/);
});

test("a crash of one process takes it out of the other", async () => {
  // Not at once: the watch begins when all have the hotpatch.
  const crash = (pid: number | undefined) => `extern int getpid(void);
int one(void) {
  static int calls;
  return getpid() == ${pid} && ++calls > 10000 ? 5 : 11;
}`;
  const { victims, executor } = await begin(crash, {}, ["getpid"]);
  // Another one that takes its place would make it a restart.
  expect(await untilTakenBack(executor, "crash", false)).toContain("ended");
  expect(victims[0]?.ending()).toBe("SIGABRT");
  victims[1]?.send("x\n");
  expect(await victims[1]?.nextLine(/^one/)).toBe("one 1 two 2 three 3");
});

test("a crash while it is applied keeps it from the others", async () => {
  device.writePolicy();
  const victim = await device.workshop.start(device.program, ["1"]);
  await device.addHotpatch(1, "int one(void) { return 5; }");
  await device.deliver();
  const faultPoint = (name: string) => {
    if (name === "resumed") while (!hasEnded(victim.pid));
  };
  const lockFolder = join(device.root, "lock");
  executor = await device.start({ engine: openEngine({ lockFolder, faultPoint }) });
  await device.workshop.start(device.program, ["1"]);
  const status = await executor.until(({ components: [only] }) => only?.reason === "no-window");
  expect(victim.ending()).toBe("SIGABRT");
  expect(status.components).toMatchObject([{ processes: 1, hotpatchedProcesses: 0 }]);
  const { events } = await executor.root.ask("events", { after: 0 });
  expect(events.map(({ kind, code }) => [kind, code])).toEqual([
    ["started", undefined],
    ["health-signal", "crash"],
    ["restart-pending", "no-window"],
  ]);
});

const hasEnded = (pid: number): boolean =>
  /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));

test("a restart", async () => {
  const { victims, executor } = await begin("int one(void) { return 11; }", {});
  await executor.until(({ watching }) => watching[0]?.pids.length === 2);
  await victims[0]?.kill();
  await untilTakenBack(executor, "restart");
  victims[1]?.send("x\n");
  expect(await victims[1]?.nextLine(/^one/)).toBe("one 1 two 2 three 3");
});

test("a line in a log", async () => {
  const log = join(open, "log");
  writeFileSync(log, "corrupted before\n");
  const logPatterns = [{ file: log, pattern: "corrupted" }];
  const { executor } = await begin("int one(void) { return 11; }", { logPatterns });
  await executor.until(({ watching }) => watching.length === 1);
  appendFileSync(log, "all is well\ndata corrupted now\n");
  expect(await untilTakenBack(executor, "log-pattern")).toContain("data corrupted now");
});

test("a probe that fails", async () => {
  const flag = join(open, "flag");
  const probe = {
    command: ["/bin/sh", "-c", `if [ -e ${flag} ]; then echo broken; exit 1; fi`],
    ...{ everySeconds: 1, timeoutSeconds: 5 },
  };
  const { executor } = await begin("int one(void) { return 11; }", { probe });
  await executor.until(({ watching }) => watching.length === 1);
  writeFileSync(flag, "");
  expect(await untilTakenBack(executor, "probe")).toContain("broken");
});

test("a probe that fails before holds the hotpatch back", async () => {
  const probe = { command: ["/bin/false"], everySeconds: 1, timeoutSeconds: 5 };
  const { executor } = await begin("int one(void) { return 11; }", { probe });
  const status = await executor.until(({ components }) => components[0]?.reason === "retry-later");
  expect(status.progress).toMatchObject([{ state: "refused", code: "probe-failed-before" }]);
  expect(status.components[0]?.hotpatchedProcesses).toBe(0);
});

test("the watch ends after its time, and the hotpatch stays", async () => {
  const { executor } = await begin("int one(void) { return 11; }", { hours: 0.0003 });
  const status = await executor.until(({ progress }) => progress[0]?.state === "succeeded");
  expect(status.watching).toEqual([]);
  expect(status.components[0]?.hotpatchedProcesses).toBe(2);
});
