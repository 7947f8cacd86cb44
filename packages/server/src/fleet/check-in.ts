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
import { computeAssignments } from "./assignments.ts";
import { createBatch } from "./batch.ts";
import { takeChanges } from "./device-changes.ts";
import type { HeldRequests } from "./held-requests.ts";

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
  /** After progress of devices was kept: these updates may move rollouts. */
  readonly progressed: (targets: ReadonlySet<string>) => void;
}

/** A device that waits is connected for a little longer than its request is held. */
const heldConnectedMs = HOLD_MS + CONNECTED_MS;

/** Answers devices, in batches. Throws RequestError `signature-invalid` for those that are gone. */
export function createCheckIns({ parts, held, progressed }: CheckInParts): CheckIns {
  const { store, now } = parts;
  const ask = createBatch<Item, Result | undefined>({
    keyOf: ({ deviceId }) => deviceId,
    concurrency: store.concurrency,
    run: async (items) => await answerTogether(parts, items, progressed),
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
      // Held before it is looked at: what changes in between wakes it.
      const hold = held.hold(id, HOLD_MS);
      gone(() => {
        hold.cancel();
        void noteDisconnected(store.database, id, now()).catch(() => undefined);
      });
      const connectedUntil = new Date(now().getTime() + heldConnectedMs);
      const item = { deviceId: id, assignmentSerial: after, connectedUntil };
      try {
        const first = await answerTo({ ...item, nonce });
        if (first.assignment !== undefined) return first.assignment;
        if ((await hold.ended) === "over") return undefined;
        return (await answerTo({ ...item, nonce: undefined })).assignment;
      } finally {
        hold.cancel();
      }
    },
  };
}

async function answerTogether(
  parts: Parts,
  items: readonly Item[],
  progressed: CheckInParts["progressed"],
): Promise<(Result | undefined)[]> {
  const { store } = parts;
  const now = parts.now();
  // A nonce is remembered for as long as its signature could be accepted.
  const noncesUntil = new Date(now.getTime() + 2 * SIGNATURE_AGE_MAX * 1000);
  const standings = new Map(await noteContacts(store.database, items, { now, noncesUntil }));
  const known = items.filter(({ deviceId }) => standings.has(deviceId));
  const isStaleNow = (item: Item): boolean =>
    isStale(standings.get(item.deviceId) as DeviceStanding, now);
  const busy = known.filter((item) => hasNews(item, standings) || isStaleNow(item));
  if (busy.length > 0) {
    const change = async (work: Work, some: readonly Item[]): Promise<DeviceStanding[]> => {
      const told = some.flatMap(({ deviceId, checkIn }) =>
        checkIn ? [{ deviceId, checkIn }] : [],
      );
      const targets = await takeChanges(work, told, now);
      const ids = some.map(({ deviceId }) => deviceId);
      const after = await computeAssignments(work, ids, { now, controlKey: parts.controlKey });
      if (targets.size > 0) progressed(targets);
      return after;
    };
    for (const standing of await togetherOrAlone(parts, busy, change)) {
      standings.set(standing.id, standing);
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
  change: (work: Work, some: readonly Item[]) => Promise<DeviceStanding[]>,
): Promise<DeviceStanding[]> {
  try {
    return await store.transact(async (work) => await change(work, items));
  } catch (error) {
    if (items.length === 1) throw error;
    const standings: DeviceStanding[] = [];
    for (const item of items) {
      standings.push(...(await store.transact(async (work) => await change(work, [item]))));
    }
    return standings;
  }
}

/** Whether the check-in says anything that is to be kept. */
function hasNews({ deviceId, checkIn }: Item, standings: ReadonlyMap<string, DeviceStanding>) {
  if (checkIn === undefined) return false;
  const { facts, components, progress, events, serial } = checkIn;
  return (
    facts !== undefined ||
    components !== undefined ||
    progress.length > 0 ||
    events.length > 0 ||
    // Nothing changed but the count: it is kept as well, or the device would be asked for all.
    serial !== standings.get(deviceId)?.serial
  );
}

/** Whether the assignment is to be computed anew. */
function isStale(standing: DeviceStanding, now: Date): boolean {
  return (
    standing.assignment_serial === null ||
    standing.assignment_fleet !== standing.fleet_generation ||
    standing.assignment_device !== standing.generation ||
    (standing.assignment_expires?.getTime() ?? 0) - now.getTime() < ASSIGNMENT_MS / 2
  );
}
