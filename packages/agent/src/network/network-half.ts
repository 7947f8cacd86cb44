/**
 * The unprivileged half of the agent: all that has to do with the network.
 *
 * It may be taken over by whoever speaks to it, so nothing rests on its word: the executor verifies
 * each file of the channel and each assignment by itself. What it keeps only saves work; whatever
 * of it is lost is asked for, or told, again.
 */
import { readFile, stat } from "node:fs/promises";
import { type DeviceFacts, Readiness } from "@suture/contract";
import type { HttpRequest } from "@suture/release";
import { AgentError } from "../errors.ts";
import { connectExecutor } from "../executor-client.ts";
import type { AgentFolders } from "../folders.ts";
import { type AgentSettings, type ControlSettings, readSettings } from "../settings.ts";
import { createChannelLoop } from "./channel-loop.ts";
import { openChannelMirror } from "./channel-mirror.ts";
import { type ControlLoop, createControlLoop } from "./control-loop.ts";
import { type DeviceKey, readDeviceKey } from "./device-key.ts";
import { readEnrolment } from "./enrol.ts";
import { NetworkError } from "./errors.ts";
import { createExecutorView } from "./executor-view.ts";
import { knownStateFile } from "./known-state.ts";
import { settingsIntervalMs } from "./limits.ts";
import { createServerConnection } from "./server-connection.ts";
import { createWake } from "./wake.ts";

export interface NetworkHalfOptions {
  readonly folders: AgentFolders;
  /** Who runs this half: the key file must be theirs. */
  readonly userId: number;
  readonly machine: Pick<DeviceFacts, "hostname" | "kernel" | "processor" | "agentVersion">;
  readonly fetch: HttpRequest;
  readonly now: () => Date;
  readonly randomBytes: (length: number) => Uint8Array;
  /** The first requests come within this time, so that a fleet does not come at once. */
  readonly startWithinMs: number;
  /** For tests of what a killed half leaves behind. */
  readonly faultPoint: (name: string) => void;
  readonly log: (text: string) => void;
}

