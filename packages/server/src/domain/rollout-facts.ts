/**
 * What a rollout has to know of its devices: counts, and whom to tell.
 *
 * `gatherFacts` makes it of rows in one pass. A store may make the same with sums of its database,
 * so that a decision about 500,000 devices does not load them.
 */
import {
  DeviceUpdateState,
  HEALTH_WATCH_DEFAULT,
  type HealthSignal,
  type StateCounts,
} from "@suture/contract";
import type { Rollout } from "./rollout-state.ts";

export interface UpdateFacts {
  /** Start of the day it was published. */
  readonly released: number;
  readonly withdrawn?: { readonly reason: string };
}

export interface RolloutFacts {
  /** Absent while the verified channel does not have it: then nothing moves. */
  readonly update?: UpdateFacts;
  /** Everything is paused, not just this rollout. */
  readonly fleetPaused: boolean;
  /** In the order of the rollout's groups. */
  readonly groups: readonly GroupFacts[];
}

export interface GroupFacts {
  /** All devices of the group, by their state. */
  readonly counts: StateCounts;
  /** Devices whose attempt came to an end, well or not. */
  readonly answered: number;
  /** Refused or failed in this attempt, and not reverted by a health signal. */
  readonly otherErrors: number;
  /** Reverted by a health signal, whatever became of them since. */
  readonly healthReverts: number;
  /** Time under watch, summed over the devices, in whole health watches. */
  readonly watches: number;
  /** Devices that wait, and those that refused or failed in an earlier attempt. */
  readonly toOffer: readonly string[];
  /** Devices that may have it and were not told yet to revert it. */
  readonly toRevert: readonly string[];
  readonly newestSignal?: SignalFacts;
}

export interface SignalFacts {
  readonly signal: HealthSignal;
  readonly deviceId: string;
  readonly hostname: string;
  readonly at: number;
}

/** How far one device of a rollout is. */
export interface RolloutDeviceRow {
  readonly deviceId: string;
  readonly hostname: string;
  /** Place of its group in the rollout. */
  readonly group: number;
  readonly state: DeviceUpdateState;
  /** When the server learnt of the state. */
  readonly at: number;
  /** The rollout's attempt in which it was offered; 0 before that. */
  readonly attempt: number;
  /** Kept once it was seen, even when the device is restarted afterwards. */
  readonly signal?: HealthSignal;
  readonly revertAsked?: boolean;
}

const S = DeviceUpdateState;
const HOUR = 3_600_000;

/** States in which the hotpatch is in processes of the device. */
export const HAS_IT: ReadonlySet<DeviceUpdateState> = new Set([S.applying, S.applied, S.succeeded]);

/** Had an error that a retry may mend. A health signal is no such error. */
const isMendable = (row: RolloutDeviceRow): boolean =>
  (row.state === S.refused || row.state === S.failed) && row.signal === undefined;

/**
 * Whether the device is to be offered the update as soon as its group has begun. Never again once a
 * health signal has reverted it there.
 */
export const isToBeOffered = (row: RolloutDeviceRow, attempt: number): boolean =>
  (row.state === S.waiting && row.signal === undefined) ||
  (isMendable(row) && row.attempt < attempt);

const ENDED: ReadonlySet<DeviceUpdateState> = new Set([
  S.applied,
  S.succeeded,
  S.restartPending,
  S.restarted,
  S.reverted,
]);

const isAnswer = (row: RolloutDeviceRow, attempt: number): boolean =>
  ENDED.has(row.state) || row.signal !== undefined || (isMendable(row) && row.attempt >= attempt);

interface Tally {
  readonly counts: StateCounts;
  readonly toOffer: string[];
  readonly toRevert: string[];
  answered: number;
  otherErrors: number;
  healthReverts: number;
  watches: number;
  newestSignal?: SignalFacts;
}

export interface FactsRequest {
  readonly update?: UpdateFacts;
  readonly fleetPaused: boolean;
  /** Of the devices' policies; 0 where nothing is watched. */
  readonly watchHours?: number;
  readonly now: number;
}

/** One pass over the rows, in any order. Rows of a group that the rollout lacks are left out. */
export function gatherFacts(
  rollout: Rollout,
  rows: Iterable<RolloutDeviceRow>,
  { update, fleetPaused, watchHours = HEALTH_WATCH_DEFAULT.hours, now }: FactsRequest,
): RolloutFacts {
  const groups = rollout.groups.map(
    (): Tally => ({
      counts: {},
      toOffer: [],
      toRevert: [],
      answered: 0,
      otherErrors: 0,
      healthReverts: 0,
      watches: 0,
    }),
  );
  for (const row of rows) {
    const tally = groups[row.group];
    if (tally !== undefined) count(tally, row, { attempt: rollout.attempt, watchHours, now });
  }
  return { ...(update && { update }), fleetPaused, groups };
}

function count(
  tally: Tally,
  row: RolloutDeviceRow,
  { attempt, watchHours, now }: { attempt: number; watchHours: number; now: number },
): void {
  tally.counts[row.state] = (tally.counts[row.state] ?? 0) + 1;
  if (row.signal !== undefined || row.state === S.reverted) tally.healthReverts++;
  else if (isMendable(row) && row.attempt >= attempt) tally.otherErrors++;
  if (isAnswer(row, attempt)) tally.answered++;
  tally.watches += watchedShare(row, watchHours * HOUR, now);
  if (isToBeOffered(row, attempt)) tally.toOffer.push(row.deviceId);
  const mayHaveIt = HAS_IT.has(row.state) || row.state === S.offered;
  if (mayHaveIt && row.revertAsked !== true) tally.toRevert.push(row.deviceId);
  if (row.signal !== undefined && row.at >= (tally.newestSignal?.at ?? 0)) {
    const { signal, deviceId, hostname, at } = row;
    tally.newestSignal = { signal, deviceId, hostname, at };
  }
}

/** A device that was reverted counts as not watched at all, which errs towards halting. */
function watchedShare(row: RolloutDeviceRow, watchMs: number, now: number): number {
  if (row.state === S.succeeded || row.state === S.restarted) return 1;
  if (row.state !== S.applied) return 0;
  return watchMs > 0 ? Math.min(1, Math.max(0, now - row.at) / watchMs) : 1;
}

/** Devices of the group that need the update. */
export const devicesConcerned = ({ counts }: GroupFacts): number =>
  totalOf(counts) - (counts[S.notApplicable] ?? 0);

export const totalOf = (counts: StateCounts): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** Devices that have it in force: hotpatched or restarted. */
export const successesOf = ({ counts }: GroupFacts): number =>
  (counts[S.applied] ?? 0) + (counts[S.succeeded] ?? 0) + (counts[S.restarted] ?? 0);

/** Devices that have said anything since they were offered it. */
export const heardOf = (facts: GroupFacts): number =>
  devicesConcerned(facts) - (facts.counts[S.waiting] ?? 0) - (facts.counts[S.offered] ?? 0);

/** Devices in whose processes it is, or is just being applied or watched. */
export const holdersOf = ({ counts }: GroupFacts): number =>
  [...HAS_IT].reduce((sum, state) => sum + (counts[state] ?? 0), 0);
