/** What a declarative document would change on a server: created, changed field by field, removed. */
import {
  canonicalJson,
  type Group,
  type GroupDraft,
  type Policy,
  type PolicyDraft,
  type Ring,
  type RingDraft,
} from "@suture/contract";
import type { FleetDocument, GroupDocument, PolicyDocument } from "./fleet-document.ts";

/** What is on the server. */
export interface PresentFleet {
  readonly rings: readonly Ring[];
  readonly groups: readonly Group[];
  readonly policies: readonly Policy[];
}

export interface FieldChange {
  /** `settings.health.hours` */
  readonly field: string;
  /** Absent where there is no value. */
  readonly from?: unknown;
  readonly to?: unknown;
}

interface Entry<Draft> {
  readonly name: string;
  /** Absent for what is created. */
  readonly id?: string;
  /** Absent for what is removed. */
  readonly draft?: Draft;
  readonly fields: readonly FieldChange[];
}

/** A policy with names of groups; their ids are known when the groups are there. */
export type PolicyWanted = Omit<PolicyDraft, "groupIds"> & { readonly groups: readonly string[] };

export interface FleetChanges {
  readonly rings: readonly Entry<RingDraft>[];
  readonly groups: readonly Entry<GroupDraft>[];
  readonly policies: readonly Entry<PolicyWanted>[];
}

export interface Wanted {
  readonly document: FleetDocument;
  /** What the sections of the document do not name is removed. */
  readonly prune: boolean;
  /** Ids of the devices that the document names. */
  readonly deviceIds: ReadonlyMap<string, string>;
}

/** Only what differs. A section that the document does not have is left alone, even with `prune`. */
export function fleetChanges(
  present: PresentFleet,
  { document, prune, deviceIds }: Wanted,
): FleetChanges {
  const groupNames = new Map(present.groups.map(({ id, name }) => [id, name]));
  return {
    rings: entriesOf(document.rings, present.rings.map(ringOf), { prune, draftOf: asItIs }),
    groups: entriesOf(document.groups, present.groups.map(groupOf), {
      prune,
      draftOf: (group) => groupDraft(group, deviceIds),
    }),
    policies: entriesOf(
      document.policies,
      present.policies.map((policy) => policyOf(policy, groupNames)),
      { prune, draftOf: policyWanted },
    ),
  };
}

interface Named {
  readonly name: string;
}
interface Known<Draft> {
  readonly id: string;
  readonly draft: Draft;
}

function entriesOf<Document extends Named, Draft extends Named>(
  wanted: readonly Document[] | undefined,
  present: readonly Known<Draft>[],
  { prune, draftOf }: { readonly prune: boolean; readonly draftOf: (entry: Document) => Draft },
): Entry<Draft>[] {
  if (wanted === undefined) return [];
  const created = wanted.flatMap((entry): Entry<Draft>[] => {
    const draft = draftOf(entry);
    const old = present.find((known) => known.draft.name === entry.name);
    const fields = fieldChanges(old?.draft, draft);
    if (fields.length === 0) return [];
    return [{ name: entry.name, ...(old && { id: old.id }), draft, fields }];
  });
  const gone = prune
    ? present.filter(({ draft }) => !wanted.some(({ name }) => name === draft.name))
    : [];
  return [...created, ...gone.map(({ id, draft }) => ({ name: draft.name, id, fields: [] }))];
}

const asItIs = (ring: RingDraft): RingDraft => ring;

function ringOf({ id, devices: _, ...draft }: Ring): Known<RingDraft> {
  return { id, draft };
}

function groupOf({ id, name, description, deviceIds, scope }: Group): Known<GroupDraft> {
  return {
    id,
    draft: {
      name,
      ...(description !== undefined && { description }),
      ...(deviceIds !== undefined && { deviceIds: [...deviceIds].sort() }),
      ...(scope !== undefined && { scope }),
    },
  };
}

function groupDraft(
  { devices, ...rest }: GroupDocument,
  deviceIds: ReadonlyMap<string, string>,
): GroupDraft {
  if (devices === undefined) return rest;
  const ids = devices.map((device) => deviceIds.get(device) ?? device);
  return { ...rest, deviceIds: [...new Set(ids)].sort() };
}

function policyOf(policy: Policy, groupNames: ReadonlyMap<string, string>): Known<PolicyWanted> {
  const { id, changedAt: _at, changedBy: _by, groupIds, ...rest } = policy;
  const groups = groupIds.map((group) => groupNames.get(group) ?? group);
  return { id, draft: { ...rest, groups: groups.sort() } };
}

const policyWanted = (policy: PolicyDocument): PolicyWanted => ({
  ...policy,
  groups: [...policy.groups].sort(),
});

/** Fields that differ. An object is compared field by field, a list as a whole. */
function fieldChanges(before: unknown, after: unknown): FieldChange[] {
  const old = flat(before);
  const fresh = flat(after);
  return [...new Set([...old.keys(), ...fresh.keys()])].flatMap((field) => {
    const [from, to] = [old.get(field), fresh.get(field)];
    if (sameValue(from, to)) return [];
    return [{ field, ...(from !== undefined && { from }), ...(to !== undefined && { to }) }];
  });
}

const sameValue = (a: unknown, b: unknown): boolean =>
  a === undefined || b === undefined ? a === b : canonicalJson(a) === canonicalJson(b);

function flat(value: unknown, prefix = ""): Map<string, unknown> {
  if (value === undefined) return new Map();
  // A scope is one value: its operators are no fields.
  const isWhole = typeof value !== "object" || value === null || Array.isArray(value);
  if (isWhole || prefix === "scope") return new Map([[prefix, value]]);
  return new Map(
    Object.entries(value).flatMap(([name, part]) => [
      ...flat(part, prefix === "" ? name : `${prefix}.${name}`),
    ]),
  );
}
