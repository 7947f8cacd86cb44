/**
 * SIGKILL of the executor at each of its steps, then a new one: nothing is applied twice, nothing
 * is lost, and the processes never notice.
 *
 * The steps are not listed here: a run that is not killed tells them.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { isRefusal, openEngine } from "@suture/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { EXECUTOR_RUN, type ExecutorJob } from "../../../../test/live/executor-run.ts";
import type { StatusAnswer } from "../messages.ts";
import {
  connectWhenThere,
  createTestDevice,
  type RunningExecutor,
  type TestDevice,
  untilStatus,
} from "./executor-fixture.ts";

type Victim = Awaited<ReturnType<TestDevice["workshop"]["start"]>>;
type Step = NonNullable<ExecutorJob["at"]>;

let device: TestDevice;
let executor: RunningExecutor | undefined;
let child: ChildProcess | undefined;
let log: string;
const OLD = "one 1 two 2 three 3";
const NEW = "one 11 two 2 three 3";

beforeAll(async () => {
  device = await createTestDevice();
  await device.addHotpatch(1, "int one(void) { return 11; }");
  await device.deliver();
  log = join(device.workshop.folder, "log");
  const logPatterns = [{ file: log, pattern: "corrupted" }];
  device.writePolicy({ health: { hours: 48, logPatterns } });
});
afterEach(async () => {
  child?.kill("SIGKILL");
  await executor?.stop();
  executor = undefined;
  await device.workshop.endVictims();
});
afterAll(() => device.close());

const startVictims = async (): Promise<Victim[]> => {
  rmSync(device.folders.executor, { recursive: true, force: true });
  writeFileSync(log, "");
  return [
    await device.workshop.start(device.program, ["1"]),
    await device.workshop.start(device.program, ["1"]),
  ];
};

/** Starts an executor that kills itself there; the steps it prints. */
function startKilled(at?: Step): { steps: string[]; ended: Promise<unknown> } {
  const job = { root: device.root, processFolder: device.workshop.folder, ...(at && { at }) };
  child = spawn(process.execPath, [EXECUTOR_RUN, JSON.stringify(job)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const steps: string[] = [];
  if (child.stdout === null) throw new Error("no output");
  createInterface({ input: child.stdout }).on("line", (line) => steps.push(line.slice(5)));
  return { steps, ended: once(child, "exit") };
}

const isApplied = ({ components }: StatusAnswer): boolean =>
  components[0]?.hotpatchedProcesses === 2 && components[0].reason === "newest-applied";
const isTakenBack = ({ components, progress }: StatusAnswer): boolean =>
  components[0]?.hotpatchedProcesses === 0 &&
  components[0].reason === "no-window" &&
  progress.some(({ state }) => state === "restart-pending");

/** What is in the processes: exactly these hotpatches, each once and in force. */
function hotpatchesIn(victims: readonly Victim[]): string[] {
  const engine = openEngine({ lockFolder: join(device.root, "run/suture/lock") });
  return victims.map(({ pid }) => {
    const status = engine.status(pid);
    if (isRefusal(status)) return status.refused;
    return status.map(({ id, inForce }) => `${id} ${inForce}`).join();
  });
}

async function answersOf(victims: readonly Victim[]): Promise<string[]> {
  const answers: string[] = [];
  for (const victim of victims) {
    victim.send("x\n");
    answers.push(await victim.nextLine(/^one/));
  }
  return answers;
}

/** The engine's steps have tests of their own (test/live/killed.test.ts): two of them are enough. */
const isOfInterest = ({ step, nth }: Step): boolean =>
  EXECUTOR_STEPS.includes(step) || (["mapped", "switched"].includes(step) && nth === 1);
const EXECUTOR_STEPS = [
  ...["journal-written", "intent", "applied"],
  ...["audit-written", "noted", "reverted-all"],
];

/** The steps of a run that applies and then takes back, each with its number. */
async function stepsOfWholeRun(): Promise<{ apply: Step[]; takeBack: Step[] }> {
  await startVictims();
  const { steps, ended } = startKilled();
  const connection = await connectWhenThere(device.folders.socket, ended);
  await untilStatus(connection, isApplied);
  const { length } = steps;
  writeFileSync(log, "corrupted\n");
  await untilStatus(connection, isTakenBack);
  connection.close();
  child?.kill("SIGTERM");
  await ended;
  const numbered = steps.map((step, index) => {
    return { step, nth: steps.slice(0, index + 1).filter((name) => name === step).length };
  });
  await device.workshop.endVictims();
  const apply = numbered.slice(0, length).filter(isOfInterest);
  return { apply, takeBack: numbered.slice(length).filter(isOfInterest) };
}

test("killed at each step", async () => {
  const { apply, takeBack } = await stepsOfWholeRun();
  expect(new Set(apply.map(({ step }) => step))).toContain("intent");
  expect(new Set(takeBack.map(({ step }) => step))).toContain("reverted-all");
  for (const at of [...apply, ...takeBack]) {
    const name = `killed at ${at.step}, the ${at.nth}. time`;
    const isApply = apply.includes(at);
    const victims = await startVictims();
    const { ended } = startKilled(at);
    if (!isApply) {
      const connection = await connectWhenThere(device.folders.socket, ended);
      await untilStatus(connection, isApplied);
      connection.close();
      writeFileSync(log, "corrupted\n");
    }
    expect(await ended, name).toEqual([null, "SIGKILL"]);
    executor = await device.start();
    if (isApply) {
      await executor.until(isApplied);
      expect(hotpatchesIn(victims), name).toEqual(["fix-1 true", "fix-1 true"]);
      expect(await answersOf(victims), name).toEqual([NEW, NEW]);
      const { watching } = await executor.root.ask("status", {});
      expect(watching[0]?.pids, name).toEqual(victims.map(({ pid }) => pid));
      writeFileSync(log, "corrupted\n");
    }
    await executor.until(isTakenBack);
    expect(hotpatchesIn(victims), name).toEqual(["", ""]);
    expect(await answersOf(victims), name).toEqual([OLD, OLD]);
    const { events } = await executor.root.ask("events", { after: 0 });
    const count = (kind: string) => events.filter((event) => event.kind === kind).length;
    expect([count("applied"), count("health-signal")], name).toEqual([1, 1]);
    expect(events.map(({ serial }) => serial)).toEqual(events.map((_, index) => index + 1));
    expect(await executor.root.ask("audit-verify", {}), name).not.toHaveProperty("problem");
    await executor.stop();
    executor = undefined;
    await device.workshop.endVictims();
  }
}, 600_000);
