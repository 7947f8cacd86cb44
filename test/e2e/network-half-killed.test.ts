/**
 * The network half as a process of another user, killed at each of its steps: when it is started
 * again nothing is lost and nothing comes twice.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { foldersBelow } from "../../packages/agent/src/folders.ts";
import {
  createTestChannel,
  type TestChannel,
} from "../../packages/agent/src/network/channel-fixture.ts";
import {
  type ControlPlane,
  startControlPlane,
} from "../../packages/agent/src/network/control-plane-fixture.ts";
import {
  startTestExecutor,
  type TestExecutor,
  testComponent,
  testEvent,
  testFacts,
} from "../../packages/agent/src/network/socket-executor-fixture.ts";
import { writeRootFile } from "../../packages/agent/src/root-files.ts";
import { runSuture } from "./suture-command.ts";

const main = fileURLToPath(new URL("../../packages/cli/src/main.ts", import.meta.url));
const nobody = 65534;
const isRoot = process.getuid?.() === 0;
if (!isRoot) {
  if (process.env.CI) throw new Error("root is needed to start the network half as another user");
  console.warn("SKIPPED: root is needed to start the network half as another user");
}

let root: string;
let plane: ControlPlane;
let executor: TestExecutor;
let channel: TestChannel;
const children: ChildProcess[] = [];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "suture-killed-"));
  // Its user has to reach its own folders below.
  chmodSync(root, 0o711);
  plane = await startControlPlane();
  const { buildId } = testComponent();
  channel = await createTestChannel({ folder: join(root, "repository"), buildId, now: new Date() });
  await channel.publishHotpatch(1, Buffer.from("first"));
  writeFileSync(join(root, "root.json"), channel.root);
  executor = await startTestExecutor(foldersBelow(root).socket);
});

afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await executor.close();
  await plane.close();
  rmSync(root, { recursive: true });
});

const enrol = (faultPoint?: string) =>
  runSuture(
    [
      ...["agent", "enroll", "--server", plane.address, "--token", plane.token],
      ...["--channel-root", join(root, "root.json"), "--root", root],
      ...["--user", `${nobody}:${nobody}`],
    ],
    { env: { ...(faultPoint && { SUTURE_FAULT_POINT: faultPoint }) } },
  );

/** The channel is a folder here; the server of the test has none. */
async function channelIsFolder(): Promise<void> {
  const { settings } = foldersBelow(root);
  const [[deviceId] = []] = plane.devices;
  const keyDigest = plane.token.split(".")[2];
  const control = { server: plane.address, deviceId, keyDigest };
  await writeRootFile(settings, Buffer.from(JSON.stringify({ channel: channel.folder, control })));
}

function start(faultPoint?: string): Promise<NodeJS.Signals | null> {
  const args = ["agent", "run", "--half", "network", "--root", root, "--start-within", "0"];
  const child = spawn(process.execPath, ["--single-threaded", main, ...args], {
    stdio: ["ignore", "ignore", "inherit"],
    cwd: "/",
    uid: nobody,
    gid: nobody,
    env: { ...process.env, ...(faultPoint && { SUTURE_FAULT_POINT: faultPoint }) },
  });
  children.push(child);
  return new Promise((resolve) => child.once("exit", (_, signal) => resolve(signal)));
}

const spooledTargets = (): string[] => {
  const folder = join(foldersBelow(root).spool, "targets");
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map(({ name }) => name);
};

describe.runIf(isRoot)("the network half", () => {
  test.each(["device-key-kept", "enrolment-answered", "enrolment-kept"])(
    "killed at %s of the enrolment is one device in the end",
    async (faultPoint) => {
      const killed = await enrol(faultPoint);
      expect(killed.answer.ok).toBe(false);
      expect(existsSync(foldersBelow(root).settings)).toBe(false);
      const whole = await enrol();
      expect(whole.answer.error).toBeUndefined();
      expect([...plane.devices.keys()]).toEqual([whole.answer.deviceId]);
    },
    60_000,
  );

  test.each([
    "spooled metadata/timestamp.json",
    "spooled metadata/snapshot.json",
    "channel-trusted",
    "spooled target",
    "channel-told",
    "check-in-serial-kept",
    "check-in-answered",
    "check-in-kept",
    "assignment-came",
    "assignment-delivered",
  ])(
    "killed at %s loses nothing and tells nothing twice",
    async (faultPoint) => {
      expect((await enrol()).answer.ok).toBe(true);
      await channelIsFolder();
      executor.facts = testFacts({ components: [testComponent({ processes: 3 })] });
      executor.events.push(...[1, 2, 3, 4, 5].map(testEvent));
      const target = channel.targetOf(1);
      executor.progress = [{ target, state: "applied", at: "2026-11-22T10:00:00.000Z" }];
      const sha256 = createHash("sha256").update("first").digest("hex");
      const { document } = plane.assign({ apply: [{ target, sha256 }] });
      expect(await start(faultPoint)).toBe("SIGKILL");
      void start();
      await plane.until(() => plane.device().assignmentInForce === 1);
      await plane.until(() => plane.device().events.length === 5);
      await plane.until(() => plane.device().progress.size === 1);
      await executor.until(() => executor.channelChanges > 0 && spooledTargets().length === 1);
      expect(plane.device().facts).toEqual(executor.facts);
      expect(plane.device().events.map(({ serial }) => serial)).toEqual([1, 2, 3, 4, 5]);
      expect(executor.assignments.map((assignment) => assignment.document)).toEqual([document]);
      expect(spooledTargets()).toEqual([`${sha256}.${target.split("/").at(-1)}`]);
    },
    60_000,
  );
});
