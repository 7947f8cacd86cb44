/** Rollouts: written, judged, driven; and the pause of everything. */
import { ACTION_PERMISSIONS, type Approval, Permission, type RolloutDraft } from "@suture/contract";
import { groupsOfRings } from "../domain/rings.ts";
import { createRollout } from "../domain/rollout-state.ts";
import { act } from "../domain/rollout-transitions.ts";
import { RequestError } from "../errors.ts";
import { decideAndDo } from "../fleet/drive-rollout.ts";
import { fillRollout } from "../fleet/fill-rollout.ts";
import { approvalsFor, rolloutPage, rolloutView } from "../fleet/rollout-views.ts";
import { signalAllDevices } from "../fleet/signals.ts";
import { newId } from "../secrets.ts";
import type { Services } from "../services.ts";
import { touchFleet } from "../store/devices.ts";
import { listRolloutDevices } from "../store/rollout-device-list.ts";
import { insertRollout, lockRollout } from "../store/rollouts.ts";
import type { Tx } from "../store/store.ts";
import { change } from "./change.ts";
import { type HandlersOf, type Principal, personOf } from "./handler.ts";
import { found, orRefuse } from "./refusals.ts";
import { loadRings } from "./rings.ts";

type Names =
  | "rollouts"
  | "rollout"
  | "rolloutDevices"
  | "createRollout"
  | "actOnRollout"
  | "approvals"
  | "pauseAll"
  | "resumeAll";

export function rolloutHandlers(services: Services): HandlersOf<Names> {
  const { parts, store, loadWorld } = services;
  const view = async (id: string, login: string) =>
    await store.transact(
      async ({ tx }) => await rolloutView(tx, id, { loadWorld, now: parts.now(), login }),
    );
  return {
    rollouts: async ({ query }) =>
      await store.transact(async ({ tx }) => await rolloutPage(tx, query, loadWorld)),
    rollout: async ({ params }, who) => await view(params.id, personOf(who).login),
    rolloutDevices: async ({ params, query }) =>
      await listRolloutDevices(store.database, params.id, query),
    async createRollout({ body }, who) {
      const { login, permissions } = personOf(who);
      if (body.expedite !== undefined && !permissions.has(Permission.expedite)) {
        throw new RequestError("not-permitted", `${login} may not expedite`);
      }
      const id = newId(parts.random);
      await draftRollout(services, who, { id, draft: body });
      return await view(id, login);
    },
    async actOnRollout({ params: { id }, body }, who) {
      const { login, permissions } = personOf(who);
      const permission = ACTION_PERMISSIONS[body.action];
      if (!permissions.has(permission)) {
        throw new RequestError("not-permitted", `${login} has no role with ${permission}`);
      }
      await change(services, who, async (work, at) => {
        const locked = found(await lockRollout(work.tx, id, { skip: false }), `rollout ${id}`);
        const before = locked.rollout;
        const after = orRefuse(act(before, body, login, at.getTime()));
        const parted = { now: at, loadWorld, before };
        await decideAndDo(work, { ...locked, rollout: after }, parted);
        return {
          value: undefined,
          action: `rollout.${body.action}`,
          object: `rollout ${id}`,
          reason: body.reason,
          detail: { name: before.name, from: before.state, to: after.state },
          lists: ["rollouts", "overview", "alerts"],
        };
      });
      return await view(id, login);
    },
    async approvals(_, who): Promise<Approval[]> {
      const { login } = personOf(who);
      return await store.transact(async ({ tx }) => await approvalsFor(tx, login));
    },
    async pauseAll({ body }, who) {
      await setPaused(services, who, body.reason);
    },
    async resumeAll(_, who) {
      await setPaused(services, who, null);
    },
  };
}

/** Writes a draft, and finds the devices that it is for. */
async function draftRollout(
  services: Services,
  who: Principal,
  { id, draft }: { readonly id: string; readonly draft: RolloutDraft },
): Promise<void> {
  await change(services, who, async (work, at) => {
    const world = await services.loadWorld(work.tx);
    const update = found(
      world.catalog.byTarget.get(draft.target),
      `update ${draft.target} in the catalog`,
    );
    if (update.withdrawn !== undefined) {
      throw new RequestError("conflict", `${update.id} was withdrawn`);
    }
    const groups = orRefuse(groupsOfRings(await loadRings(work.tx), draft.ringIds));
    const { name, target, gates, expedite } = draft;
    const rollout = createRollout({
      ...{ name, target, gates, groups, author: personOf(who).login },
      ...(expedite && { expedite }),
    });
    await checkGroupIds(work.tx, draft.groupIds);
    await insertRollout(work.tx, {
      ...{ id, rollout, at, groupIds: draft.groupIds, sha256: update.sha256 },
    });
    await fillRollout(work, { id, rollout, groupIds: draft.groupIds, update, world, now: at });
    return {
      value: undefined,
      action: "rollout.create",
      object: `rollout ${id}`,
      reason: expedite?.reason,
      detail: draft,
      lists: ["rollouts", "overview"],
    };
  });
}

/** `reason` null: resumed. */
async function setPaused(services: Services, who: Principal, reason: string | null): Promise<void> {
  await change(services, who, async (work) => {
    await work.tx
      .updateTable("fleet")
      .set({ paused: reason !== null, pause_reason: reason })
      .execute();
    await touchFleet(work.tx);
    signalAllDevices(work);
    return {
      value: undefined,
      action: reason === null ? "fleet.resume" : "fleet.pause",
      object: "fleet",
      reason: reason ?? undefined,
      lists: ["overview", "devices", "rollouts"],
    };
  });
  services.background.decideAll();
}

async function checkGroupIds(tx: Tx, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const rows = await tx.selectFrom("groups").select("id").where("id", "in", ids).execute();
  const known = new Set(rows.map(({ id }) => id));
  for (const id of ids) found(known.has(id) ? id : undefined, `group ${id}`);
}
