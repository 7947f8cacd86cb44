/**
 * Settles devices: what follows for each from what is known of it and from what people decided.
 *
 *     facts, tags, ring  ->  dynamic groups  ->  policy  ----------------+
 *                                |                                      |
 *                                +->  place in rollouts  ->  compliance  +->  assignment, signed
 *
 * It is done for many devices in one transaction: where a device told something, and where a change
 * elsewhere made its generation or the fleet's a new one. Only what differs is written.
 */
import type { ComponentFacts } from "@suture/contract";
import type { ControlKey } from "../control-key.ts";
import { wantedOf } from "../domain/assignment.ts";
import { complianceOf } from "../domain/compliance.ts";
import { settingsOf } from "../domain/policy.ts";
import { matchesScope } from "../domain/scope.ts";
import { confirmAssignments, type KeptAssignment, keepAssignments } from "../store/assignments.ts";
import { type ComplianceRow, keepCompliance } from "../store/device-compliance.ts";
import type { DeviceStanding } from "../store/devices.ts";
import { changeMembers, type MemberChange } from "../store/group-members.ts";
import { type Placement, placeDevices } from "../store/rollout-devices.ts";
import { type KnownComponent, loadSettling, type SettlingDevice } from "../store/settling.ts";
import type { Work } from "../store/store.ts";
import { nextAssignment } from "./assignments.ts";
import { complianceRowOf } from "./device-compliance.ts";
import { placementsOf, rolloutsOf } from "./placement.ts";
import type { LoadWorld, World } from "./world.ts";

export interface SettleParts {
  readonly now: Date;
  readonly controlKey: ControlKey;
  readonly loadWorld: LoadWorld;
}

export interface Settled {
  readonly standings: readonly DeviceStanding[];
  /** Rollouts that have a device more or less. */
  readonly rollouts: ReadonlySet<string>;
}

/** Settles these devices; those that were removed are left out. Their rows are locked. */
export async function settleDevices(
  { tx }: Work,
  ids: readonly string[],
  parts: SettleParts,
): Promise<Settled> {
  const devices = await loadSettling(tx, ids);
  const world = await parts.loadWorld(tx);
  const members: MemberChange[] = [];
  const placements: Placement[] = [];
  const compliance: ComplianceRow[] = [];
  const assignments: KeptAssignment[] = [];
  const confirmed: string[] = [];
  const standings = devices.map((device) => {
    const groupIds = groupsOf(device, world, members);
    const placed = placementsOf(device, groupIds, world);
    placements.push(...placed);
    const rollouts = rolloutsOf(device, placed, world);
    const policy = settingsOf(world.policies, groupIds);
    const situation = {
      readiness: device.readiness,
      findings: device.findings,
      components: device.components.map(factsOf),
      rollouts,
      hotpatch: policy.hotpatch,
      fleetPaused: world.paused,
    };
    const judged = complianceOf(situation, world.catalog);
    const row = complianceRowOf(device, judged, { cves: world.cves, now: parts.now });
    if (row !== undefined) compliance.push(row);
    const wanted = wantedOf({ rollouts, policy, fleetPaused: world.paused });
    const assignment = nextAssignment(device, wanted, parts);
    const generations = {
      fleet_generation: world.generation,
      device_generation: device.generation,
    };
    if (assignment === undefined) confirmed.push(device.id);
    else assignments.push({ ...assignment, ...generations });
    return standingOf(device, world, assignment);
  });
  await changeMembers(tx, members);
  await placeDevices(tx, placements, parts.now);
  await keepCompliance(tx, compliance);
  await keepAssignments(tx, assignments);
  await confirmAssignments(tx, confirmed, world.generation);
  return { standings, rollouts: new Set(placements.map(({ rollout_id }) => rollout_id)) };
}

/** What the device told, without what was found of it before. */
function factsOf(component: KnownComponent): ComponentFacts {
  const { compliance: _, reason: __, openCves: ___, fixedCves: ____, ...facts } = component;
  return facts;
}

/** The device's groups as they are now; what changed of the dynamic ones is added to `members`. */
function groupsOf(device: SettlingDevice, world: World, members: MemberChange[]): Set<string> {
  const groups = new Set(device.group_ids);
  if (world.scopes.length === 0) return groups;
  const seen = {
    tags: new Set(device.tags),
    packages: new Set(device.packages),
    buildIds: new Set(device.build_ids),
    readiness: device.readiness,
    system: device.system,
    hostname: device.hostname,
  };
  for (const { groupId, scope } of world.scopes) {
    const isIn = matchesScope(scope, seen);
    if (isIn === groups.has(groupId)) continue;
    members.push({ group_id: groupId, device_id: device.id, is_in: isIn });
    if (isIn) groups.add(groupId);
    else groups.delete(groupId);
  }
  return groups;
}

const standingOf = (
  device: SettlingDevice,
  world: World,
  assignment: { readonly serial: number; readonly expires_at: string } | undefined,
): DeviceStanding => ({
  id: device.id,
  serial: device.serial,
  event_serial: device.event_serial,
  generation: device.generation,
  fleet_generation: world.generation,
  assignment_serial: assignment?.serial ?? device.assignment_serial,
  assignment_fleet: world.generation,
  assignment_device: device.generation,
  assignment_expires: assignment ? new Date(assignment.expires_at) : device.expires_at,
});
