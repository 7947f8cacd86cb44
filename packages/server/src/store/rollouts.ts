/** Rollouts as rows: their document, their devices, what becomes of them. */
import type { DeviceUpdateState, HealthSignal, StateCounts } from "@suture/contract";
import { sql } from "kysely";
import type { RolloutDeviceRow } from "../domain/rollout-facts.ts";
import type { WaitReason } from "../domain/rollout-reasons.ts";
import type { Rollout } from "../domain/rollout-state.ts";
import type { Database, Tx } from "./store.ts";

export interface LockedRollout {
  readonly id: string;
  readonly rollout: Rollout;
  readonly waits: readonly WaitReason[];
  readonly decideAt: Date | null;
}

/** Locks it. With `skip`, undefined also where another server works on it. */
export async function lockRollout(
  tx: Tx,
  id: string,
  { skip }: { readonly skip: boolean },
): Promise<LockedRollout | undefined> {
  const row = await tx
    .selectFrom("rollouts")
    .select(["id", "document as rollout", "waits", "decide_at as decideAt"])
    .where("id", "=", id)
    .forUpdate()
    .$if(skip, (from) => from.skipLocked())
    .executeTakeFirst();
  return row;
}

/** Rows for `gatherFacts`, with the places of the rollout's groups. */
export async function rowsOfRollout(
  database: Database,
  id: string,
  rollout: Rollout,
): Promise<RolloutDeviceRow[]> {
  const places = new Map(rollout.groups.map(({ ringId }, at) => [ringId, at]));
  const { rows } = await sql<{
    device_id: string;
    hostname: string;
    ring_id: string;
    state: DeviceUpdateState;
    at: Date;
    attempt: number;
    signal: HealthSignal | null;
    revert_asked: boolean;
  }>`
    select x.device_id, d.hostname, x.ring_id, x.state, x.at, x.attempt, x.signal, x.revert_asked
    from rollout_devices x join devices d on d.id = x.device_id
    where x.rollout_id = ${id}`.execute(database);
  return rows.map((row) => ({
    deviceId: row.device_id,
    hostname: row.hostname,
    group: places.get(row.ring_id) ?? -1,
    state: row.state,
    at: row.at.getTime(),
    attempt: row.attempt,
    ...(row.signal !== null && { signal: row.signal }),
    revertAsked: row.revert_asked,
  }));
}

export interface SavedRollout {
  readonly rollout: Rollout;
  readonly waits: readonly WaitReason[];
  readonly decideAt: Date | null;
}

/** Keeps it, as a new version. */
export async function saveRollout(
  tx: Tx,
  id: string,
  { rollout, waits, decideAt }: SavedRollout,
): Promise<void> {
  await tx
    .updateTable("rollouts")
    .set((set) => ({
      state: rollout.state,
      document: JSON.stringify(rollout),
      waits: JSON.stringify(waits),
      decide_at: decideAt,
      version: set("version", "+", 1),
    }))
    .where("id", "=", id)
    .execute();
}

/** Only when to look at it again. */
export async function saveWaits(
  tx: Tx,
  id: string,
  { waits, decideAt }: Omit<SavedRollout, "rollout">,
): Promise<void> {
  await tx
    .updateTable("rollouts")
    .set({ waits: JSON.stringify(waits), decide_at: decideAt })
    .where("id", "=", id)
    .execute();
}

/** Notes that these devices are offered it. Those that told something meanwhile are left alone. */
export async function offerTo(
  tx: Tx,
  id: string,
  offer: { readonly devices: readonly string[]; readonly attempt: number; readonly now: Date },
): Promise<void> {
  await sql`
    update rollout_devices set state = 'offered', attempt = ${offer.attempt},
      at = ${offer.now}::timestamptz, code = null, detail = null
    where rollout_id = ${id} and device_id = any(${offer.devices}::uuid[])
      and state in ('waiting', 'refused', 'failed')`.execute(tx);
}

/** Notes that these devices are asked to revert it. */
export async function askToRevert(tx: Tx, id: string, devices: readonly string[]): Promise<void> {
  await sql`
    update rollout_devices set revert_asked = true
    where rollout_id = ${id} and device_id = any(${devices}::uuid[])`.execute(tx);
}

/** All devices of a rollout, whatever their state. */
export async function devicesOfRollout(tx: Tx, id: string): Promise<string[]> {
  const rows = await tx
    .selectFrom("rollout_devices")
    .select("device_id")
    .where("rollout_id", "=", id)
    .execute();
  return rows.map(({ device_id }) => device_id);
}

/** Rollouts of these targets, and those whose moment has come. */
export async function rolloutsOfTargets(
  database: Database,
  targets: readonly string[],
): Promise<string[]> {
  if (targets.length === 0) return [];
  const rows = await database
    .selectFrom("rollouts")
    .select("id")
    .where("target", "in", targets)
    .execute();
  return rows.map(({ id }) => id);
}

/** Rollouts that may move by themselves; with `now`, only those whose moment has come. */
export async function rolloutsToDecide(database: Database, now?: Date): Promise<string[]> {
  const rows = await database
    .selectFrom("rollouts")
    .select("id")
    .where("state", "in", ["running", "completed", "reverting", "reverted"])
    .$if(now !== undefined, (from) => from.where("decide_at", "<=", now ?? null))
    .execute();
  return rows.map(({ id }) => id);
}

/** Devices of rollouts by ring and state. */
export async function countsOfRollouts(
  database: Database,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ReadonlyMap<string, StateCounts>>> {
  const { rows } = await sql<{
    rollout_id: string;
    ring_id: string;
    state: DeviceUpdateState;
    count: number;
  }>`
    select rollout_id, ring_id, state, count(*)::int as count from rollout_devices
    where rollout_id = any(${ids}::uuid[]) group by 1, 2, 3`.execute(database);
  const counts = new Map<string, Map<string, StateCounts>>();
  for (const { rollout_id, ring_id, state, count } of rows) {
    const rings = counts.get(rollout_id) ?? new Map<string, StateCounts>();
    counts.set(rollout_id, rings.set(ring_id, { ...rings.get(ring_id), [state]: count }));
  }
  return counts;
}

/** Whether a rollout that is not over goes through this ring, or is for this group only. */
export async function isRolloutThrough(
  database: Database,
  { ringId, groupId }: { readonly ringId?: string; readonly groupId?: string },
): Promise<boolean> {
  const { rows } = await sql`
    select 1 from rollouts where state not in ('stopped', 'reverted')
      and (document->'groups' @> ${JSON.stringify([{ ringId: ringId ?? "" }])}::jsonb
        or group_ids @> ${groupId === undefined ? ["00000000-0000-0000-0000-000000000000"] : [groupId]}::uuid[])
    limit 1`.execute(database);
  return rows.length > 0;
}

export interface NewRollout {
  readonly id: string;
  readonly rollout: Rollout;
  readonly groupIds: readonly string[];
  readonly sha256: string;
  readonly at: Date;
}

export async function insertRollout(
  tx: Tx,
  { id, rollout, groupIds, sha256, at }: NewRollout,
): Promise<void> {
  await tx
    .insertInto("rollouts")
    .values({
      id,
      name: rollout.name,
      target: rollout.target,
      sha256,
      state: rollout.state,
      created_by: rollout.author,
      created_at: at,
      group_ids: [...groupIds],
      document: JSON.stringify(rollout),
      waits: "[]",
    })
    .execute();
}
