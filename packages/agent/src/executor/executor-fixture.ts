/**
 * A whole device for tests, below a folder of its own: a signed channel with hotpatches for a small
 * program, its processes, a control plane's key, and an executor that runs in this process.
 */

import { createHash } from "node:crypto";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type Assignment, POLICY_DEFAULT, type PolicySettings } from "@suture/contract";
import { buildId, openEngine, openPeerCredentials, parseElf } from "@suture/engine";
import { targetOf } from "@suture/release";
import { openWorkshop, type Workshop } from "../../../../test/live/victim.ts";
import { connectExecutor, type ExecutorConnection } from "../executor-client.ts";
import { type AgentFolders, foldersBelow } from "../folders.ts";
import { type RunCommand, runCommand } from "../inventory/command-runner.ts";
import type { StatusAnswer } from "../messages.ts";
import { createProductChannel, entryOf } from "../product-channel-fixture.ts";
import { createTestControl, type TestControl, testDeviceId } from "./assignment-fixture.ts";
import { type ExecutorOptions, openExecutor } from "./executor.ts";

export interface TestDevice {
  readonly root: string;
  readonly folders: AgentFolders;
  readonly workshop: Workshop;
  readonly program: string;
  readonly buildId: string;
  readonly control: TestControl;
  readonly now: Date;
  /** Target and digest of the hotpatch of that sequence. */
  readonly target: (sequence: number) => { readonly target: string; readonly sha256: string };
  /** Builds a hotpatch and adds it to the channel; the spool has it after `deliver`. */
  readonly addHotpatch: (sequence: number, source: string, dynamic?: string[]) => Promise<void>;
  readonly withdraw: (sequence: number) => Promise<void>;
  /** Publishes, and copies the channel into the spool as a network half would. */
  readonly deliver: () => Promise<void>;
  readonly writePolicy: (change?: Partial<PolicySettings>) => void;
  readonly enrol: () => void;
  readonly assignment: (serial: number, change?: Partial<Assignment>) => Assignment;
  readonly start: (options?: Partial<ExecutorOptions>) => Promise<RunningExecutor>;
  readonly close: () => Promise<void>;
}

export interface RunningExecutor {
  readonly root: ExecutorConnection;
  /** Looks at the status until it is so; fails after a minute with the last one. */
  readonly until: (isSo: (status: StatusAnswer) => boolean) => Promise<StatusAnswer>;
  readonly stop: () => Promise<void>;
  readonly log: readonly string[];
}

const PRODUCT = "victims";
const WAIT_MS = 60_000;

