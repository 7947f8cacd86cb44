/** A network half for tests, with all that is around it: control plane, channel and executor. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AgentFolders, foldersBelow } from "../folders.ts";
import { makeAgentFolders, writeRootFile } from "../root-files.ts";
import { createTestChannel, type TestChannel } from "./channel-fixture.ts";
import { type ControlPlane, startControlPlane } from "./control-plane-fixture.ts";
import { enrolDevice, parseEnrolmentToken } from "./enrol.ts";
import { sendRequest } from "./http-request.ts";
import { openNetworkHalf } from "./network-half.ts";
import {
  startTestExecutor,
  type TestExecutor,
  testComponent,
  testEvent,
} from "./socket-executor-fixture.ts";

export interface TestNetwork {
  readonly folders: AgentFolders;
  readonly plane: ControlPlane;
  readonly channel: TestChannel;
  executor: TestExecutor;
  readonly logged: readonly string[];
  /** Enrols, and writes root's settings with this channel; the channel's folder by default. */
  readonly enrol: (channel?: string) => Promise<string>;
  readonly start: () => void;
  readonly stop: () => Promise<void>;
  /** The server has the facts, and the device has kept that it has them. */
  readonly settled: () => Promise<void>;
  readonly spooled: (target: string) => Uint8Array | undefined;
  readonly close: () => Promise<void>;
}

export async function openTestNetwork(): Promise<TestNetwork> {
  const root = await mkdtemp(join(tmpdir(), "suture-network-"));
  const folders = foldersBelow(root);
  const plane = await startControlPlane();
  const { buildId } = testComponent();
  const channel = await createTestChannel({
    folder: join(root, "repository"),
    buildId,
    now: new Date(),
  });
  const user = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
  await makeAgentFolders(folders, user);
  await writeRootFile(folders.channelRoot, channel.root);
  const base = {
    userId: user.uid,
    fetch: sendRequest,
    now: () => new Date(),
    randomBytes: (length: number) => new Uint8Array(randomBytes(length)),
    faultPoint: () => undefined,
  };
  const logged: string[] = [];
  let stop: (() => Promise<void>) | undefined;
  const network: TestNetwork = {
    ...{ folders, plane, channel, logged },
    executor: await startTestExecutor(folders.socket),
    async enrol(address = channel.folder) {
      const { deviceId } = await enrolDevice({
        ...base,
        server: plane.address,
        token: parseEnrolmentToken(plane.token),
        folder: folders.network,
        hostname: "machine",
      });
      const keyDigest = plane.token.split(".")[2];
      const control = { server: plane.address, deviceId, keyDigest };
      const text = JSON.stringify({ channel: address, control });
      await writeRootFile(folders.settings, Buffer.from(text));
      return deviceId;
    },
    start() {
      logged.length = 0;
      const controller = new AbortController();
      const half = openNetworkHalf({
        ...base,
        folders,
        machine: { hostname: "machine", kernel: "6", processor: "x64", agentVersion: "0" },
        startWithinMs: 0,
        log: (text) => logged.push(text),
      });
      const running = half.run(controller.signal);
      stop = async () => {
        controller.abort();
        await running;
      };
    },
    async stop() {
      await stop?.();
      stop = undefined;
    },
    async settled() {
      await plane.until(() => plane.device().facts !== undefined);
      const { executor } = network;
      const serial = executor.events.length + 1;
      executor.events.push(testEvent(serial));
      executor.changed();
      await plane.until(() => plane.device().eventSerial === serial);
    },
    spooled(target) {
      const folder = join(folders.spool, "targets", target, "..");
      const name = target.split("/").at(-1) ?? "";
      const file = existsSync(folder)
        ? readdirSync(folder).find((entry) => entry.endsWith(`.${name}`))
        : undefined;
      return file === undefined ? undefined : readFileSync(join(folder, file));
    },
    async close() {
      await network.stop();
      await network.executor.close();
      await plane.close();
      await rm(root, { recursive: true });
    },
  };
  return network;
}
