/** Alerts: those that stand, kept in the store until they resolve themselves. */
import { DeviceUpdateState, RolloutState } from "@suture/contract";
import {
  type AlertFacts,
  type AlertRollout,
  alertsOf,
  baselinesToCome,
  compareAlerts,
  SILENT_MS,
} from "../domain/alerts.ts";
import { HAS_IT, type SignalFacts } from "../domain/rollout-facts.ts";
import type { WaitReason } from "../domain/rollout-reasons.ts";
import type { Parts } from "../parts.ts";
import { newId } from "../secrets.ts";
import { alertDevices, openAlerts, resolveAlerts, signalsOf } from "../store/alerts.ts";
import { countsOfRollouts } from "../store/rollouts.ts";
import type { Tx } from "../store/store.ts";
import { signalLists } from "./signals.ts";
import type { LoadWorld } from "./world.ts";

/** Waits that only a person ends. */
const BLOCKED: ReadonlySet<string> = new Set(["devices-erred", "devices-silent", "soak-fallen"]);
/** A rollout that is over alarms nobody. */
const OVER: ReadonlySet<RolloutState> = new Set([
  RolloutState.draft,
  RolloutState.stopped,
  RolloutState.reverted,
]);
/** Rollouts looked at: the newest. */
const rolloutsMax = 200;

export interface AlertsRequest {
  /** Those of rollouts alone, where only rollouts moved: to look at all devices takes longer. */
  readonly about: "all" | "rollouts";
  readonly now: Date;
}

/** Raises what is new, resolves what stands no more. */
export async function refreshAlerts(
  { store, random }: Pick<Parts, "store" | "random">,
  loadWorld: LoadWorld,
  { about, now }: AlertsRequest,
): Promise<void> {
  await store.transact(async (work) => {
    const { tx } = work;
    const ofRollouts = { rollouts: await alertRollouts(tx), now: now.getTime() };
    const ofRest =
      about === "all" ? await otherFacts(tx, loadWorld, now) : { devices: [], baselines: [] };
    const standing = alertsOf({ ...ofRest, ...ofRollouts });
    const open = await openAlerts(tx);
    const kept = about === "all" ? open : open.filter(({ rollout_id }) => rollout_id !== null);
    const { raised, resolved, changed } = compareAlerts(kept, standing);
    for (const { key, code, severity, text, remediation, deviceId, rolloutId } of raised) {
      await tx
        .insertInto("alerts")
        .values({
          ...{ id: newId(random), key, code, severity, text, remediation, raised_at: now },
          device_id: deviceId ?? null,
          rollout_id: rolloutId ?? null,
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
    }
    for (const { kept, alert } of changed) {
      const { text, remediation } = alert;
      await tx.updateTable("alerts").set({ text, remediation }).where("id", "=", kept.id).execute();
    }
    await resolveAlerts(
      tx,
      resolved.map(({ id }) => id),
      now,
    );
    if (raised.length + resolved.length + changed.length > 0) {
      signalLists(work, "alerts", "overview");
    }
  });
}

async function otherFacts(
  tx: Tx,
  loadWorld: LoadWorld,
  now: Date,
): Promise<Pick<AlertFacts, "devices" | "channel" | "baselines">> {
  const world = await loadWorld(tx);
  const channel = await tx.selectFrom("channel").selectAll().executeTakeFirstOrThrow();
  const { expires_at, problem, calendar } = channel;
  return {
    devices: await alertDevices(tx, new Date(now.getTime() - SILENT_MS)),
    channel: {
      ...(expires_at !== null && { expiresAt: expires_at.getTime() }),
      ...(problem !== null && { problem }),
    },
    baselines: baselinesToCome(world.catalog, calendar.entries),
  };
}

async function alertRollouts(tx: Tx): Promise<AlertRollout[]> {
  const rows = await tx
    .selectFrom("rollouts")
    .select(["id", "document", "waits"])
    .where("state", "not in", [...OVER])
    .orderBy("created_at", "desc")
    .limit(rolloutsMax)
    .execute();
  const ids = rows.map(({ id }) => id);
  const signals = await signalsOf(tx, ids);
  const counts = await countsOfRollouts(tx, ids);
  return rows.map(({ id, document: rollout, waits }) => {
    const wait = waits.find(({ code }) => BLOCKED.has(code));
    const rings = [...(counts.get(id)?.values() ?? [])];
    const states: DeviceUpdateState[] = [...HAS_IT, DeviceUpdateState.offered];
    const holders = rings.reduce(
      (sum, ring) => sum + states.reduce((all, state) => all + (ring[state] ?? 0), 0),
      0,
    );
    return {
      id,
      rollout,
      signals: signals.get(id) ?? NO_SIGNALS,
      ...(wait && { blocked: { group: nameOf(rollout.groups, wait), text: wait.text } }),
      holders,
    };
  });
}

const NO_SIGNALS: readonly SignalFacts[] = [];
const nameOf = (groups: readonly { readonly name: string }[], { group }: WaitReason): string =>
  groups[group]?.name ?? "a group";
