/** What all handlers work with: the store, and what the server keeps in memory. */
import type { FastifyBaseLogger } from "fastify";
import { refreshAlerts } from "./fleet/alerts.ts";
import { type Background, createBackground } from "./fleet/background.ts";
import { createBatch } from "./fleet/batch.ts";
import { createChannelReader } from "./fleet/channel.ts";
import { type CheckIns, createCheckIns } from "./fleet/check-in.ts";
import { createHeldRequests, type HeldRequests } from "./fleet/held-requests.ts";
import { createListChanges, type ListChanges } from "./fleet/list-changes.ts";
import { createReports, keepDay, type Reports } from "./fleet/reports.ts";
import { obeySignal } from "./fleet/signals.ts";
import { createWorldLoader, type LoadWorld } from "./fleet/world.ts";
import type { Parts } from "./parts.ts";
import { publicKeysOf } from "./store/devices.ts";
import type { Store } from "./store/store.ts";

export interface Services {
  readonly parts: Parts;
  readonly store: Store;
  readonly held: HeldRequests;
  readonly checkIns: CheckIns;
  readonly lists: ListChanges;
  readonly log: FastifyBaseLogger;
  /** The public key of a device. */
  readonly keyOf: (deviceId: string) => Promise<string | undefined>;
  readonly reports: Reports;
  readonly loadWorld: LoadWorld;
  /** Throws RequestError `channel-not-trusted`. */
  readonly refreshChannel: () => Promise<void>;
  readonly background: Background;
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
}

/** Puts them together. `begin` starts what goes on by itself, `end` stops it. */
export function createServices(parts: Parts, log: FastifyBaseLogger): Services {
  const { store } = parts;
  const held = createHeldRequests();
  const lists = createListChanges();
  const loadWorld = createWorldLoader();
  const refreshChannel = createChannelReader(parts);
  const reports = createReports(store.database);
  const background = createBackground({
    parts,
    loadWorld,
    log,
    everyMinute: [
      refreshChannel,
      async (now) => await refreshAlerts(parts, loadWorld, { about: "all", now }),
      async (now) => await keepDay(store.database, now),
      // Of a large fleet the first reader would wait for them.
      async (now) => void (await reports.compliance(now)),
      async (now) => void (await reports.sums(now)),
    ],
    afterRollouts: [
      async (now) => await refreshAlerts(parts, loadWorld, { about: "rollouts", now }),
    ],
  });
  const { progressed, settleSoon } = background;
  const checkIns = createCheckIns({ parts, held, loadWorld, progressed });
  const keyOf = createBatch<string, string | undefined>({
    keyOf: (id) => id,
    concurrency: 2,
    run: async (ids) => {
      const keys = await publicKeysOf(store.database, ids);
      return ids.map((id) => keys.get(id));
    },
  });
  let deafen = (): void => undefined;
  return {
    parts,
    store,
    held,
    checkIns,
    lists,
    log,
    keyOf,
    reports,
    loadWorld,
    refreshChannel,
    background,
    async begin() {
      background.begin();
      deafen = store.hear((signal) => obeySignal(signal, { held, lists, settleSoon }));
    },
    async end() {
      deafen();
      held.endAll();
      await background.end();
    },
  };
}
