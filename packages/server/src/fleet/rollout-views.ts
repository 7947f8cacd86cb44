/** Rollouts as the API shows them. */
import {
  type Answer,
  type Approval,
  type Request,
  RolloutAction,
  RolloutGroupState,
  RolloutState,
  type RolloutSummary,
  type Rollout as RolloutView,
  type StateCounts,
} from "@suture/contract";
import { choicesOf } from "../domain/rollout-choices.ts";
import { totalOf } from "../domain/rollout-facts.ts";
import type { WaitReason } from "../domain/rollout-reasons.ts";
import type { Rollout } from "../domain/rollout-state.ts";
import { checkAction } from "../domain/rollout-transitions.ts";
import { RequestError } from "../errors.ts";
import { keysOf, pageOfRows, pageSizeOf } from "../store/pages.ts";
import { countsOfRollouts } from "../store/rollouts.ts";
import type { Tx } from "../store/store.ts";
import { factsOf } from "./drive-rollout.ts";
import type { LoadWorld, World } from "./world.ts";

interface Row {
  readonly id: string;
  readonly sha256: string;
  readonly created_by: string;
  readonly created_at: Date;
  readonly document: Rollout;
  readonly waits: readonly WaitReason[];
}
type RingCounts = ReadonlyMap<string, StateCounts>;

const NO_COUNTS: RingCounts = new Map();
const textOf = (ms: number): string => new Date(ms).toISOString();
const COLUMNS = ["id", "sha256", "created_by", "created_at", "document", "waits"] as const;

/** A page, newest first. */
export async function rolloutPage(
  tx: Tx,
  query: NonNullable<Request<"rollouts">["query"]>,
  loadWorld: LoadWorld,
): Promise<Answer<"rollouts">> {
  const size = pageSizeOf(query);
  const [at, id] = query.cursor === undefined ? [] : keysOf(query.cursor, ["moment", "id"]);
  const rows = await tx
    .selectFrom("rollouts")
    .select(COLUMNS)
    .$if(at !== undefined, (from) =>
      from.where(({ eb, refTuple, tuple }) =>
        eb(refTuple("created_at", "id"), "<", tuple(new Date(String(at)), String(id))),
      ),
    )
    .orderBy("created_at", "desc")
    .orderBy("id", "desc")
    .limit(size + 1)
    .execute();
  const { total } = await tx
    .selectFrom("rollouts")
    .select(({ fn }) => fn.countAll().as("total"))
    .executeTakeFirstOrThrow();
  const page = pageOfRows(rows, size, (row) => [row.created_at.toISOString(), row.id]);
  const world = await loadWorld(tx);
  const counts = await countsOfRollouts(
    tx,
    page.rows.map((row) => row.id),
  );
  return {
    items: page.rows.map((row) => summaryOf(row, counts.get(row.id) ?? NO_COUNTS, world)),
    ...(page.next !== undefined && { next: page.next }),
    total: Number(total),
  };
}

function summaryOf(row: Row, counts: RingCounts, world: World): RolloutSummary {
  const { name, target, state, expedite } = row.document;
  const [wait] = row.waits;
  return {
    id: row.id,
    name,
    target,
    sha256: row.sha256,
    cves: world.catalog.byTarget.get(target)?.cves ?? [],
    state,
    devices: sumOf(counts, concernedOf),
    protectedDevices: sumOf(counts, protectedOf),
    createdBy: row.created_by,
    createdAt: row.created_at.toISOString(),
    expedited: expedite !== undefined,
    ...(wait !== undefined && { waitsFor: wait.text }),
  };
}

const sumOf = (counts: RingCounts, of: (counts: StateCounts) => number): number =>
  [...counts.values()].reduce((sum, ring) => sum + of(ring), 0);
const concernedOf = (counts: StateCounts): number =>
  totalOf(counts) - (counts["not-applicable"] ?? 0);
const protectedOf = (counts: StateCounts): number =>
  (counts.applied ?? 0) + (counts.succeeded ?? 0) + (counts.restarted ?? 0);

export interface ViewRequest {
  readonly loadWorld: LoadWorld;
  readonly now: Date;
  /** Who looks: what may be done depends on it. */
  readonly login: string;
}

