/**
 * The executor half: root, without a network. It verifies the channel and the control plane's
 * orders by itself, applies and reverts, watches, and remembers.
 *
 *     socket   requests of the network half and of root    (socket-server.ts, handlers.ts)
 *     turns    look, judge, decide, act                    (turn.ts)
 *     memory   journal and audit log                       (recorder.ts)
 *
 * Everything that changes something runs in one queue, so a request never meets a half-done turn.
 */

import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Engine, PeerCredentials } from "@suture/engine";
import { AgentError } from "../errors.ts";
import type { AgentFolders } from "../folders.ts";
import type { RunCommand } from "../inventory/command-runner.ts";
import { createPackageIndex } from "../inventory/packages.ts";
import { createScanner, type RunningProcess } from "../inventory/scan.ts";
import { Phase } from "../messages.ts";
import { type AgentSettings, readSettings } from "../settings.ts";
import { type Channel, openChannel } from "./channel.ts";
import { createHandlers } from "./handlers.ts";
import { openKernelLog } from "./health/kernel-log.ts";
import { createWatcher } from "./health/watcher.ts";
import { openHotpatchStore } from "./hotpatch-store.ts";
import { type Machine, readMachine } from "./machine.ts";
import { type OrdersKeeper, openOrders } from "./orders-keeper.ts";
import { createPatchedProcesses } from "./patched-processes.ts";
import { createStateKeeper } from "./present-state.ts";
import { openRecorder } from "./recorder.ts";
import { recoverIntents } from "./recovery.ts";
import { type RestartCommand, readRestartCommands } from "./restart-commands.ts";
import { openSocketServer } from "./socket-server.ts";
import { type Demand, type TurnParts, takeTurn } from "./turn.ts";
import { installCommandOf } from "./updating.ts";
import { createWorkQueue } from "./work-queue.ts";

export interface ExecutorOptions {
  readonly folders: AgentFolders;
  readonly engine: Engine;
  /** Who is at the other end of a socket: openPeerCredentials of the engine. */
  readonly peerOf: (fd: number) => PeerCredentials | undefined;
  /** The network half's user; without it root alone may connect. */
  readonly network?: { readonly uid: number; readonly gid: number };
  readonly run: RunCommand;
  readonly now: () => Date;
  /** Milliseconds that only go forward. */
  readonly clock: () => number;
  readonly version: string;
  readonly log: (line: string) => void;
  /** Only processes whose program lies in this folder: for several agents on one machine. */
  readonly processFolder?: string;
  /** The template of units that update a package (`suture-update@`); without it apt-get is run. */
  readonly updateUnit?: string;
  /** How long a turn waits for the next, in milliseconds; 5 seconds by default. */
  readonly turnEveryMs?: number;
  /** Over how long processor time is measured, in milliseconds; a minute by default. */
  readonly processorWindowMs?: number;
  /** Called with the name of each step; a test ends the program there. */
  readonly faultPoint?: (name: string) => void;
}

export interface Executor {
  /** Works until the signal is aborted or root says stop. Rejects where it cannot begin. */
  readonly run: (signal: AbortSignal) => Promise<void>;
}

const TURN_EVERY_MS = 5000;

/** Opens nothing before it runs. */
export function openExecutor(options: ExecutorOptions): Executor {
  return { run: async (signal) => await runExecutor(options, signal) };
}

/** What root has decided, read at the start and at each reload. */
interface Settings {
  readonly agent: AgentSettings | undefined;
  readonly orders: OrdersKeeper;
  readonly channel: Channel;
  readonly restartCommands: readonly RestartCommand[];
}