export async function createTestDevice(
  victim = "answers",
  flags = ["-pthread"],
): Promise<TestDevice> {
  const now = new Date();
  const workshop = openWorkshop();
  const root = mkdtempSync(join(tmpdir(), "suture-device-"));
  const folders = foldersBelow(root);
  const program = workshop.compileVictim(victim, flags);
  const id = buildId(parseElf(readFileSync(program))) ?? "";
  const entry = (sequence: number) => victimEntry(id, sequence);
  const channel = await createProductChannel({
    folder: join(root, "channel"),
    product: PRODUCT,
    baseline: entry(0),
    now: () => new Date(),
  });
  const control = createTestControl(now);
  const digests = new Map<number, string>();
  mkdirSync(dirname(folders.settings), { recursive: true });
  const running: RunningExecutor[] = [];
  writeFileSync(folders.channelRoot, channel.root);
  return {
    ...{ root, folders, workshop, program, control, now, buildId: id },
    target: (sequence) => ({
      target: targetOf(PRODUCT, entry(sequence)),
      sha256: digests.get(sequence) ?? "",
    }),
    addHotpatch: async (sequence, source, dynamic = []) => {
      const functions = [...source.matchAll(/^(?:int|long|void) (\w+)\(/gm)].map((m) => m[1] ?? "");
      const { bytes } = workshop.makeHotpatch({
        ...{ binary: program, source, functions, sequence, id: `fix-${sequence}`, dynamic },
      });
      await channel.add(entry(sequence), bytes);
      digests.set(sequence, createHash("sha256").update(bytes).digest("hex"));
    },
    withdraw: async (sequence) => await channel.withdraw(targetOf(PRODUCT, entry(sequence))),
    deliver: async () => {
      await channel.publish();
      cpSync(join(root, "channel/public"), folders.spool, { recursive: true });
    },
    writePolicy: (change = {}) => {
      writeFileSync(folders.policy, JSON.stringify({ ...POLICY_DEFAULT, ...change }));
    },
    enrol: () => {
      const { keyDigest } = control;
      const plane = { server: "https://suture.example", deviceId: testDeviceId, keyDigest };
      const settings = { channel: "https://suture.example/channel", control: plane };
      writeFileSync(folders.settings, JSON.stringify(settings));
    },
    assignment: (serial, change = {}) => control.assignment({ serial, ...change }),
    start: async (options = {}) => {
      const executor = await startExecutor({ folders, workshop }, options);
      running.push(executor);
      return executor;
    },
    close: async () => {
      for (const executor of running) await executor.stop();
      await workshop.endVictims();
      workshop.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

/** What an executor of this device is made of. */
export function executorOptions(
  folders: AgentFolders,
  processFolder: string,
): Omit<ExecutorOptions, "log"> & { readonly run: RunCommand } {
  return {
    folders,
    engine: openEngine({ lockFolder: join(dirname(folders.socket), "lock") }),
    peerOf: openPeerCredentials(),
    network: { uid: 65534, gid: 65534 },
    run: runCommand,
    now: () => new Date(),
    clock: () => performance.now(),
    version: "0.0.0-test",
    processFolder,
    turnEveryMs: 100,
  };
}

async function startExecutor(
  { folders, workshop }: { readonly folders: AgentFolders; readonly workshop: Workshop },
  options: Partial<ExecutorOptions>,
): Promise<RunningExecutor> {
  const log: string[] = [];
  const end = new AbortController();
  const executor = openExecutor({
    ...executorOptions(folders, workshop.folder),
    log: (line) => log.push(line),
    ...options,
  });
  const ended = executor.run(end.signal);
  ended.catch(() => {}); // `stop` tells.
  const root = await connectWhenThere(folders.socket, ended);
  await untilStatus(root, ({ phase }) => phase !== "starting");
  return {
    root,
    log,
    until: async (isSo) => await untilStatus(root, isSo),
    stop: async () => {
      end.abort();
      root.close();
      await ended;
    },
  };
}

/** Connects as soon as the executor listens; rejects with its error if it ends first. */
export async function connectWhenThere(
  socket: string,
  ended: Promise<unknown>,
): Promise<ExecutorConnection> {
  const failed = ended.then(() => Promise.reject(new Error("the executor has ended")));
  failed.catch(() => {});
  const until = performance.now() + WAIT_MS;
  for (;;) {
    const next = connectExecutor(socket).catch((error: unknown) => {
      if (performance.now() > until) throw error;
      return undefined;
    });
    const connection = await Promise.race([next, failed]);
    if (connection !== undefined) return connection;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

export async function untilStatus(
  connection: ExecutorConnection,
  isSo: (status: StatusAnswer) => boolean,
): Promise<StatusAnswer> {
  const until = performance.now() + WAIT_MS;
  for (;;) {
    const status = await connection.ask("status", {});
    if (isSo(status)) return status;
    if (performance.now() > until) {
      const { events } = await connection.ask("events", { after: 0 });
      throw new Error(JSON.stringify({ ...status, events }, undefined, 1));
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

const victimEntry = (id: string, sequence: number) =>
  entryOf({
    id: sequence === 0 ? "victims-base" : `fix-${sequence}`,
    sequence,
    component: { file: "answers", buildId: id, package: "answers", version: "1.0" },
  });
