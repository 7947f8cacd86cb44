import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { foldersBelow } from "../folders.ts";
import { makeAgentFolders, writeRootFile } from "../root-files.ts";
import { createTestChannel, type TestChannel } from "./channel-fixture.ts";
import { type ControlPlane, startControlPlane } from "./control-plane-fixture.ts";
import { enrolDevice, parseEnrolmentToken } from "./enrol.ts";
import { openNetworkHalf } from "./network-half.ts";
import {
  startTestExecutor,
  type TestExecutor,
  testComponent,
  testEvent,
  testFacts,
} from "./socket-executor-fixture.ts";

const buildId = testComponent().buildId;
const now = () => new Date();

let root: string;
let plane: ControlPlane;
let executor: TestExecutor;
let channel: TestChannel;
let stop: (() => Promise<void>) | undefined;
const folders = () => foldersBelow(root);
const base = () => ({
  userId: process.getuid?.() ?? 0,
  fetch,
  now,
  randomBytes: (length: number) => new Uint8Array(randomBytes(length)),
  faultPoint: () => undefined,
});

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "suture-network-"));
  plane = await startControlPlane();
  channel = await createTestChannel({ folder: join(root, "repository"), buildId, now: now() });
  const user = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  await makeAgentFolders(folders(), user);
  await writeRootFile(folders().channelRoot, channel.root);
  executor = await startTestExecutor(folders().socket);
});

afterEach(async () => {
  await stop?.();
  stop = undefined;
  await executor.close();
  await plane.close();
  await rm(root, { recursive: true });
});

async function enrol(): Promise<string> {
  const { deviceId } = await enrolDevice({
    ...base(),
    server: plane.address,
    token: parseEnrolmentToken(plane.token),
    folder: folders().network,
    hostname: "machine",
  });
  const settings = {
    channel: channel.folder,
    control: { server: plane.address, deviceId, keyDigest: plane.token.split(".")[2] },
  };
  await writeRootFile(folders().settings, Buffer.from(JSON.stringify(settings)));
  return deviceId;
}

const logged: string[] = [];

function start(): void {
  logged.length = 0;
  const controller = new AbortController();
  const half = openNetworkHalf({
    ...base(),
    folders: folders(),
    machine: { hostname: "machine", kernel: "6", processor: "x64", agentVersion: "0" },
    startWithinMs: 0,
    log: (text) => logged.push(text),
  });
  const running = half.run(controller.signal);
  stop = async () => {
    controller.abort();
    await running;
  };
}

/** The server has the facts, and the device has kept that it has them. */
async function settled(): Promise<void> {
  await plane.until(() => plane.device().facts !== undefined);
  const serial = executor.events.length + 1;
  executor.events.push(testEvent(serial));
  executor.changed();
  await plane.until(() => plane.device().eventSerial === serial);
}

async function restart(): Promise<void> {
  await stop?.();
  start();
}

