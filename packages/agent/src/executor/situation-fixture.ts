/** Situations for the tests of decisions: redis in two baselines, and what may be true of it. */
import { type AssignedTarget, POLICY_DEFAULT, type PolicySettings } from "@suture/contract";
import { type QualityUpdate, targetOf, type UpdateEntry } from "@suture/release";
import { noOrders, type Orders, ordersOfPolicy } from "../policy/orders.ts";
import type { Attempt, Bar } from "./record.ts";
import type { ComponentFact, ProcessFact, Situation } from "./situation.ts";

export const now = new Date("2026-11-22T10:00:00.000Z");
export const oldId = "aa".repeat(20);
export const newId = "bb".repeat(20);

export function update(baseline: string, sequence: number, change: Partial<UpdateEntry> = {}) {
  const buildId = baseline === "2026-10" ? oldId : newId;
  const entry: UpdateEntry = {
    format: 1,
    kind: sequence === 0 ? "baseline" : "hotpatch",
    id: `redis-${baseline}-${sequence}`,
    baseline,
    sequence,
    components: [{ file: "redis-server", buildId, package: "redis", version: "1" }],
    cves: [],
    severity: "important",
    supersedes: [],
    restartNeeded: sequence === 0,
    leftOut: [],
    released: `${baseline}-0${sequence + 1}`,
    ...change,
  };
  const target = targetOf("redis", entry);
  const sha256 = `${sequence}`.padStart(64, baseline.slice(-1));
  return { ...entry, product: "redis", target, length: 1, sha256 } satisfies QualityUpdate;
}
export const base = update("2026-10", 0);
export const first = update("2026-10", 1);
export const second = update("2026-10", 2);
export const newBase = update("2027-01", 0);
export const all = [base, first, second];

export const running = (...processes: Partial<ProcessFact>[]): ComponentFact => ({
  buildId: oldId,
  file: "/usr/bin/redis-server",
  package: "redis-server",
  isRestartable: true,
  processes: processes.map((fact, at) => ({ pid: 100 + at, group: "g", outdated: false, ...fact })),
});
export const having = ({ id, sequence }: QualityUpdate) => ({ applied: { id, sequence } });

export const policy = (change: Partial<PolicySettings>): Orders =>
  ordersOfPolicy({ ...POLICY_DEFAULT, ...change });
export const everyDay = [0, 1, 2, 3, 4, 5, 6];
export const open = [{ days: everyDay, begin: "00:00", end: "00:00" }];
export const closed = [{ days: everyDay, begin: "12:00", end: "12:01" }];
export const assigned = (...targets: (QualityUpdate & Partial<AssignedTarget>)[]): Orders => ({
  ...noOrders,
  source: "assignment",
  expiresAt: new Date("2026-12-01T00:00:00Z"),
  allowed: new Map(targets.map((entry) => [entry.target, entry])),
});
export const bars = (...targets: QualityUpdate[]) =>
  new Map(
    targets.map(({ target }): [string, Bar] => [
      target,
      { target, code: "health-signal", detail: "", at: now.toISOString() },
    ]),
  );
export const attempts = (key: string, code: string, count: number, secondsAgo: number) => {
  const at = new Date(now.getTime() - secondsAgo * 1000).toISOString();
  return new Map<string, Attempt>([[key, { key, code, detail: "", count, at }]]);
};

export interface Case extends Partial<Omit<Situation, "record">> {
  readonly component?: ComponentFact;
  readonly bars?: ReadonlyMap<string, Bar>;
  readonly attempts?: ReadonlyMap<string, Attempt>;
}
export const situation = ({
  component = running({}),
  bars,
  attempts,
  ...change
}: Case): Situation => ({
  now,
  weekTime: { day: 0, minute: 600 },
  updates: all,
  channelExpires: new Date("2026-11-29T00:00:00Z"),
  orders: policy({}),
  components: [component],
  record: { bars: bars ?? new Map(), attempts: attempts ?? new Map() },
  ...change,
});