export interface NetworkHalf {
  /** Works until the signal aborts. Throws what is a bug. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

/** Opens nothing before it runs. New settings take effect within seconds. */
export function openNetworkHalf(options: NetworkHalfOptions): NetworkHalf {
  return {
    async run(signal) {
      let { startWithinMs } = options;
      while (!signal.aborted) {
        const version = await settingsVersion(options);
        const inner = new AbortController();
        const whole = AbortSignal.any([signal, inner.signal]);
        const changed = settingsChange(options, version, whole).then(() => inner.abort());
        try {
          await workWithSettings({ ...options, startWithinMs }, whole);
        } finally {
          // Root has just changed something and waits for it.
          startWithinMs = 0;
          inner.abort();
          await changed;
        }
      }
    },
  };
}

/** With the settings as they are now, until the signal aborts. */
async function workWithSettings(options: NetworkHalfOptions, signal: AbortSignal): Promise<void> {
  try {
    const settings = await readSettings(options.folders.settings);
    if (settings !== undefined) return await work(options, settings, signal);
    options.log(`waiting for ${options.folders.settings}: enrol with suture agent enroll`);
  } catch (error) {
    const isExpected =
      error instanceof AgentError ||
      error instanceof NetworkError ||
      (error instanceof Error && "syscall" in error);
    if (!isExpected) throw error;
    options.log(error.message);
  }
  await createWake().wait(longMs, signal);
}

const longMs = 24 * 60 * 60 * 1000;

async function work(
  options: NetworkHalfOptions,
  settings: AgentSettings,
  signal: AbortSignal,
): Promise<void> {
  const { folders, faultPoint, log, startWithinMs } = options;
  const random = randomOf(options.randomBytes);
  const root = await readFile(folders.channelRoot);
  const identity = settings.control && (await identityOf(options, settings.control));
  let control: ControlLoop | undefined;
  const view = createExecutorView({
    connect: () => connectExecutor(folders.socket),
    random,
    onChange: (change) => {
      control?.tell(change === "facts" ? "soon" : "now");
      // What runs decides what is fetched, and a new executor has not looked at the spool yet.
      if (change === "connected") channel.refreshNow();
    },
  });
  const mirror = openChannelMirror({
    ...options,
    root,
    channel: settings.channel,
    spool: folders.spool,
    folder: folders.network,
  });
  const channel = createChannelLoop({
    ...{ mirror, socket: folders.socket, view, random, startWithinMs, faultPoint, log },
    isManaged: identity !== undefined,
    onProblem: () => control?.tell("soon"),
  });
  if (settings.control && identity) {
    const { deviceId, server } = settings.control;
    const connection = createServerConnection({ ...options, server, identity });
    control = createControlLoop({
      ...{ deviceId, connection, view, random, startWithinMs, faultPoint, log },
      controlKey: identity.controlKey,
      socket: folders.socket,
      stateFile: knownStateFile(folders.network, random),
      bareFacts: bareFacts(options),
      health: () => ({
        executorProblem: view.problem(),
        channelProblem: channel.problem(),
        clockOffsetSeconds: connection.clockOffsetSeconds(),
      }),
      onAssignment: (assignment) => channel.refreshNow(assignment),
    });
  }
  await together([view.run, channel.run, ...(control ? [control.run] : [])], signal);
}

/** Runs all of them; when one throws, the others end before the error goes on. */
async function together(
  runs: readonly ((signal: AbortSignal) => Promise<void>)[],
  signal: AbortSignal,
): Promise<void> {
  const inner = new AbortController();
  const whole = AbortSignal.any([signal, inner.signal]);
  const results = await Promise.allSettled(
    runs.map(async (run) => {
      try {
        await run(whole);
      } finally {
        inner.abort();
      }
    }),
  );
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

interface Identity {
  readonly deviceId: string;
  readonly controlKey: string;
  readonly key: DeviceKey;
}

/** Throws NetworkError where the network half's folder does not belong to these settings. */
async function identityOf(
  { folders, userId }: NetworkHalfOptions,
  { deviceId }: ControlSettings,
): Promise<Identity> {
  const key = await readDeviceKey({ folder: folders.network, userId });
  const enrolment = await readEnrolment(folders.network);
  if (key === undefined || enrolment?.deviceId !== deviceId) {
    throw new NetworkError("key-file", `${folders.network} has no key of device ${deviceId}`);
  }
  return { deviceId, controlKey: enrolment.controlKey, key };
}

const bareFacts = ({ machine }: NetworkHalfOptions): DeviceFacts => ({
  ...machine,
  system: "unknown",
  readiness: Readiness.notReady,
  findings: [],
  components: [],
});

/** Resolves when the settings are others than those of `version`, or the signal aborts. */
async function settingsChange(
  options: NetworkHalfOptions,
  version: string,
  signal: AbortSignal,
): Promise<void> {
  const pause = createWake();
  while (!signal.aborted && (await settingsVersion(options)) === version) {
    await pause.wait(settingsIntervalMs, signal);
  }
}

/** Differs when one of root's files was replaced. */
async function settingsVersion({ folders }: NetworkHalfOptions): Promise<string> {
  const files = [folders.settings, folders.channelRoot];
  const versions = files.map(async (file) => {
    const found = await stat(file, { bigint: true }).catch((error: unknown) => {
      if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
      throw error;
    });
    return found === undefined ? "none" : `${found.ino} ${found.mtimeNs} ${found.size}`;
  });
  return (await Promise.all(versions)).join(", ");
}

const randomOf = (randomBytes: NetworkHalfOptions["randomBytes"]) => (): number =>
  Buffer.from(randomBytes(6)).readUIntBE(0, 6) / 2 ** 48;
