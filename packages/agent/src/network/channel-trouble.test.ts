/** What becomes of the spool, and of what the control plane is told, when disk or channel fail. */
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { TestChannel } from "./channel-fixture.ts";
import type { ControlPlane } from "./control-plane-fixture.ts";
import { openTestNetwork, type TestNetwork } from "./network-fixture.ts";
import { type TestExecutor, testFacts } from "./socket-executor-fixture.ts";

let network: TestNetwork;
let plane: ControlPlane;
let executor: TestExecutor;
let channel: TestChannel;

beforeEach(async () => {
  network = await openTestNetwork();
  ({ plane, executor, channel } = network);
});
afterEach(async () => await network.close());

const canMount = process.getuid?.() === 0 && spawnSync("mount", ["--version"]).status === 0;
if (!canMount) {
  if (process.env.CI) throw new Error("root and mount are needed for a disk that is full");
  console.warn("SKIPPED: root and mount are needed for a disk that is full");
}

describe.runIf(canMount)("on a full disk", () => {
  const mounted: string[] = [];
  const mountSmall = (folder: string, size: string, options = "mode=755"): void => {
    const words = ["-t", "tmpfs", "-o", `size=${size},${options}`, "tmpfs", folder];
    expect(spawnSync("mount", words).status).toBe(0);
    mounted.push(folder);
  };
  const enlarge = (folder: string): void => {
    expect(spawnSync("mount", ["-o", "remount,size=8m", folder]).status).toBe(0);
  };
  afterEach(async () => {
    await network.stop();
    for (const folder of mounted.splice(0)) spawnSync("umount", ["--lazy", folder]);
  });
  const reasons = () => plane.device().facts?.findings.map(({ reason }) => reason) ?? [];

  test("a hotpatch that does not fit is reported, and fetched when there is room", async () => {
    const payload = randomBytes(300_000);
    await channel.publishHotpatch(1, payload);
    await network.enrol();
    plane.nextCheckInSeconds = 1;
    mountSmall(network.folders.spool, "100k");
    network.start();
    await plane.until(() => reasons().includes("disk-full"));
    expect(plane.device().facts?.readiness).toBe("not-ready");
    expect(network.spooled(channel.targetOf(1))).toBeUndefined();
    // Half of a file would take the room that others may need.
    const left = spawnSync("find", [network.folders.spool, "-name", "*.suture-new"]);
    expect(left.stdout.toString()).toBe("");
    enlarge(network.folders.spool);
    await plane.until(() => plane.device().facts?.readiness === "ready");
    expect(network.spooled(channel.targetOf(1))).toEqual(payload);
  }, 30_000);

  test("check-ins go on where the state cannot be kept, and no serial is used twice", async () => {
    await network.enrol();
    plane.nextCheckInSeconds = 1;
    network.start();
    await network.settled();
    await network.stop();
    const state = join(network.folders.network, "filler");
    const kept = ["device.key", "enrolment.json", "known.json"].map(
      (name) => [name, readFileSync(join(network.folders.network, name))] as const,
    );
    mountSmall(network.folders.network, "32k", "mode=700");
    for (const [name, bytes] of kept) {
      writeFileSync(join(network.folders.network, name), bytes, { mode: 0o600 });
    }
    // Whatever room is left goes: 4096 bytes a page.
    for (let at = 0; at < 20; at += 1) {
      try {
        writeFileSync(`${state}${at}`, randomBytes(4096));
      } catch {
        break;
      }
    }
    network.start();
    executor.facts = testFacts({ kernel: "6.2" });
    await plane.until(() => plane.device().facts?.kernel === "6.2");
    executor.facts = testFacts({ kernel: "6.3" });
    executor.changed();
    await plane.until(() => plane.device().facts?.kernel === "6.3");
    await plane.until(() => reasons().includes("disk-full"));
    const serials = new Map<number, string>();
    for (const { serial, facts, components } of plane.device().checkIns) {
      if (facts === undefined && components === undefined) continue;
      const text = JSON.stringify([facts, components]);
      expect(serials.get(serial) ?? text).toBe(text);
      serials.set(serial, text);
    }
  }, 30_000);
});

describe("a repository that lies", () => {
  const servedBy = (lie: (path: string) => Uint8Array | "endless" | undefined): void => {
    plane.lie = (request, response) => {
      const path = /^\/channel\/(.*)$/.exec(request.url ?? "")?.[1];
      if (path === undefined) return undefined;
      const told = lie(decodeURIComponent(path));
      if (told === "endless") {
        const write = (): void => {
          while (!response.destroyed && response.write(Buffer.alloc(65_536, 32)));
        };
        response.writeHead(200).on("drain", write);
        write();
        return true;
      }
      const file = join(channel.folder, decodeURIComponent(path));
      const bytes = told ?? (existsSync(file) ? readFileSync(file) : undefined);
      if (bytes === undefined) response.writeHead(404).end();
      else response.writeHead(200).end(bytes);
      return true;
    };
  };
  const startOnServer = async (): Promise<void> => {
    await channel.publishHotpatch(1, Buffer.from("first"));
    await network.enrol(`${plane.address}/channel/`);
    plane.nextCheckInSeconds = 1;
    network.start();
  };

  test.each([
    ["a timestamp that nobody signed", (path: string) => path.endsWith("timestamp.json"), "{}"],
    ["an endless timestamp", (path: string) => path.endsWith("timestamp.json"), "endless"],
    ["an endless snapshot", (path: string) => path.endsWith("snapshot.json"), "endless"],
    ["an endless root", (path: string) => path.endsWith("2.root.json"), "endless"],
    ["an endless hotpatch", (path: string) => path.endsWith(".hotpatch"), "endless"],
    ["another hotpatch", (path: string) => path.endsWith(".hotpatch"), "other"],
  ] as const)(
    "%s reaches the spool never, and is reported",
    async (_, isLie, lie) => {
      let isLying = true;
      servedBy((path) => {
        if (!isLying || !isLie(path)) return undefined;
        return lie === "endless" ? "endless" : Buffer.from(lie);
      });
      await startOnServer();
      const reason = () => plane.device().facts?.findings[0]?.reason;
      await plane.until(() => reason() === "channel-not-trusted");
      expect(network.spooled(channel.targetOf(1))).toBeUndefined();
      isLying = false;
      await plane.until(() => plane.device().facts?.readiness === "ready");
      expect(network.spooled(channel.targetOf(1))).toEqual(Buffer.from("first"));
    },
    60_000,
  );
});
