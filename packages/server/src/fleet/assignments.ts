/** Assignments: computed for many devices at once, signed, and kept with a serial per device. */
import { type Assignment, canonicalJson, POLICY_DEFAULT } from "@suture/contract";
import { sql } from "kysely";
import type { ControlKey } from "../control-key.ts";
import { ASSIGNMENT_MS } from "../limits.ts";
import { sha256 } from "../secrets.ts";
import { confirmAssignments, type KeptAssignment, keepAssignments } from "../store/assignments.ts";
import type { DeviceStanding } from "../store/devices.ts";
import type { Tx, Work } from "../store/store.ts";

interface Row {
  readonly id: string;
  readonly generation: number;
  readonly serial: number;
  readonly event_serial: number;
  readonly assignment_serial: number | null;
  readonly content: string | null;
  readonly expires_at: Date | null;
  /** Of the assignment that the device has, as it says. */
  readonly told_serial: number;
}

export interface AssignmentParts {
  readonly now: Date;
  readonly controlKey: ControlKey;
}

/** What an assignment says, besides whose it is and when it holds. */
export type AssignmentContent = Pick<Assignment, "paused" | "apply" | "revert" | "policy">;

/**
 * Computes the assignments of these devices and keeps those that differ, or that are to be renewed.
 * Gives where the devices stand then. The rows of the devices are locked.
 */
export async function computeAssignments(
  { tx }: Work,
  ids: readonly string[],
  { now, controlKey }: AssignmentParts,
): Promise<DeviceStanding[]> {
  const rows = await rowsOf(tx, ids);
  const fleet = await tx
    .selectFrom("fleet")
    .select(["paused", "generation"])
    .executeTakeFirstOrThrow();
  const kept: KeptAssignment[] = [];
  const confirmed: string[] = [];
  const standings = rows.map((row): DeviceStanding => {
    const content = { paused: fleet.paused, apply: [], revert: [], policy: POLICY_DEFAULT };
    const assignment = nextAssignment(row, content, { now, controlKey });
    if (assignment === undefined) confirmed.push(row.id);
    else {
      const generations = {
        fleet_generation: fleet.generation,
        device_generation: row.generation,
      };
      kept.push({ ...assignment, ...generations });
    }
    return {
      id: row.id,
      serial: row.serial,
      event_serial: row.event_serial,
      generation: row.generation,
      fleet_generation: fleet.generation,
      assignment_serial: assignment?.serial ?? row.assignment_serial,
      assignment_fleet: fleet.generation,
      assignment_device: row.generation,
      assignment_expires: assignment ? new Date(assignment.expires_at) : row.expires_at,
    };
  });
  await keepAssignments(tx, kept);
  await confirmAssignments(tx, confirmed, fleet.generation);
  return standings;
}

/** The next one, signed; undefined where the one before says the same and holds long enough. */
function nextAssignment(
  row: Row,
  content: AssignmentContent,
  { now, controlKey }: AssignmentParts,
): Omit<KeptAssignment, "fleet_generation" | "device_generation"> | undefined {
  const digest = sha256(canonicalJson(content));
  const serial = row.assignment_serial ?? 0;
  const holdsMs = (row.expires_at?.getTime() ?? 0) - now.getTime();
  const toldSerial = believable(row.told_serial);
  if (row.content === digest && holdsMs > ASSIGNMENT_MS / 2 && toldSerial <= serial) {
    return undefined;
  }
  const assignment: Assignment = {
    format: 1,
    deviceId: row.id,
    serial: Math.max(serial, toldSerial) + 1,
    issuedAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + ASSIGNMENT_MS).toISOString(),
    ...content,
  };
  const document = canonicalJson(assignment);
  return {
    device_id: row.id,
    serial: assignment.serial,
    document,
    signature: controlKey.sign(document),
    content: digest,
    issued_at: assignment.issuedAt,
    expires_at: assignment.expiresAt,
  };
}

/**
 * A device may have a later serial than the server when the database was restored from a backup.
 * What no server would have reached is not believed.
 */
const believable = (serial: number): number => (serial < 2 ** 40 ? serial : 0);

async function rowsOf(tx: Tx, ids: readonly string[]): Promise<readonly Row[]> {
  const { rows } = await sql<Row>`
    select d.id, d.generation, f.serial, f.event_serial, a.serial as assignment_serial, a.content,
      a.expires_at, c.assignment_serial as told_serial
    from devices d join device_facts f on f.device_id = d.id
      join device_contacts c on c.device_id = d.id
      left join assignments a on a.device_id = d.id
    where d.id = any(${ids}::uuid[]) order by d.id for update of d`.execute(tx);
  return rows;
}
