import { createHash } from "node:crypto";
import { existsSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { writeRootFile } from "../root-files.ts";
import type { TestChannel } from "./channel-fixture.ts";
import type { ControlPlane } from "./control-plane-fixture.ts";
import { openTestNetwork, type TestNetwork } from "./network-fixture.ts";
import {
  startTestExecutor,
  type TestExecutor,
  testComponent,
  testEvent,
  testFacts,
} from "./socket-executor-fixture.ts";

let network: TestNetwork;
let plane: ControlPlane;
let executor: TestExecutor;
let channel: TestChannel;

beforeEach(async () => {
  network = await openTestNetwork();
  ({ plane, executor, channel } = network);
});
afterEach(async () => await network.close());

describe("a device under a control plane", () => {
  test("makes a key that only it can read, and enrols again with the same one", async () => {
    const deviceId = await network.enrol();
    expect(statSync(join(network.folders.network, "device.key")).mode & 0o777).toBe(0o600);
    expect(await network.enrol()).toBe(deviceId);
    expect(plane.devices.size).toBe(1);
  });

  test("tells all once, and then only what changed", async () => {
    await network.enrol();
    network.start();
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
    await network.enrol();
    network.start();
    await network.settled();
    await network.stop();
    const before = plane.device().checkIns.length;
    network.start();
    await plane.until(() => plane.device().checkIns.length > before);
    expect(plane.device().checkIns.at(-1)?.progress).toEqual([]);
    expect(plane.device().checkIns.at(-1)?.facts).toBeUndefined();
    // The server comes back from an older copy of its data.
    plane.device().serial = 0;
    delete plane.device().facts;
    await network.stop();
    network.start();
    await plane.until(() => plane.device().facts !== undefined);
    expect(plane.device().facts).toEqual(testFacts());
  });

  test("begins anew where what it kept is damaged", async () => {
    await network.enrol();
    network.start();
    await plane.until(() => plane.device().facts !== undefined);
    await network.stop();
    writeFileSync(join(network.folders.network, "known.json"), "{ damaged");
    const before = plane.device().checkIns.length;
    network.start();
    await plane.until(() => plane.device().checkIns.length > before);
    expect(plane.device().checkIns.at(-1)?.since).toBe(0);
  });

  test("brings 250 events, each once and in order", async () => {
    await network.enrol();
    for (let serial = 1; serial <= 250; serial += 1) executor.events.push(testEvent(serial));
    network.start();
    await plane.until(() => plane.device().events.length === 250);
    expect(plane.device().events.map(({ serial }) => serial)).toEqual(
      Array.from({ length: 250 }, (_, at) => at + 1),
    );
  });

  test("hands on an assignment within a second, as it came", async () => {
    await network.enrol();
    network.start();
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
    await network.enrol();
    plane.nextCheckInSeconds = 1;
    plane.lie = (request, response) => {
      if (!request.url?.includes("assignment")) return undefined;
      response.writeHead(503).end();
      return true;
    };
    network.start();
    await plane.until(() => plane.device().checkIns.length > 0);
    plane.assign();
    await executor.until(() => executor.assignments.length === 1);
  });

  test("does not ask without pause for an assignment that the executor refuses", async () => {
    await network.enrol();
    executor.refuses = "assignment-signature";
    network.start();
    await plane.until(() => plane.device().checkIns.length > 0);
    plane.assign();
    await plane.until(() => network.logged.some((text) => text.includes("refused")));
    const before = plane.requests.length;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(plane.requests.length - before).toBeLessThan(8);
    expect(executor.assignments).toEqual([]);
  });

  test("says so when the executor is gone, and that it is back", async () => {
    await network.enrol();
    network.start();
    await plane.until(() => plane.device().facts?.readiness === "ready");
    await executor.close();
    await plane.until(() => plane.device().facts?.readiness === "not-ready");
    expect(plane.device().facts?.findings[0]?.reason).toBe("executor-missing");
    expect(plane.device().facts?.components).toHaveLength(1);
    rmSync(network.folders.socket, { force: true });
    network.executor = await startTestExecutor(network.folders.socket);
    await plane.until(() => plane.device().facts?.readiness === "ready");
  }, 30_000);

  test("signs by the server's clock where its own is wrong, and reports it", async () => {
    await network.enrol();
    plane.clockAheadMs = 3 * 3600 * 1000;
    network.start();
    await plane.until(() => plane.device().facts?.findings[0] !== undefined);
    expect(plane.device().facts?.findings).toMatchObject([
      { reason: "clock-wrong", detail: expect.stringContaining("180 minutes behind") },
    ]);
  });
});

describe("the spool", () => {
  test("gets what an assignment names, and the executor is told", async () => {
    await channel.publishHotpatch(1, Buffer.from("first"));
    await channel.publishHotpatch(2, Buffer.from("second"));
    await network.enrol();
    executor.facts = testFacts({ components: [] });
    network.start();
    await executor.until(() => executor.channelChanges > 0);
    expect(network.spooled(channel.targetOf(1))).toBeUndefined();
    const told = executor.channelChanges;
    const sha256 = createHash("sha256").update("first").digest("hex");
    plane.assign({ apply: [{ target: channel.targetOf(1), sha256 }] });
    await executor.until(() => executor.channelChanges > told);
    expect(network.spooled(channel.targetOf(1))).toEqual(Buffer.from("first"));
    expect(network.spooled(channel.targetOf(2))).toBeUndefined();
  });

  test("gets the newest hotpatch for what runs, without a control plane", async () => {
    await channel.publishHotpatch(1, Buffer.from("first"));
    await channel.publishHotpatch(2, Buffer.from("second"));
    const settings = { channel: channel.folder };
    await writeRootFile(network.folders.settings, Buffer.from(JSON.stringify(settings)));
    executor.phase = "stand-alone";
    network.start();
    await executor.until(() => network.spooled(channel.targetOf(2)) !== undefined);
    expect(network.spooled(channel.targetOf(1))).toBeUndefined();
    expect(plane.requests).toEqual([]);
  });

  test("is filled again where the executor misses files in it", async () => {
    await network.enrol();
    network.start();
    await executor.until(() => executor.channelChanges > 0);
    await network.stop();
    rmSync(network.folders.spool, { recursive: true });
    executor.channel = { problem: { code: "file-missing", detail: "timestamp.json" } };
    network.start();
    await executor.until(() => existsSync(join(network.folders.spool, "metadata/1.snapshot.json")));
  });
});
