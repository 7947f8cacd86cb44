/** What all handlers work with: the store, and what the server keeps in memory. */
import type { FastifyBaseLogger } from "fastify";
import { createBatch } from "./fleet/batch.ts";
import { type CheckIns, createCheckIns } from "./fleet/check-in.ts";
import { createHeldRequests, type HeldRequests } from "./fleet/held-requests.ts";
import { createListChanges, type ListChanges } from "./fleet/list-changes.ts";
import { obeySignal } from "./fleet/signals.ts";
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
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
}

/** Puts them together. `begin` starts what goes on by itself, `end` stops it. */
export function createServices(parts: Parts, log: FastifyBaseLogger): Services {
  const { store } = parts;
  const held = createHeldRequests();
  const lists = createListChanges();
  const checkIns = createCheckIns({ parts, held, progressed: () => undefined });
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
    async begin() {
      deafen = store.hear((signal) => obeySignal(signal, { held, lists }));
    },
    async end() {
      deafen();
      held.wakeAll();
    },
  };
}
