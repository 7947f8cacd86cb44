/**
 * What devices ask: check-ins, and assignments that they wait for.
 *
 * Both come in batches (batch.ts). A device that has nothing new costs a share of one statement.
 * Those that have something, and those whose assignment is out of date, share one transaction.
 */
import {
  type CheckIn,
  type CheckInAnswer,
  SIGNATURE_AGE_MAX,
  type SignedAssignment,
} from "@suture/contract";
import { RequestError } from "../errors.ts";
import type { SigningDevice } from "../http/handler.ts";
import { ASSIGNMENT_MS, CHECK_IN_SECONDS, CONNECTED_MS, HOLD_MS } from "../limits.ts";
import type { Parts } from "../parts.ts";
import { documentsOf } from "../store/assignments.ts";
import {
  type Contact,
  type DeviceStanding,
  noteContacts,
  noteDisconnected,
} from "../store/devices.ts";
import type { Work } from "../store/store.ts";
import { createBatch } from "./batch.ts";
import { takeChanges } from "./device-changes.ts";
import type { HeldRequests, Hold } from "./held-requests.ts";
import { settleDevices } from "./settle.ts";
import { signalLists } from "./signals.ts";
import type { LoadWorld } from "./world.ts";

export interface CheckIns {
  readonly checkIn: (device: SigningDevice, body: CheckIn) => Promise<CheckInAnswer>;
  /** Holds until there is a newer one; undefined when the time is over. */
  readonly awaitAssignment: (
    device: SigningDevice,
    after: number,
    gone: (act: () => void) => void,
  ) => Promise<SignedAssignment | undefined>;
}

interface Item extends Contact {
  readonly checkIn?: CheckIn;
}

interface Result {
  readonly standing: DeviceStanding;
  readonly assignment?: SignedAssignment;
}

export interface CheckInParts {
  readonly parts: Parts;
  readonly held: HeldRequests;
  readonly loadWorld: LoadWorld;
  /** Rollouts may move, for devices told how far they are with a target, or came or went. */
  readonly progressed: (what: Progressed) => void;
}

export interface Progressed {
  readonly targets: ReadonlySet<string>;
  readonly rollouts: ReadonlySet<string>;
}

interface Changed extends Progressed {
  readonly standings: readonly DeviceStanding[];
}

/** Answers devices, in batches. Throws RequestError `signature-invalid` for those that are gone. */
export function createCheckIns(options: CheckInParts): CheckIns {
  const { parts, held } = options;
  const { store, now } = parts;
  const ask = createBatch<Item, Result | undefined>({
    keyOf: ({ deviceId }) => deviceId,
    concurrency: store.concurrency,
    run: async (items) => await answerTogether(options, items),
  });
  const answerTo = async (item: Item): Promise<Result> => {
    const result = await ask(item);
    if (result !== undefined) return result;
    const detail = "the device was removed, or the request was sent before";
    throw new RequestError("signature-invalid", detail);
  };
  return {
    async checkIn({ id, nonce }, body) {
      const { standing, assignment } = await answerTo({
        deviceId: id,
        nonce,
        assignmentSerial: body.assignmentSerial,
        connectedUntil: new Date(now().getTime() + CONNECTED_MS),
        checkIn: body,
      });
      return {
        serial: standing.serial,
        eventSerial: standing.event_serial,
        ...(assignment && { assignment }),
        nextCheckInSeconds: CHECK_IN_SECONDS,
      };
    },
    async awaitAssignment({ id, nonce }, after, gone) {
      const until = now().getTime() + HOLD_MS;
      const connectedUntil = new Date(until + CONNECTED_MS);
      const item = { deviceId: id, assignmentSerial: after, connectedUntil };
      let isGone = false;
      let hold: Hold | undefined;
      gone(() => {
        isGone = true;
        hold?.cancel();
      });
      for (let first = true; ; first = false) {
        const leftMs = until - now().getTime();
        // Held before it is looked at: what changes in between wakes it.
        hold = held.hold(id, Math.max(0, leftMs));
        try {
          const { assignment } = await answerTo({ ...item, nonce: first ? nonce : undefined });
          if (assignment !== undefined || isGone || leftMs <= 0) return assignment;
          if ((await hold.ended) === "over") return undefined;
        } finally {
          hold.cancel();
          if (isGone) await noteDisconnected(store.database, id, now());
        }
      }
    },
  };
}

