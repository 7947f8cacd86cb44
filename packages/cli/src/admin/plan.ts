/** From a declarative document to what has to be sent, in the order in which it can be. */
import assert from "node:assert/strict";
import type { Call, Group, GroupDraft, Ring, RingDraft } from "@suture/contract";
import type { FieldChange, FleetChanges, PolicyWanted, PresentFleet } from "./fleet-changes.ts";
import type { DocumentComplaint, FleetDocument, ParsedDocument } from "./fleet-document.ts";
import { orderRingSteps, type RingStep } from "./ring-order.ts";

/** One line of what `apply` did or `diff` found. */
export interface Change {
  readonly kind: "ring" | "group" | "policy";
  readonly name: string;
  readonly action: "create" | "change" | "remove";
  readonly fields: readonly FieldChange[];
}

export interface Step {
  /** Absent for a step that only makes room for others. */
  readonly change?: Change;
  readonly send: (call: Call, groupIds: Map<string, string>) => Promise<void>;
}

interface Entry {
  readonly name: string;
  readonly id?: string;
  readonly draft?: unknown;
  readonly fields: readonly FieldChange[];
}

const changeOf = (kind: Change["kind"], { id, name, draft, fields }: Entry): Change => ({
  kind,
  name,
  action: draft === undefined ? "remove" : id === undefined ? "create" : "change",
  fields,
});

/** Every change, for people: rings, groups, policies, as in the document. */
export const changesOf = ({ rings, groups, policies }: FleetChanges): Change[] => [
  ...rings.map((entry) => changeOf("ring", entry)),
  ...groups.map((entry) => changeOf("group", entry)),
  ...policies.map((entry) => changeOf("policy", entry)),
];

/**
 * What the server would refuse and what can be known before anything is sent: groups that do not
 * exist, rings and groups that are in use, rings that cannot be together.
 */
export function refusalsOf(
  changes: FleetChanges,
  { present, parsed }: { readonly present: PresentFleet; readonly parsed: ParsedDocument },
): DocumentComplaint[] {
  const { document, lineOf } = parsed;
  const gone = new Set(removed(changes.groups).map(({ name }) => name));
  const groups = new Set([
    ...present.groups.map(({ name }) => name).filter((name) => !gone.has(name)),
    ...(document.groups ?? []).map(({ name }) => name),
  ]);
  const unknown = (document.policies ?? []).flatMap((policy, at) =>
    policy.groups
      .filter((name) => !groups.has(name))
      .map((name) => ({
        line: lineOf(["policies", at, "groups", policy.groups.indexOf(name)]),
        text: `${policy.name}: there is no group ${name}`,
      })),
  );
  const inUse = [
    ...usedRings(changes, present.rings),
    ...usedGroups({ gone, document, present }),
  ].map((text) => ({ line: 1, text }));
  const { conflict } = orderRingSteps(plainRings(present.rings), changes.rings);
  const rings = conflict === undefined ? [] : [{ line: lineOf(["rings"]), text: conflict }];
  return [...unknown, ...inUse, ...rings];
}

const removed = <E extends Entry>(entries: readonly E[]): E[] =>
  entries.filter(({ draft }) => draft === undefined);

const plainRings = (rings: readonly Ring[]): (RingDraft & { readonly id: string })[] =>
  rings.map(({ devices: _, ...ring }) => ring);

const usedRings = ({ rings }: FleetChanges, present: readonly Ring[]): string[] =>
  removed(rings).flatMap(({ id, name }) => {
    const devices = present.find((ring) => ring.id === id)?.devices ?? 0;
    return devices === 0 ? [] : [`ring ${name} is not in the file and has ${devices} device(s)`];
  });

/** Groups that would go while a policy of the server that stays is for them. */
function usedGroups({
  gone,
  document,
  present,
}: {
  readonly gone: ReadonlySet<string>;
  readonly document: FleetDocument;
  readonly present: PresentFleet;
}): string[] {
  if (document.policies !== undefined) return [];
  const goneIds = new Map(
    present.groups.filter(({ name }) => gone.has(name)).map(({ id, name }) => [id, name]),
  );
  return present.policies.flatMap(({ name, groupIds }) =>
    groupIds.flatMap((id) =>
      goneIds.has(id)
        ? [`group ${goneIds.get(id)} is not in the file, and the policy ${name} is for it`]
        : [],
    ),
  );
}

/** In the order in which the server takes them: what is referred to comes first, and goes last. */
export function stepsOf(changes: FleetChanges, present: PresentFleet): Step[] {
  const policies = changes.policies.map(policyStep);
  const groups = changes.groups.map(groupStep);
  const isRemoval = ({ change }: Step): boolean => change?.action === "remove";
  const { steps } = orderRingSteps(plainRings(present.rings), changes.rings);
  return [
    ...policies.filter(isRemoval),
    ...steps.map((step) => ringStep(step, changes.rings)),
    ...groups.filter((step) => !isRemoval(step)),
    ...policies.filter((step) => !isRemoval(step)),
    ...groups.filter(isRemoval),
  ];
}

function ringStep(step: RingStep, entries: FleetChanges["rings"]): Step {
  const { id, draft } = step;
  const entry = entries.find((candidate) => candidate === step);
  return {
    ...(entry !== undefined && { change: changeOf("ring", entry) }),
    async send(call) {
      if (draft === undefined) await call("removeRing", { params: { id: id ?? "" } });
      else if (id === undefined) await call("createRing", { body: draft });
      else await call("changeRing", { params: { id }, body: draft });
    },
  };
}

const groupStep = (entry: Entry & { readonly draft?: GroupDraft }): Step => ({
  change: changeOf("group", entry),
  async send(call, groupIds) {
    const { id, draft } = entry;
    if (draft === undefined) await call("removeGroup", { params: { id: id ?? "" } });
    else if (id !== undefined) await call("changeGroup", { params: { id }, body: draft });
    else {
      const group: Group = await call("createGroup", { body: draft });
      groupIds.set(group.name, group.id);
    }
  },
});

const policyStep = (entry: Entry & { readonly draft?: PolicyWanted }): Step => ({
  change: changeOf("policy", entry),
  async send(call, groupIds) {
    const { id, draft } = entry;
    if (draft === undefined) return await call("removePolicy", { params: { id: id ?? "" } });
    const { groups, ...rest } = draft;
    const body = { ...rest, groupIds: groups.map((name) => idOf(groupIds, name)) };
    if (id === undefined) await call("createPolicy", { body });
    else await call("changePolicy", { params: { id }, body });
  },
});

function idOf(groupIds: ReadonlyMap<string, string>, name: string): string {
  const id = groupIds.get(name);
  assert(id !== undefined, `the group ${name} was looked for before anything was sent`);
  return id;
}
