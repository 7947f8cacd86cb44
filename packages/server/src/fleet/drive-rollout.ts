/** Does what the domain decides for a rollout. */
import { canonicalJson, HEALTH_WATCH_DEFAULT } from "@suture/contract";
import { momentOfDay } from "../domain/quality-updates.ts";
import { decide, nextDecisionAt, type RolloutStep } from "../domain/rollout.ts";
import { gatherFacts, type RolloutFacts } from "../domain/rollout-facts.ts";
import type { Rollout } from "../domain/rollout-state.ts";
import { appendAudit } from "../store/audit.ts";
import { touchDevices } from "../store/devices.ts";
import {
  askToRevert,
  devicesOfRollout,
  type LockedRollout,
  lockRollout,
  offerTo,
  rowsOfRollout,
  saveRollout,
  saveWaits,
} from "../store/rollouts.ts";
import type { Database, Work } from "../store/store.ts";
import { signalDevices, signalLists, signalSettle } from "./signals.ts";
import type { LoadWorld, World } from "./world.ts";

export interface DriveParts {
  readonly now: Date;
  readonly loadWorld: LoadWorld;
}

/** Decides and does it, unless another server is at it. Whether anything was done. */
export async function driveRollout(work: Work, id: string, parts: DriveParts): Promise<boolean> {
  const locked = await lockRollout(work.tx, id, { skip: true });
  if (locked === undefined) return false;
  return await decideAndDo(work, locked, { ...parts, before: locked.rollout });
}

/**
 * The same for a rollout that is locked, and that a person may have changed: `before` is what the
 * database has.
 */
export async function decideAndDo(
  work: Work,
  { id, rollout, waits, decideAt }: LockedRollout,
  { now, loadWorld, before }: DriveParts & { readonly before: Rollout },
): Promise<boolean> {
  const world = await loadWorld(work.tx);
  const facts = await factsOf(work.tx, { id, rollout, world, now });
  const decision = decide(rollout, facts, now.getTime());
  const next = nextDecisionAt(decision);
  const saved = {
    rollout: decision.rollout,
    waits: decision.reasons,
    decideAt: next === undefined ? null : new Date(next),
  };
  const isChanged = canonicalJson(decision.rollout) !== canonicalJson(before);
  const isNewWait =
    canonicalJson(decision.reasons) !== canonicalJson(waits) ||
    saved.decideAt?.getTime() !== decideAt?.getTime();
  if (!isChanged && decision.actions.length === 0) {
    if (isNewWait) await saveWaits(work.tx, id, saved);
    return false;
  }
  await saveRollout(work.tx, id, saved);
  await tellDevices(work, { id, decision, before, now });
  signalLists(work, "rollouts", "overview");
  for (const action of decision.actions) await noteStep(work, { id, rollout, action, now });
  return true;
}

export interface FactsRequest {
  readonly id: string;
  readonly rollout: Rollout;
  readonly world: Pick<World, "catalog" | "paused" | "policies">;
  readonly now: Date;
}

/** What the domain has to know of the rollout's devices. */
export async function factsOf(
  database: Database,
  { id, rollout, world, now }: FactsRequest,
): Promise<RolloutFacts> {
  const rows = await rowsOfRollout(database, id, rollout);
  const update = world.catalog.byTarget.get(rollout.target);
  const withdrawn = update?.withdrawn;
  return gatherFacts(rollout, rows, {
    ...(update && {
      update: { released: momentOfDay(update.released), ...(withdrawn && { withdrawn }) },
    }),
    fleetPaused: world.paused,
    watchHours: watchHoursOf(world),
    now: now.getTime(),
  });
}

/** The longest health watch of any policy: less than a whole watch is counted on devices of others. */
const watchHoursOf = ({ policies }: Pick<World, "policies">): number =>
  policies.some(({ groupIds }) => groupIds.length === 0)
    ? Math.max(...policies.map(({ settings }) => settings.health.hours))
    : Math.max(
        HEALTH_WATCH_DEFAULT.hours,
        ...policies.map(({ settings }) => settings.health.hours),
      );

interface Told {
  readonly id: string;
  readonly decision: ReturnType<typeof decide>;
  readonly before: Rollout;
  readonly now: Date;
}

/** Puts offers and reverts into the rows, and lets the devices be settled anew. */
async function tellDevices(work: Work, { id, decision, before, now }: Told): Promise<void> {
  const touched = new Set<string>();
  for (const action of decision.actions) {
    if (action.kind === "offer") {
      await offerTo(work.tx, id, { devices: action.devices, attempt: action.attempt, now });
    } else if (action.kind === "revert") await askToRevert(work.tx, id, action.devices);
    else continue;
    for (const device of action.devices) touched.add(device);
  }
  // Another state means another assignment or another reason for all of them.
  if (before.state !== decision.rollout.state) {
    for (const device of await devicesOfRollout(work.tx, id)) touched.add(device);
  }
  if (touched.size === 0) return;
  await touchDevices(work.tx, [...touched]);
  signalDevices(work, [...touched]);
  signalSettle(work);
}

interface Noted {
  readonly id: string;
  readonly rollout: Rollout;
  readonly action: RolloutStep;
  readonly now: Date;
}

async function noteStep({ tx }: Work, { id, rollout, action, now }: Noted): Promise<void> {
  const group = "group" in action ? rollout.groups[action.group]?.name : undefined;
  const devices = "devices" in action ? { devices: action.devices.length } : {};
  const halt = action.kind === "halt" ? { code: action.halt.code, text: action.halt.text } : {};
  await appendAudit(tx, {
    at: now,
    who: "server",
    action: `rollout.${action.kind}`,
    object: `rollout ${id}`,
    detail: { name: rollout.name, ...(group !== undefined && { group }), ...devices, ...halt },
  });
}