async function answerTogether(
  { parts, loadWorld, progressed }: CheckInParts,
  items: readonly Item[],
): Promise<(Result | undefined)[]> {
  const { store, controlKey } = parts;
  const now = parts.now();
  // A nonce is remembered for as long as its signature could be accepted.
  const noncesUntil = new Date(now.getTime() + 2 * SIGNATURE_AGE_MAX * 1000);
  const standings = new Map(await noteContacts(store.database, items, { now, noncesUntil }));
  const known = items.filter(({ deviceId }) => standings.has(deviceId));
  const busy = known.filter((item) => {
    const standing = standings.get(item.deviceId);
    return standing !== undefined && (hasNews(item, standing) || isStale(item, standing, now));
  });
  if (busy.length > 0) {
    const change = async (work: Work, some: readonly Item[]): Promise<Changed> => {
      const told = some.flatMap(({ deviceId, checkIn }) =>
        checkIn ? [{ deviceId, checkIn }] : [],
      );
      const targets = await takeChanges(work, told, now);
      const ids = some.map(({ deviceId }) => deviceId);
      const settled = await settleDevices(work, ids, { now, controlKey, loadWorld });
      if (told.length > 0) signalLists(work, "devices", "overview");
      return { ...settled, targets };
    };
    for (const changed of await togetherOrAlone(parts, busy, change)) {
      for (const standing of changed.standings) standings.set(standing.id, standing);
      if (changed.rollouts.size + changed.targets.size > 0) progressed(changed);
    }
  }
  const newer = known.filter(({ deviceId, assignmentSerial }) => {
    const serial = standings.get(deviceId)?.assignment_serial ?? 0;
    return serial > assignmentSerial;
  });
  const documents = await documentsOf(
    store.database,
    newer.map(({ deviceId }) => deviceId),
  );
  return items.map(({ deviceId }) => {
    const standing = standings.get(deviceId);
    if (standing === undefined) return undefined;
    const assignment = documents.get(deviceId);
    return { standing, ...(assignment && { assignment }) };
  });
}

/** One transaction for all; where that fails, one for each, so that one bad one costs no other. */
async function togetherOrAlone(
  { store }: Parts,
  items: readonly Item[],
  change: (work: Work, some: readonly Item[]) => Promise<Changed>,
): Promise<Changed[]> {
  try {
    return [await store.transact(async (work) => await change(work, items))];
  } catch (error) {
    if (items.length === 1) throw error;
    const changed: Changed[] = [];
    for (const item of items) {
      changed.push(await store.transact(async (work) => await change(work, [item])));
    }
    return changed;
  }
}

/** Whether the check-in says anything that is to be kept. */
function hasNews({ checkIn }: Item, standing: DeviceStanding): boolean {
  if (checkIn === undefined) return false;
  const { facts, components, progress, events, serial } = checkIn;
  return (
    facts !== undefined ||
    components !== undefined ||
    progress.length > 0 ||
    events.length > 0 ||
    // Nothing changed but the count: it is kept as well, or the device would be asked for all.
    serial !== standing.serial
  );
}

/** Whether the assignment is to be computed anew. */
function isStale({ assignmentSerial }: Item, standing: DeviceStanding, now: Date): boolean {
  return (
    // The database was restored from a backup, or the device does not tell the truth.
    assignmentSerial > (standing.assignment_serial ?? 0) ||
    standing.assignment_serial === null ||
    standing.assignment_fleet !== standing.fleet_generation ||
    standing.assignment_device !== standing.generation ||
    (standing.assignment_expires?.getTime() ?? 0) - now.getTime() < ASSIGNMENT_MS / 2
  );
}
