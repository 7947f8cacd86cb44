/** Groups: fixed lists of devices, and dynamic scopes. */
import type { Group, GroupDraft } from "@suture/contract";
import { sql } from "kysely";
import { parseScope } from "../domain/scope.ts";
import { RequestError } from "../errors.ts";
import { signalAllDevices } from "../fleet/signals.ts";
import { newId } from "../secrets.ts";
import type { Services } from "../services.ts";
import { touchFleet } from "../store/devices.ts";
import { fillGroup, loadGroups, type Members } from "../store/groups.ts";
import { isRolloutThrough } from "../store/rollouts.ts";
import type { Tx, Work } from "../store/store.ts";
import { isReferenceViolation, isUniqueViolation } from "../store/violations.ts";
import { change } from "./change.ts";
import { type HandlersOf, personOf } from "./handler.ts";
import { found, orRefuse } from "./refusals.ts";

type Names = "groups" | "createGroup" | "changeGroup" | "removeGroup";

export function groupHandlers(services: Services): HandlersOf<Names> {
  const { parts, store } = services;
  return {
    groups: async () => await loadGroups(store.database),
    async createGroup({ body }, who) {
      const members = membersOf(body);
      return await naming(body, async () =>
        change(services, who, async (work, at) => {
          const id = newId(parts.random);
          const columns = columnsOf(body, { at, by: personOf(who).login });
          await work.tx
            .insertInto("groups")
            .values({ id, ...columns })
            .execute();
          await fillGroup(work.tx, id, members);
          await groupsChanged(work);
          return {
            value: await groupOf(work.tx, id),
            action: "group.create",
            object: `group ${id}`,
            detail: body,
            lists: ["groups", "devices"],
          };
        }),
      );
    },
    async changeGroup({ params: { id }, body }, who) {
      const members = membersOf(body);
      return await naming(body, async () =>
        change(services, who, async (work, at) => {
          const before = await groupOf(work.tx, id);
          const columns = columnsOf(body, { at, by: personOf(who).login });
          await work.tx.updateTable("groups").set(columns).where("id", "=", id).execute();
          await fillGroup(work.tx, id, members);
          await groupsChanged(work);
          return {
            value: await groupOf(work.tx, id),
            action: "group.change",
            object: `group ${id}`,
            detail: { before: before.name, after: body },
            lists: ["groups", "devices"],
          };
        }),
      );
    },
    async removeGroup({ params: { id } }, who) {
      await change(services, who, async (work) => {
        await refuseInUse(work.tx, id);
        const row = await work.tx
          .deleteFrom("groups")
          .where("id", "=", id)
          .returning("name")
          .executeTakeFirst();
        await groupsChanged(work);
        return {
          value: undefined,
          action: "group.remove",
          object: `group ${id}`,
          detail: found(row, `group ${id}`),
          lists: ["groups", "devices"],
        };
      });
    },
  };
}

function membersOf({ deviceIds, scope }: GroupDraft): Members {
  if ((deviceIds === undefined) === (scope === undefined)) {
    throw new RequestError("bad-request", "body: exactly one of deviceIds and scope");
  }
  return { deviceIds, scope: scope && orRefuse(parseScope(scope)) };
}

const columnsOf = (
  { name, description, scope }: GroupDraft,
  { at, by }: { readonly at: Date; readonly by: string },
) => ({
  name,
  description: description ?? null,
  scope: scope === undefined ? null : JSON.stringify(scope),
  changed_at: at,
  changed_by: by,
});

/** Policies and rollouts may be for the group: every device is looked at again. */
async function groupsChanged(work: Work): Promise<void> {
  await touchFleet(work.tx);
  signalAllDevices(work);
}

const groupOf = async (tx: Tx, id: string): Promise<Group> =>
  found((await loadGroups(tx, id))[0], `group ${id}`);

async function refuseInUse(tx: Tx, id: string): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select name from policies where group_ids @> ${[id]}::uuid[] limit 1`.execute(tx);
  const [policy] = rows;
  if (policy !== undefined) {
    throw new RequestError("in-use", `the policy ${policy.name} is for this group`);
  }
  if (await isRolloutThrough(tx, { groupId: id })) {
    throw new RequestError("in-use", "a rollout is for this group");
  }
}

async function naming<Value>(
  { name }: { readonly name: string },
  act: () => Promise<Value>,
): Promise<Value> {
  try {
    return await act();
  } catch (error) {
    if (isUniqueViolation(error)) {
      throw new RequestError("conflict", `another group is called ${name}`);
    }
    if (isReferenceViolation(error)) {
      throw new RequestError("not-found", "one of the devices does not exist");
    }
    throw error;
  }
}