describe("a device under a control plane", () => {
  test("makes a key that only it can read, and enrols again with the same one", async () => {
    const deviceId = await enrol();
    expect(statSync(join(folders().network, "device.key")).mode & 0o777).toBe(0o600);
    expect(await enrol()).toBe(deviceId);
    expect(plane.devices.size).toBe(1);
  });

  test("tells all once, and then only what changed", async () => {
    await enrol();
    start();
    await plane.until(() => plane.device().facts !== undefined);
    expect(plane.device().facts).toEqual(testFacts());
    const other = testComponent({ file: "/usr/lib/libz.so.1", buildId: "00112233445566778899" });
    executor.facts = testFacts({ components: [testComponent({ processes: 2 }), other] });
    executor.progress = [
      { target: channel.targetOf(1), state: "applied", at: "2026-11-22T10:00:00.000Z" },
    ];
    executor.changed();
    await plane.until(() => plane.device().facts?.components.length === 2);
    const last = plane.device().checkIns.at(-1);
    expect(last?.facts).toBeUndefined();
    expect(last?.components).toHaveLength(2);
    expect(plane.device().progress.get(channel.targetOf(1))?.state).toBe("applied");
    executor.facts = testFacts({ components: [other] });
    executor.changed();
    await plane.until(() => plane.device().facts?.components.length === 1);
    expect(plane.device().facts).toEqual(testFacts({ components: [other] }));
  });

  test("tells nothing again after a restart, but all where the server lost it", async () => {
    await enrol();
    start();
    await settled();
    await stop?.();
    const before = plane.device().checkIns.length;
    start();
    await plane.until(() => plane.device().checkIns.length > before);
    expect(plane.device().checkIns.at(-1)?.progress).toEqual([]);
    expect(plane.device().checkIns.at(-1)?.facts).toBeUndefined();
    // The server comes back from an older copy of its data.
    plane.device().serial = 0;
    delete plane.device().facts;
    await restart();
    await plane.until(() => plane.device().facts !== undefined);
    expect(plane.device().facts).toEqual(testFacts());
  });

  test("begins anew where what it kept is damaged", async () => {
    await enrol();
    start();
    await plane.until(() => plane.device().facts !== undefined);
    await stop?.();
    writeFileSync(join(folders().network, "known.json"), "{ damaged");
    const before = plane.device().checkIns.length;
    start();
    await plane.until(() => plane.device().checkIns.length > before);
    expect(plane.device().checkIns.at(-1)?.since).toBe(0);
  });

  test("brings 250 events, each once and in order", async () => {
    await enrol();
    for (let serial = 1; serial <= 250; serial += 1) executor.events.push(testEvent(serial));
    start();
    await plane.until(() => plane.device().events.length === 250);
    expect(plane.device().events.map(({ serial }) => serial)).toEqual(
      Array.from({ length: 250 }, (_, at) => at + 1),
    );
  });

  test("hands on an assignment within a second, as it came", async () => {
    await enrol();
    start();
    await plane.until(() => plane.requests.some((line) => line.includes("assignment?after=0")));
    const begun = performance.now();
    const { document, signature } = plane.assign();
    await executor.until(() => executor.assignments.length === 1);
    expect(performance.now() - begun).toBeLessThan(1000);
    expect(executor.assignments[0]).toMatchObject({
      document,
      signature,
      controlKey: plane.controlKey,
    });
    await plane.until(() => plane.device().assignmentInForce === 1);
  });

  test("gets assignments by check-in where requests cannot be held", async () => {
    await enrol();
    plane.nextCheckInSeconds = 1;
    plane.lie = (request, response) => {
      if (!request.url?.includes("assignment")) return undefined;
      response.writeHead(503).end();
      return true;
    };
    start();
    await plane.until(() => plane.device().checkIns.length > 0);
    plane.assign();
    await executor.until(() => executor.assignments.length === 1);
  });

  test("does not ask without pause for an assignment that the executor refuses", async () => {
    await enrol();
    executor.refuses = "assignment-signature";
    start();
    await plane.until(() => plane.device().checkIns.length > 0);
    plane.assign();
    await plane.until(() => logged.some((text) => text.includes("refused")));
    const before = plane.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(plane.requests.length - before).toBeLessThan(8);
    expect(executor.assignments).toEqual([]);
  });

  test("says so when the executor is gone, and that it is back", async () => {
    await enrol();
    start();
    await plane.until(() => plane.device().facts?.readiness === "ready");
    await executor.close();
    await plane.until(() => plane.device().facts?.readiness === "not-ready");
    expect(plane.device().facts?.findings[0]?.reason).toBe("executor-missing");
    expect(plane.device().facts?.components).toHaveLength(1);
    rmSync(folders().socket, { force: true });
    executor = await startTestExecutor(folders().socket);
    await plane.until(() => plane.device().facts?.readiness === "ready");
  }, 30_000);

  test("signs by the server's clock where its own is wrong, and reports it", async () => {
    await enrol();
    plane.clockAheadMs = 3 * 3600 * 1000;
    start();
    await plane.until(() => plane.device().facts?.findings[0] !== undefined);
    expect(plane.device().facts?.findings).toMatchObject([
      { reason: "clock-wrong", detail: expect.stringContaining("180 minutes behind") },
    ]);
  });
});

describe("the spool", () => {
  const spooled = (target: string): Uint8Array | undefined => {
    const folder = join(folders().spool, "targets", target, "..");
    const name = target.split("/").at(-1) ?? "";
    const file = existsSync(folder)
      ? readdirSync(folder).find((entry) => entry.endsWith(`.${name}`))
      : undefined;
    return file === undefined ? undefined : readFileSync(join(folder, file));
  };

  test("gets what an assignment names, and the executor is told", async () => {
    await channel.publishHotpatch(1, Buffer.from("first"));
    await channel.publishHotpatch(2, Buffer.from("second"));
    await enrol();
    executor.facts = testFacts({ components: [] });
    start();
    await executor.until(() => executor.channelChanges > 0);
    expect(spooled(channel.targetOf(1))).toBeUndefined();
    const told = executor.channelChanges;
    const sha256 = createHash("sha256").update("first").digest("hex");
    plane.assign({ apply: [{ target: channel.targetOf(1), sha256 }] });
    await executor.until(() => executor.channelChanges > told);
    expect(spooled(channel.targetOf(1))).toEqual(Buffer.from("first"));
    expect(spooled(channel.targetOf(2))).toBeUndefined();
  });

  test("gets the newest hotpatch for what runs, without a control plane", async () => {
    await channel.publishHotpatch(1, Buffer.from("first"));
    await channel.publishHotpatch(2, Buffer.from("second"));
    const settings = { channel: channel.folder };
    await writeRootFile(folders().settings, Buffer.from(JSON.stringify(settings)));
    executor.phase = "stand-alone";
    start();
    await executor.until(() => spooled(channel.targetOf(2)) !== undefined);
    expect(spooled(channel.targetOf(1))).toBeUndefined();
    expect(plane.requests).toEqual([]);
  });

  test("is filled again where the executor misses files in it", async () => {
    await enrol();
    start();
    await executor.until(() => executor.channelChanges > 0);
    await stop?.();
    rmSync(folders().spool, { recursive: true });
    executor.channel = { problem: { code: "file-missing", detail: "timestamp.json" } };
    start();
    await executor.until(() => existsSync(join(folders().spool, "metadata/1.snapshot.json")));
  });
});
