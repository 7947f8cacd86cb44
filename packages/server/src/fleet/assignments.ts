/** The next assignment of a device: signed, with a serial of its own. */
import { type Assignment, canonicalJson } from "@suture/contract";
import type { ControlKey } from "../control-key.ts";
import type { Wanted } from "../domain/assignment.ts";
import { ASSIGNMENT_MS } from "../limits.ts";
import { sha256 } from "../secrets.ts";
import type { KeptAssignment } from "../store/assignments.ts";

export interface AssignedDevice {
  readonly id: string;
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

/** Undefined where the one before says the same and holds long enough. */
export function nextAssignment(
  device: AssignedDevice,
  wanted: Wanted,
  { now, controlKey }: AssignmentParts,
): Omit<KeptAssignment, "fleet_generation" | "device_generation"> | undefined {
  const content = sha256(canonicalJson(wanted));
  const serial = device.assignment_serial ?? 0;
  const holdsMs = (device.expires_at?.getTime() ?? 0) - now.getTime();
  const toldSerial = believable(device.told_serial);
  if (device.content === content && holdsMs > ASSIGNMENT_MS / 2 && toldSerial <= serial) {
    return undefined;
  }
  const assignment: Assignment = {
    format: 1,
    deviceId: device.id,
    serial: Math.max(serial, toldSerial) + 1,
    issuedAt: now.toISOString(),
    expiresAt: new Date(now.getTime() + ASSIGNMENT_MS).toISOString(),
    ...wanted,
  };
  const document = canonicalJson(assignment);
  return {
    device_id: device.id,
    serial: assignment.serial,
    document,
    signature: controlKey.sign(document),
    content,
    issued_at: assignment.issuedAt,
    expires_at: assignment.expiresAt,
  };
}

/**
 * A device may have a later serial than the server when the database was restored from a backup.
 * What no server would have reached is not believed.
 */
const believable = (serial: number): number => (serial < 2 ** 40 ? serial : 0);
