/**
 * What the server does without being asked: moves rollouts, settles devices that do not ask, looks
 * at the channel, raises alerts, forgets what is over.
 *
 * Everything here may run on several servers over one database at once: rows are locked, and what
 * another server has locked is left to it.
 */
import type { FastifyBaseLogger } from "fastify";
import { SETTLE_PAGE, SWEEP_MS } from "../limits.ts";
import type { Parts } from "../parts.ts";
import { forgetOver } from "../store/forget.ts";
import { rolloutsOfTargets, rolloutsToDecide } from "../store/rollouts.ts";
import { NO_ID, staleDevices } from "../store/settling.ts";
import type { Progressed } from "./check-in.ts";
import { driveRollout } from "./drive-rollout.ts";
import { settleDevices } from "./settle.ts";
import { signalDevices } from "./signals.ts";
import type { LoadWorld } from "./world.ts";

export interface Background {
  /** Rollouts may move now. */
  readonly progressed: (what: Progressed) => void;
  /** Devices are to be settled. */
  readonly settleSoon: () => void;
  /** Something changed that may move every rollout. */
  readonly decideAll: () => void;
  /** Does all that is due. */
  readonly tick: () => Promise<void>;
  readonly begin: () => void;
  readonly end: () => Promise<void>;
}

export interface BackgroundParts {
  readonly parts: Parts;
  readonly loadWorld: LoadWorld;
  readonly log: FastifyBaseLogger;
  /** Every minute, besides what is here. */
  readonly everyMinute: readonly ((now: Date) => Promise<void>)[];
  /** After rollouts were looked at. */
  readonly afterRollouts: readonly ((now: Date) => Promise<void>)[];
}

const minuteMs = 60_000;

/** Nothing runs before `begin`, and by itself only where `tickMs` is not 0. */
export function createBackground(options: BackgroundParts): Background {
  const { parts, log } = options;
  const targets = new Set<string>();
  const rollouts = new Set<string>();
  let settlesFrom = 0;
  let minute = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | undefined;
  let isEnding = false;
  let decidesAll = false;

  const work = async (): Promise<void> => {
    const now = parts.now();
    const isMinute = now.getTime() - minute >= minuteMs;
    if (isMinute) {
      minute = now.getTime();
      await attempt(log, async () => await forgetOver(parts.store.database, now));
      for (const act of options.everyMinute) await attempt(log, async () => await act(now));
    }
    const all = isMinute || decidesAll;
    decidesAll = false;
    const due = await dueRollouts(options, { targets, rollouts, all });
    for (const id of due) await attempt(log, async () => await drive(options, id));
    if (due.size > 0) {
      for (const act of options.afterRollouts) await attempt(log, async () => await act(now));
    }
    if (settlesFrom <= now.getTime() || isMinute) {
      settlesFrom = Number.POSITIVE_INFINITY;
      const placed = (ids: ReadonlySet<string>): void => {
        for (const id of ids) rollouts.add(id);
      };
      await attempt(
        log,
        async () => await settleStale(options, { placed, isEnding: () => isEnding }),
      );
    }
  };
  const tick = async (): Promise<void> => {
    await running;
    running = work().finally(() => {
      running = undefined;
    });
    await running;
  };
  const next = (): void => {
    if (isEnding) return;
    timer = setTimeout(() => {
      attempt(log, tick).finally(next);
    }, parts.tickMs);
  };
  return {
    progressed(what) {
      for (const target of what.targets) targets.add(target);
      for (const id of what.rollouts) rollouts.add(id);
    },
    settleSoon() {
      // Devices that hold a request ask by themselves, and first.
      const delayMs = parts.tickMs ? SWEEP_MS : 0;
      settlesFrom = Math.min(settlesFrom, parts.now().getTime() + delayMs);
    },
    decideAll() {
      decidesAll = true;
    },
    tick,
    begin() {
      if (parts.tickMs) next();
    },
    async end() {
      isEnding = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** What fails here is tried again at the next turn. */
async function attempt(log: FastifyBaseLogger, act: () => Promise<void>): Promise<void> {
  try {
    await act();
  } catch (error) {
    log.error({ err: error }, "work in the background failed");
  }
}

interface Due {
  readonly targets: Set<string>;
  readonly rollouts: Set<string>;
  readonly all: boolean;
}

async function dueRollouts(
  { parts }: BackgroundParts,
  { targets, rollouts, all }: Due,
): Promise<ReadonlySet<string>> {
  const told = [...targets];
  const due = new Set(rollouts);
  targets.clear();
  rollouts.clear();
  const { database } = parts.store;
  for (const id of await rolloutsOfTargets(database, told)) due.add(id);
  for (const id of await rolloutsToDecide(database, all ? undefined : parts.now())) due.add(id);
  return due;
}

async function drive({ parts, loadWorld }: BackgroundParts, id: string): Promise<void> {
  await parts.store.transact(
    async (work) => await driveRollout(work, id, { now: parts.now(), loadWorld }),
  );
}

interface Sweep {
  /** Rollouts that have a device more or less. */
  readonly placed: (rollouts: ReadonlySet<string>) => void;
  readonly isEnding: () => boolean;
}

/** Settles devices, a page at a time, until none is left. */
async function settleStale(
  { parts, loadWorld }: BackgroundParts,
  { placed, isEnding }: Sweep,
): Promise<void> {
  const { store, controlKey } = parts;
  for (let after = NO_ID; !isEnding(); ) {
    const { ids, rollouts } = await store.transact(async (work) => {
      const ids = await staleDevices(work.tx, { after, limit: SETTLE_PAGE });
      const now = parts.now();
      const { standings, rollouts } = await settleDevices(work, ids, {
        now,
        controlKey,
        loadWorld,
      });
      signalDevices(
        work,
        standings.map(({ id }) => id),
      );
      return { ids, rollouts };
    });
    placed(rollouts);
    const last = ids.at(-1);
    if (last === undefined || ids.length < SETTLE_PAGE) return;
    after = last;
  }
}