async function runExecutor(options: ExecutorOptions, signal: AbortSignal): Promise<void> {
  const { folders, now, clock, log, run } = options;
  const faultPoint = options.faultPoint ?? (() => {});
  const machine = readMachine();
  const recorder = openRecorder({ folder: folders.executor, now, faultPoint });
  let settings = await readAll(options);
  const channel = currentChannel(() => settings.channel);
  const parts: TurnParts = {
    ...{ engine: options.engine, recorder, now, faultPoint, run, channel },
    scanner: createScanner({
      now: clock,
      ...(options.processFolder !== undefined && { processFolder: options.processFolder }),
    }),
    packages: createPackageIndex(run),
    patched: createPatchedProcesses(options.engine, clock),
    hotpatches: openHotpatchStore(join(folders.executor, "hotpatches"), channel.download),
    ownPid: process.pid,
    orders: () => settings.orders,
    restartCommands: () => settings.restartCommands,
    installCommand: installCommandOf(options.updateUnit),
    watcher: createWatcher({
      ...{ machine, run, clock, kernelLog: openKernelLog() },
      ...(options.processorWindowMs !== undefined && {
        processorWindowMs: options.processorWindowMs,
      }),
    }),
    isStopping: () => stopping.signal.aborted,
  };
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  signal.addEventListener("abort", stop);
  if (signal.aborted) stop();
  let isStarting = true;
  const phase = (): Phase => {
    if (stopping.signal.aborted) return Phase.stopping;
    if (isStarting) return Phase.starting;
    if (settings.agent?.control !== undefined) return Phase.managed;
    return settings.orders.orders().source === "policy" ? Phase.standAlone : Phase.unregistered;
  };
  const state = createStateKeeper({
    ...{ machine, version: options.version, channel, recorder, now, clock },
    orders: () => settings.orders,
    folder: folders.executor,
  });
  const queue = createWorkQueue();
  const wake = createWake();
  const turn = async (demand?: Demand) => {
    const result = await takeTurn(parts, demand);
    if (demand?.dryRun !== true) {
      for (const { action, target = "", outcome, detail } of result.reports) {
        log(`${action} ${target}: ${outcome}: ${detail}`);
      }
    }
    // Root's demand looks at other windows than those in force: what is told comes of a turn.
    if (demand === undefined) state.take(result);
    else wake.now();
    return result;
  };
  const server = await openSocketServer({
    path: folders.socket,
    network: options.network,
    phase,
    peerOf: options.peerOf,
    clock,
    onBug: (error) => log(`fault: ${errorText(error)}`),
    handlers: createHandlers({
      ...{ machine, version: options.version, channel, recorder, now, clock, state, queue, phase },
      ...{ turn, stop, kick: wake.now, orders: () => settings.orders, folder: folders.executor },
      deviceId: () => settings.agent?.control?.deviceId,
      updateChannel: async () => {
        const found = await updateChannel(parts);
        wake.now();
        return found;
      },
      reload: async () => {
        settings = await readAll(options);
        await channel.update();
      },
    }),
  });
  stopping.signal.addEventListener("abort", wake.now);
  try {
    log(`executor ${options.version} begins`);
    await queue.run(async () => await begin(parts, machine));
    isStarting = false;
    while (!stopping.signal.aborted) {
      await queue.run(() => turn()).catch((error: unknown) => tellFailure(error, log));
      await wake.sleep(options.turnEveryMs ?? TURN_EVERY_MS);
    }
  } finally {
    signal.removeEventListener("abort", stop);
    state.end();
    await queue.idle();
    await server.close();
    recorder.close();
    log("executor ends");
  }
}

/** Finishes or undoes what a killed executor left, and looks at the channel once. */
async function begin(parts: TurnParts, machine: Machine): Promise<void> {
  const { recorder, scanner, engine, now, watcher, orders } = parts;
  const running = new Map<number, RunningProcess>();
  if (recorder.record().open.size > 0) {
    for (const process of scanner.scan()) running.set(process.pid, process);
  }
  recoverIntents({
    ...{ engine, recorder, now },
    watchOf: (act, pids) => {
      const processes = pids.flatMap((pid) => running.get(pid) ?? []);
      const before = recorder.record().watches.get(act.target);
      const { health } = orders().orders().policy;
      return watcher.begin(act, processes, health, { before, now: now() });
    },
  });
  await updateChannel(parts);
  const { setAside } = recorder;
  const detail = setAside === undefined ? machine.bootId : `the journal was damaged: ${setAside}`;
  recorder.note({
    events: [{ kind: "started", detail }],
    audit: [{ who: "executor", what: "started", detail: { boot: machine.bootId, detail } }],
  });
}

async function updateChannel({ channel, recorder, hotpatches }: TurnParts) {
  const before = channel.state().problem?.code;
  const state = await channel.update();
  const { problem } = state;
  if (problem !== undefined && problem.code !== before && problem.code !== "channel-missing") {
    const { code, detail } = problem;
    recorder.note({
      events: [{ kind: "channel-refused", code, detail }],
      audit: [{ who: "network half", what: "channel-refused", detail: { code, detail } }],
    });
  }
  const updates = channel.catalog()?.updates;
  if (updates !== undefined) hotpatches.keepOnly(new Set(updates.map(({ sha256 }) => sha256)));
  return state;
}

async function readAll({ folders, now }: ExecutorOptions): Promise<Settings> {
  const agent = await readSettings(folders.settings);
  return {
    agent,
    orders: openOrders({
      control: agent?.control,
      policyFile: folders.policy,
      folder: folders.executor,
      now,
    }),
    channel: openChannel({
      root: await readRoot(folders.channelRoot),
      spool: folders.spool,
      folder: folders.executor,
      now,
    }),
    restartCommands: readRestartCommands(join(dirname(folders.settings), "restart.json")),
  };
}

async function readRoot(path: string): Promise<Uint8Array | undefined> {
  return await readFile(path).catch((error: unknown) => {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  });
}

/** One channel for all who hold it, also after a reload. */
const currentChannel = (current: () => Channel): Channel => ({
  update: () => current().update(),
  state: () => current().state(),
  catalog: () => current().catalog(),
  lastCatalog: () => current().lastCatalog(),
  download: (target) => current().download(target),
});

function createWake() {
  let isWoken = false;
  let awaken = (): void => {};
  return {
    now: (): void => {
      isWoken = true;
      awaken();
    },
    sleep: async (ms: number): Promise<void> => {
      await new Promise<void>((resolve) => {
        if (isWoken) return resolve();
        const timer = setTimeout(resolve, ms);
        awaken = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      isWoken = false;
      awaken = () => {};
    },
  };
}

function tellFailure(error: unknown, log: ExecutorOptions["log"]): void {
  // Whatever else goes wrong is a bug: the supervisor starts us again, and the journal knows.
  if (!(error instanceof AgentError)) throw error;
  log(error.message);
}

const errorText = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);