/** One rollout. Throws RequestError `not-found`. */
export async function rolloutView(
  tx: Tx,
  id: string,
  { loadWorld, now, login }: ViewRequest,
): Promise<RolloutView> {
  const row = await tx
    .selectFrom("rollouts")
    .select(COLUMNS)
    .where("id", "=", id)
    .executeTakeFirst();
  if (row === undefined) throw new RequestError("not-found", `there is no rollout ${id}`);
  const world = await loadWorld(tx);
  const rollout = row.document;
  const facts = await factsOf(tx, { id, rollout, world, now });
  const counts = (await countsOfRollouts(tx, [id])).get(id) ?? NO_COUNTS;
  return {
    ...summaryOf(row, counts, world),
    gates: rollout.gates,
    ...(rollout.expedite && { expediteReason: rollout.expedite.reason }),
    groups: rollout.groups.map((_, at) => groupView(row, at, counts)),
    ...(rollout.halted && { halted: haltView(rollout.halted) }),
    approvals: rollout.approvals.map(({ by, at, approved, reason }) => ({
      by,
      at: textOf(at),
      approved,
      ...(reason !== undefined && { reason }),
    })),
    history: rollout.history.map(({ at, by, action, reason }) => ({
      at: textOf(at),
      by,
      action,
      ...(reason !== undefined && { reason }),
    })),
    choices: choicesOf(rollout, facts, login),
  };
}

const DAY = 86_400_000;

function groupView(row: Row, at: number, counts: RingCounts): RolloutView["groups"][number] {
  const group = row.document.groups[at];
  if (group === undefined) throw new RangeError(`no group ${at}`);
  const { ringId, name, state, beganAt, completedAt, deadlineDays } = group;
  const ring = counts.get(ringId) ?? {};
  const wait = row.waits.find((reason) => reason.group === at);
  return {
    ringId,
    name,
    state,
    devices: concernedOf(ring),
    counts: ring,
    ...(beganAt !== undefined && {
      beganAt: textOf(beganAt),
      deadlineAt: textOf(beganAt + deadlineDays * DAY),
    }),
    ...(completedAt !== undefined && { completedAt: textOf(completedAt) }),
    ...(wait !== undefined && {
      waitsFor: {
        code: wait.code,
        text: wait.text,
        ...(wait.until !== undefined && { until: textOf(wait.until) }),
      },
    }),
  };
}

function haltView(halt: NonNullable<Rollout["halted"]>): NonNullable<RolloutView["halted"]> {
  const { at, code, text, signal, deviceId, hostname } = halt;
  return {
    at: textOf(at),
    code,
    text,
    ...(signal && { signal }),
    ...(deviceId && { deviceId }),
    ...(hostname && { hostname }),
  };
}

interface Asking {
  readonly row: Row;
  /** Absent where the rollout as a whole asks. */
  readonly group: Rollout["groups"][number] | undefined;
}

/** What waits for an approver: whole rollouts, and groups of running ones. */
export async function approvalsFor(tx: Tx, login: string): Promise<Approval[]> {
  const rows = await tx
    .selectFrom("rollouts")
    .select(COLUMNS)
    .where("state", "in", [RolloutState.waitingForApproval, RolloutState.running])
    .orderBy("created_at")
    .execute();
  const asking = rows.flatMap((row): Asking[] => {
    const { document: rollout } = row;
    if (rollout.state === RolloutState.waitingForApproval) return [{ row, group: undefined }];
    const group = rollout.groups.find(
      ({ state }) => state === RolloutGroupState.waitingForApproval,
    );
    return group === undefined ? [] : [{ row, group }];
  });
  const counts = await countsOfRollouts(
    tx,
    asking.map(({ row }) => row.id),
  );
  return asking.map(({ row, group }) => {
    const { document: rollout } = row;
    const refusal = checkAction(rollout, RolloutAction.approve, login);
    const ofRollout = counts.get(row.id) ?? NO_COUNTS;
    const devices =
      group === undefined
        ? sumOf(ofRollout, concernedOf)
        : concernedOf(ofRollout.get(group.ringId) ?? {});
    const many = `${devices} ${devices === 1 ? "device" : "devices"}`;
    return {
      rolloutId: row.id,
      rollout: rollout.name,
      ...(group && { group: group.name }),
      askedAt: textOf(group?.askedAt ?? rollout.submittedAt ?? row.created_at.getTime()),
      author: rollout.author,
      effect: group
        ? `Begins ${group.name}: offers it to ${many}.`
        : `Starts the rollout to ${many}.`,
      allowed: refusal === undefined,
      ...(refusal && { why: `${refusal.detail}; ${refusal.next}` }),
    };
  });
}
