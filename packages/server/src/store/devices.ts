/** Devices as single statements for many at once. */
import { sql } from "kysely";
import { retried } from "./retry.ts";
import type { Database, Tx } from "./store.ts";

/** Public keys by device; devices that are gone are absent. */
export async function publicKeysOf(
  database: Database,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const { rows } = await sql<{ id: string; public_key: string }>`
    select id, public_key from devices where id = any(${ids}::uuid[])`.execute(database);
  return new Map(rows.map(({ id, public_key }) => [id, public_key]));
}

export interface NewDevice {
  readonly id: string;
  readonly hostname: string;
  readonly publicKey: string;
  readonly ringId: string | null;
  readonly tags: readonly string[];
}

export async function insertDevice(tx: Tx, device: NewDevice, now: Date): Promise<void> {
  const { id, hostname, publicKey, ringId, tags } = device;
  await tx
    .insertInto("devices")
    .values({
      id,
      hostname,
      public_key: publicKey,
      enrolled_at: now,
      ring_id: ringId,
      tags: [...tags],
    })
    .execute();
  await sql`insert into device_facts (device_id) values (${id})`.execute(tx);
  await sql`insert into device_contacts (device_id) values (${id})`.execute(tx);
}

/** One request of a device, as far as the store looks at it first. */
export interface Contact {
  readonly deviceId: string;
  /** Absent where the request was seen before: a held one that was woken. */
  readonly nonce: string | undefined;
  /** Of the assignment in force on the device. */
  readonly assignmentSerial: number;
  readonly connectedUntil: Date;
}

/** Where a device stands, for the answer. */
export interface DeviceStanding {
  readonly id: string;
  readonly serial: number;
  readonly event_serial: number;
  readonly generation: number;
  readonly fleet_generation: number;
  readonly assignment_serial: number | null;
  readonly assignment_fleet: number | null;
  readonly assignment_device: number | null;
  readonly assignment_expires: Date | null;
}

/**
 * Notes that these devices were heard, and tells where they stand, in one statement.
 *
 * A device is absent from the answer when it was removed, or when its nonce was used before.
 */
export async function noteContacts(
  database: Database,
  contacts: readonly Contact[],
  { now, noncesUntil }: { readonly now: Date; readonly noncesUntil: Date },
): Promise<ReadonlyMap<string, DeviceStanding>> {
  const ids = contacts.map(({ deviceId }) => deviceId);
  const nonces = contacts.map(({ nonce }) => nonce ?? null);
  const serials = contacts.map(({ assignmentSerial }) => assignmentSerial);
  const untils = contacts.map(({ connectedUntil }) => connectedUntil.toISOString());
  const query = sql<DeviceStanding>`
    with input as (
      select * from unnest(${ids}::uuid[], ${nonces}::text[], ${serials}::int8[],
        ${untils}::timestamptz[]) as i (id, nonce, serial, until)),
    fresh as (
      insert into nonces (device_id, nonce, expires_at)
      select id, nonce, ${noncesUntil}::timestamptz from input where nonce is not null
      on conflict do nothing returning device_id),
    touched as (
      update device_contacts c set last_seen_at = ${now}::timestamptz,
        connected_until = greatest(c.connected_until, i.until), assignment_serial = i.serial
      from input i join fresh f on f.device_id = i.id where c.device_id = i.id),
    good as (
      select id from input where nonce is null union all select device_id from fresh)
    select d.id, f.serial, f.event_serial, c.generation, fleet.generation as fleet_generation,
      a.serial as assignment_serial, a.fleet_generation as assignment_fleet,
      a.device_generation as assignment_device, a.expires_at as assignment_expires
    from good join devices d using (id) join device_facts f on f.device_id = d.id
      join device_contacts c on c.device_id = d.id
      left join assignments a on a.device_id = d.id cross join fleet`;
  const { rows } = await retried(async () => await query.execute(database));
  return new Map(rows.map((row) => [row.id, row]));
}

/** The device holds no request any longer. */
export async function noteDisconnected(
  database: Database,
  deviceId: string,
  now: Date,
): Promise<void> {
  await database
    .updateTable("device_contacts")
    .set({ connected_until: now })
    .where("device_id", "=", deviceId)
    .where("connected_until", ">", now)
    .execute();
}

/** Devices whose compliance and assignment are to be computed again. In the order of their ids. */
export async function touchDevices(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await sql`
    update device_contacts c set generation = c.generation + 1
    from (select device_id from device_contacts where device_id = any(${ids}::uuid[])
      order by device_id for update) r
    where c.device_id = r.device_id`.execute(tx);
}

/** The same for every device, in one row. */
export async function touchFleet(tx: Tx): Promise<void> {
  await sql`update fleet set generation = generation + 1`.execute(tx);
}
