/** What a person at the machine asks the agent: each command, on a real executor and a real process. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  createTestDevice,
  type RunningExecutor,
  type TestDevice,
} from "../../packages/agent/src/executor/executor-fixture.ts";
import type { Victim } from "../live/victim.ts";
import { type CommandResult, runSuture } from "./suture-command.ts";

const canRun = process.geteuid?.() === 0 && spawnSync("gcc", ["--version"]).status === 0;
if (!canRun) {
  if (process.env.CI) throw new Error("root and gcc are needed for an agent and its target");
  console.warn("SKIPPED: root and gcc are needed for an agent and its target");
}

describe.runIf(canRun)("a person at the machine", () => {
  let device: TestDevice;
  let executor: RunningExecutor;
  let victim: Victim;
  const suture = (...words: string[]): Promise<CommandResult> =>
    runSuture([...words, "--root", device.root]);
  const reasonOf = ({ answer }: CommandResult): unknown =>
    (answer.error as { reason: string } | undefined)?.reason;
  const answers = async (): Promise<string> => {
    victim.send("x\n");
    return await victim.nextLine(/^one/);
  };

  beforeAll(async () => {
    device = await createTestDevice();
    await device.addHotpatch(1, "int one(void) { return 11; }");
    await device.deliver();
    // Hotpatches wait for a window, and there is none: what happens is what a person asks for.
    device.writePolicy({ hotpatchInWindowOnly: true, windows: [] });
    victim = await device.workshop.start(device.program, ["1"]);
  }, 60_000);
  afterAll(async () => await device.close());

  test.each([
    ["readiness"],
    ["show --available"],
    ["apply --dry-run"],
    ["history"],
    ["audit verify"],
  ])("suture %s without an agent fails and says how to start it", async (words) => {
    const result = await suture(...words.split(" "));
    expect(result.code).toBe(1);
    expect(reasonOf(result)).toBe("not-running");
  });

  test("the status of one process is that of the process alone", async () => {
    const { code, answer } = await runSuture(["status", "--pid", `${victim.pid}`]);
    expect(code).toBe(0);
    expect(answer).toHaveProperty("processes");
    expect(answer).not.toHaveProperty("agent");
  });

  test("sees what is there, applies, takes back, and finds all of it in the history", async () => {
    executor = await device.start();
    await executor.until(({ components }) => components.length > 0);
    const { target } = device.target(1);
    expect((await suture("readiness")).code).toBe(0);
    const shown = await suture("show", "--available");
    expect(shown.answer.updates).toMatchObject([
      { kind: "baseline", applicable: true },
      { kind: "hotpatch", target, applicable: true, allowed: true },
    ]);

    const dry = await suture("apply", "--dry-run");
    expect(dry.answer.actions).toMatchObject([{ action: "apply", outcome: "would-do" }]);
    expect(await answers()).toBe("one 1 two 2 three 3");

    const applied = await suture("apply", "--target", target);
    expect(applied.answer.actions).toMatchObject([{ action: "apply", outcome: "done" }]);
    expect(await answers()).toBe("one 11 two 2 three 3");
    const status = await suture("status", "--pid", `${victim.pid}`);
    expect(status.answer.processes).toMatchObject([{ hotpatches: [{ id: "fix-1" }] }]);
    const { components } = status.answer.agent as { components: { hotpatch?: string }[] };
    expect(components.map(({ hotpatch }) => hotpatch)).toContain("fix-1");

    const removed = await suture("remove", target, "--reason", "slower since");
    expect(removed.answer.actions).toMatchObject([{ action: "revert", outcome: "done" }]);
    expect(await answers()).toBe("one 1 two 2 three 3");
    expect((await suture("history", "--count", "1")).answer.records).toHaveLength(1);
    const history = await suture("history");
    const records = history.answer.records as readonly { what: string; who: string }[];
    expect(records.filter(({ who }) => who === "root").map(({ what }) => what)).toEqual(
      expect.arrayContaining(["applied", "reverted"]),
    );
  }, 90_000);

  test("a target that the channel does not have is refused", async () => {
    const { target } = device.target(1);
    const result = await suture("apply", "--target", target.replace(".1.", ".9."));
    expect(result.code).toBe(3);
  });

  test.each([
    [["show"], "what is to be shown"],
    [["remove"], "TARGET is missing"],
    [["remove", "x/y/z"], "--reason is missing"],
    [["history", "--count", "0"], "--count 0"],
    [["readiness", "now"], "takes options only"],
    [["agent", "run", "--half", "left"], "network or executor"],
    [["agent", "enroll", "--token", "t"], "--server is missing"],
  ] as const)("suture %s is a wrong command line", async (words, complaint) => {
    const result = await suture(...words);
    expect(result.code).toBe(2);
    expect((result.answer.error as { detail: string }).detail).toContain(complaint);
  });

  test("a changed record is found", async () => {
    expect((await suture("audit", "verify")).code).toBe(0);
    const folder = device.folders.executor;
    const name = readdirSync(folder).find((entry) => entry.startsWith("audit")) ?? "";
    const path = join(folder, name);
    writeFileSync(path, readFileSync(path, "utf8").replace("slower since", "faster since"));
    const result = await suture("audit", "verify");
    expect(result.code).toBe(1);
    expect(reasonOf(result)).toBe("audit-damaged");
  });
});
