/**
 * The traditional update on real processes. The package manager is a script that replaces the
 * program's file, as dpkg does; the service manager one that ends the old process and starts anew.
 */
import { copyFileSync, renameSync } from "node:fs";
import { join } from "node:path";
import type { PolicySettings } from "@suture/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type CommandRequest, type RunCommand, runCommand } from "../inventory/command-runner.ts";
import { createTestDevice, type RunningExecutor, type TestDevice } from "./executor-fixture.ts";

type Victim = Awaited<ReturnType<TestDevice["workshop"]["start"]>>;

let device: TestDevice;
let executor: RunningExecutor | undefined;
let commands: string[];
/** What `systemctl restart` would end and start. */
let service: Victim | undefined;
let installed: string;
const open = [{ days: [0, 1, 2, 3, 4, 5, 6], begin: "00:00", end: "00:00" }];

beforeEach(async () => {
  device = await createTestDevice();
  commands = [];
  // What no hotpatch can be applied to: the code that it replaces is another.
  await device.addHotpatch(1, "int one(void) { return 11; }");
  await device.deliver();
  installed = join(device.workshop.folder, "installed");
  copyFileSync(device.program, installed);
});
afterEach(async () => {
  await executor?.stop();
  await device.close();
});

/** dpkg-query and apt-get as the executor calls them, for a package that owns `installed`. */
const run: (isNewer: boolean) => RunCommand = (isNewer) => async (request: CommandRequest) => {
  const { command } = request;
  const text = command.join(" ");
  const says = (output: string, status = 0) => ({ status, output, timedOut: false });
  if (command[0] === "dpkg-query" && command[1] === "--search")
    return says(`answers: ${installed}\n`);
  if (command[0] === "dpkg-query") return says("answers\tanswers\t1.0\n");
  commands.push(text);
  if (command[0] === "apt-get") {
    if (!isNewer) return says("answers is already the newest version");
    device.workshop.compile(
      "newer",
      `#include <stdio.h>
#include <unistd.h>
int main(void) { printf("ready new\\n"); fflush(stdout); pause(); return 0; }`,
    );
    renameSync(join(device.workshop.folder, "newer"), installed);
    return says("Unpacking answers (1.1)");
  }
  if (text === "/usr/bin/again") {
    await service?.kill();
    service = await device.workshop.start(installed, []);
    return says("");
  }
  return await runCommand(request);
};

async function begin(policy: Partial<PolicySettings>, isNewer = true): Promise<RunningExecutor> {
  const { writeFileSync } = await import("node:fs");
  const { dirname } = await import("node:path");
  const restart = { commands: [{ file: installed, command: ["/usr/bin/again"] }] };
  writeFileSync(join(dirname(device.folders.settings), "restart.json"), JSON.stringify(restart));
  device.writePolicy({ hotpatch: "block", ...policy });
  service = await device.workshop.start(installed, ["1"]);
  executor = await device.start({ run: run(isNewer) });
  return executor;
}
const install =
  "apt-get install --only-upgrade --yes --quiet --option=Dpkg::Options::=--force-confold -- answers";

test("in the window: installs, restarts what still runs the old file, and that is that", async () => {
  const running = await begin({ windows: open });
  const { target } = device.target(1);
  const status = await running.until(({ progress }) => progress[0]?.state === "restarted");
  expect(status.progress[0]).toMatchObject({ target, state: "restarted" });
  expect(status.components).toEqual([]);
  expect(commands).toEqual([install, "/usr/bin/again"]);
  const { events } = await running.root.ask("events", { after: 0 });
  expect(events.map(({ kind }) => kind)).toEqual(["started", "restart", "traditional-update"]);
});

test("without a window: Restart pending, and no command", async () => {
  const running = await begin({ hotpatch: "allow", windows: [] });
  await running.until(({ components }) => components[0]?.reason === "newest-applied");
  await running.root.ask("remove", {
    target: device.target(1).target,
    reason: "try",
    dryRun: false,
  });
  await running.until(({ components }) => components[0]?.reason === "barred");
  expect(commands).toEqual([]);
  expect(service?.exited()).toBe(false);
});

test("nothing newer: tried again later, not at once", async () => {
  const running = await begin({ windows: open }, false);
  const status = await running.until(({ components }) => components[0]?.reason === "update-failed");
  expect(status.components[0]?.compliance).toBe("restart-pending");
  expect(status.progress[0]).toMatchObject({ code: "update-failed" });
  expect(commands).toEqual([install]);
  expect(service?.exited()).toBe(false);
});

test("never: nothing is installed and nothing restarted", async () => {
  const running = await begin({ windows: open, restart: "never" });
  const status = await running.until(({ components }) => components.length === 1);
  expect(status.components[0]?.reason).toBe("hotpatch-blocked");
  expect(commands).toEqual([]);
});

test("a dry run says what it would do", async () => {
  const running = await begin({ windows: [] });
  await running.until(({ components }) => components.length === 1);
  const { actions } = await running.root.ask("apply", { dryRun: true });
  expect(actions).toMatchObject([{ action: "traditional-update", outcome: "would-do" }]);
  expect(commands).toEqual([]);
});
