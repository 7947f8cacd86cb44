/**
 * What all devices are judged by: the fleet's switches, catalog, policies, groups, rollouts.
 *
 * It is loaded in each transaction that judges devices, after their rows are locked, so that
 * nothing older is used than what the rows say. What did not change since is not loaded again:
 * counters in the database tell.
 */
import type { Scope } from "@suture/contract";
import { type CveFacts, cvesOfCatalog } from "../domain/compliance-report.ts";
import { orderPolicies, type PolicyOrder } from "../domain/policy.ts";
import { type CatalogIndex, indexCatalog } from "../domain/quality-updates.ts";
import type { Rollout } from "../domain/rollout-state.ts";
import type { Tx } from "../store/store.ts";

export interface World {
  readonly paused: boolean;
  readonly generation: number;
  readonly catalog: CatalogIndex;
  readonly cves: ReadonlyMap<string, CveFacts>;
  /** In the order in which they hold. */
  readonly policies: readonly PolicyOrder[];
  readonly scopes: readonly { readonly groupId: string; readonly scope: Scope }[];
  readonly rollouts: ReadonlyMap<string, KnownRollout>;
}

export interface KnownRollout {
  readonly id: string;
  readonly version: number;
  readonly groupIds: readonly string[];
  readonly rollout: Rollout;
}

export type LoadWorld = (tx: Tx) => Promise<World>;

type Settings = Pick<World, "policies" | "scopes">;
type Known = Pick<World, "catalog" | "cves">;

/** Remembers what it loaded, by the counters it was loaded with. */
export function createWorldLoader(): LoadWorld {
  let catalog: (Known & { readonly of: number }) | undefined;
  let settings: (Settings & { readonly of: number }) | undefined;
  let rollouts: ReadonlyMap<string, KnownRollout> = new Map();
  return async (tx) => {
    const fleet = await tx.selectFrom("fleet").selectAll().executeTakeFirstOrThrow();
    if (catalog?.of !== fleet.catalog_generation) {
      catalog = { of: fleet.catalog_generation, ...(await loadCatalog(tx)) };
    }
    if (settings?.of !== fleet.generation) {
      settings = { of: fleet.generation, ...(await loadSettings(tx)) };
    }
    rollouts = await loadRollouts(tx, rollouts);
    return {
      paused: fleet.paused,
      generation: fleet.generation,
      catalog: catalog.catalog,
      cves: catalog.cves,
      policies: settings.policies,
      scopes: settings.scopes,
      rollouts,
    };
  };
}

async function loadCatalog(tx: Tx): Promise<Known> {
  const rows = await tx.selectFrom("updates").select("entry").orderBy("position").execute();
  const updates = rows.map(({ entry }) => entry);
  return { catalog: indexCatalog(updates), cves: cvesOfCatalog(updates) };
}

async function loadSettings(tx: Tx): Promise<Settings> {
  const policies = await tx
    .selectFrom("policies")
    .select(["id", "name", "group_ids as groupIds", "precedence", "settings"])
    .execute();
  const groups = await tx
    .selectFrom("groups")
    .select(["id as groupId", "scope"])
    .where("scope", "is not", null)
    .execute();
  const scopes = groups.flatMap(({ groupId, scope }) =>
    scope === null ? [] : [{ groupId, scope }],
  );
  return { policies: orderPolicies(policies), scopes };
}

async function loadRollouts(
  tx: Tx,
  before: ReadonlyMap<string, KnownRollout>,
): Promise<ReadonlyMap<string, KnownRollout>> {
  const versions = await tx.selectFrom("rollouts").select(["id", "version"]).execute();
  const newer = versions.filter(({ id, version }) => before.get(id)?.version !== version);
  if (newer.length === 0 && versions.length === before.size) return before;
  const ids = newer.map(({ id }) => id);
  const rows =
    ids.length === 0
      ? []
      : await tx
          .selectFrom("rollouts")
          .select(["id", "version", "group_ids as groupIds", "document as rollout"])
          .where("id", "in", ids)
          .execute();
  const loaded = new Map(rows.map((row) => [row.id, row]));
  return new Map(
    versions.flatMap(({ id }): [string, KnownRollout][] => {
      const known = loaded.get(id) ?? before.get(id);
      return known === undefined ? [] : [[id, known]];
    }),
  );
}
