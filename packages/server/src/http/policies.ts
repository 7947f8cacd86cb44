/** Quality update policies. */
import type { Policy, PolicyDraft } from "@suture/contract";
import { sql } from "kysely";
import { orderPolicies } from "../domain/policy.ts";
import { RequestError } from "../errors.ts";
import { signalAllDevices } from "../fleet/signals.ts";
import { newId } from "../secrets.ts";
import type { Services } from "../services.ts";
import { touchFleet } from "../store/devices.ts";
import type { Database, Tx } from "../store/store.ts";
import { isUniqueViolation } from "../store/violations.ts";
import { change } from "./change.ts";
import { type HandlersOf, personOf } from "./handler.ts";
import { found } from "./refusals.ts";

type Names = "policies" | "createPolicy" | "changePolicy" | "removePolicy";

export function policyHandlers(services: Services): HandlersOf<Names> {
  const { parts, store } = services;
  return {
    policies: async () => orderPolicies(await loadPolicies(store.database)),
    async createPolicy({ body }, who) {
      return await naming(body, async () =>
        change(services, who, async (work, at) => {
          await checkGroups(work.tx, body);
          const id = newId(parts.random);
          const columns = columnsOf(body, { at, by: personOf(who).login });
          await work.tx
            .insertInto("policies")
            .values({ id, ...columns })
            .execute();
          await touchFleet(work.tx);
          signalAllDevices(work);
          return {
            value: await policyOfId(work.tx, id),
            action: "policy.create",
            object: `policy ${id}`,
            detail: body,
            lists: ["policies"],
          };
        }),
      );
    },
    async changePolicy({ params: { id }, body }, who) {
      return await naming(body, async () =>
        change(services, who, async (work, at) => {
          const before = await policyOfId(work.tx, id);
          await checkGroups(work.tx, body);
          const columns = columnsOf(body, { at, by: personOf(who).login });
          await work.tx.updateTable("policies").set(columns).where("id", "=", id).execute();
          await touchFleet(work.tx);
          signalAllDevices(work);
          return {
            value: await policyOfId(work.tx, id),
            action: "policy.change",
            object: `policy ${id}`,
            detail: { before, after: body },
            lists: ["policies", "devices"],
          };
        }),
      );
    },
    async removePolicy({ params: { id } }, who) {
      await change(services, who, async (work) => {
        const before = await policyOfId(work.tx, id);
        await work.tx.deleteFrom("policies").where("id", "=", id).execute();
        await touchFleet(work.tx);
        signalAllDevices(work);
        return {
          value: undefined,
          action: "policy.remove",
          object: `policy ${id}`,
          detail: { before },
          lists: ["policies", "devices"],
        };
      });
    },
  };
}

const columnsOf = (draft: PolicyDraft, { at, by }: { readonly at: Date; readonly by: string }) => ({
  name: draft.name,
  description: draft.description ?? null,
  group_ids: draft.groupIds,
  precedence: draft.precedence,
  settings: JSON.stringify(draft.settings),
  gates: JSON.stringify(draft.gates),
  changed_at: at,
  changed_by: by,
});

async function checkGroups(tx: Tx, { groupIds }: PolicyDraft): Promise<void> {
  const { rows } = await sql<{ id: string }>`
    select id from unnest(${groupIds}::uuid[]) as wanted (id)
    where not exists (select 1 from groups where groups.id = wanted.id) limit 1`.execute(tx);
  const [missing] = rows;
  if (missing !== undefined) throw new RequestError("not-found", `there is no group ${missing.id}`);
}

async function loadPolicies(database: Database): Promise<Policy[]> {
  const rows = await database.selectFrom("policies").selectAll().execute();
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    ...(row.description !== null && { description: row.description }),
    groupIds: row.group_ids,
    precedence: row.precedence,
    settings: row.settings,
    gates: row.gates,
    changedAt: row.changed_at.toISOString(),
    changedBy: row.changed_by,
  }));
}

const policyOfId = async (tx: Tx, id: string): Promise<Policy> =>
  found(
    (await loadPolicies(tx)).find((policy) => policy.id === id),
    `policy ${id}`,
  );

async function naming<Value>(
  { name }: { readonly name: string },
  act: () => Promise<Value>,
): Promise<Value> {
  try {
    return await act();
  } catch (error) {
    if (!isUniqueViolation(error)) throw error;
    throw new RequestError("conflict", `another policy is called ${name}`);
  }
}
