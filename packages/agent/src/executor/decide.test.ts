import { type AssignedTarget, POLICY_DEFAULT, type PolicySettings } from "@suture/contract";
import { type QualityUpdate, targetOf, type UpdateEntry } from "@suture/release";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { noOrders, type Orders, ordersOfPolicy } from "../policy/orders.ts";
import { decide } from "./decide.ts";
import type { Attempt, Bar } from "./record.ts";
import type { ComponentFact, ProcessFact, Situation } from "./situation.ts";
import { updateAttemptOf } from "./traditional-update.ts";

const now = new Date("2026-11-22T10:00:00.000Z");
const oldId = "aa".repeat(20);
const newId = "bb".repeat(20);

function update(baseline: string, sequence: number, change: Partial<UpdateEntry> = {}) {
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
const base = update("2026-10", 0);
const first = update("2026-10", 1);
const second = update("2026-10", 2);
const newBase = update("2027-01", 0);
const all = [base, first, second];

const running = (...processes: Partial<ProcessFact>[]): ComponentFact => ({
  buildId: oldId,
  file: "/usr/bin/redis-server",
  package: "redis-server",
  isRestartable: true,
  processes: processes.map((fact, at) => ({ pid: 100 + at, outdated: false, ...fact })),
});
const having = ({ id, sequence }: QualityUpdate) => ({ applied: { id, sequence } });

const policy = (change: Partial<PolicySettings>): Orders =>
  ordersOfPolicy({ ...POLICY_DEFAULT, ...change });
const everyDay = [0, 1, 2, 3, 4, 5, 6];
const open = [{ days: everyDay, begin: "00:00", end: "00:00" }];
const closed = [{ days: everyDay, begin: "12:00", end: "12:01" }];
const assigned = (...targets: (QualityUpdate & Partial<AssignedTarget>)[]): Orders => ({
  ...noOrders,
  source: "assignment",
  expiresAt: new Date("2026-12-01T00:00:00Z"),
  allowed: new Map(targets.map((entry) => [entry.target, entry])),
});
const bars = (...targets: QualityUpdate[]) =>
  new Map(
    targets.map(({ target }): [string, Bar] => [
      target,
      { target, code: "health-signal", detail: "", at: now.toISOString() },
    ]),
  );
const attempts = (key: string, code: string, count: number, secondsAgo: number) => {
  const at = new Date(now.getTime() - secondsAgo * 1000).toISOString();
  return new Map<string, Attempt>([[key, { key, code, detail: "", count, at }]]);
};

interface Case extends Partial<Omit<Situation, "record">> {
  readonly component?: ComponentFact;
  readonly bars?: ReadonlyMap<string, Bar>;
  readonly attempts?: ReadonlyMap<string, Attempt>;
}
const situation = ({ component = running({}), bars, attempts, ...change }: Case): Situation => ({
  now,
  weekTime: { day: 0, minute: 600 },
  updates: all,
  channelExpires: new Date("2026-11-29T00:00:00Z"),
  orders: policy({}),
  components: [component],
  record: { bars: bars ?? new Map(), attempts: attempts ?? new Map() },
  ...change,
});

/** `apply TARGET PIDS`, or `STATE: REASON`. */
function outcome(change: Case): string | undefined {
  const [decision, ...more] = decide(situation(change));
  expect(more).toEqual([]);
  if (decision === undefined) return undefined;
  const { act, compliance, reason } = decision;
  if (act === undefined) return `${compliance}: ${reason}`;
  return `${act.do} ${act.do === "revert" ? act.hotpatch : act.update.id} ${act.pids.join()}`;
}

describe("hotpatches", () => {
  test.each<[string, Case, string | undefined]>([
    [
      "the newest goes into all processes",
      { component: running({}, {}) },
      "apply redis-2026-10-2 100,101",
    ],
    [
      "only into those that lack it",
      { component: running(having(second), {}) },
      "apply redis-2026-10-2 101",
    ],
    [
      "it supersedes an older one",
      { component: running(having(first), having(second)) },
      "apply redis-2026-10-2 100",
    ],
    [
      "all have it",
      { component: running(having(second)) },
      "up-to-date-hotpatched: newest-applied",
    ],
    [
      "a newer one than the channel's stays",
      { component: running({ applied: { id: "by-hand", sequence: 9 } }) },
      "up-to-date-hotpatched: newest-applied",
    ],
    [
      "a withdrawn one is not applied",
      { updates: [base, first, { ...second, withdrawn: { date: "2026-11-01", reason: "bad" } }] },
      "apply redis-2026-10-1 100",
    ],
    [
      "what runs old files is patched too",
      { component: running({ outdated: true }) },
      "apply redis-2026-10-2 100",
    ],
    ["nobody decides", { orders: noOrders }, "not-up-to-date: not-registered"],
    ["the channel has expired", { channelExpires: now }, "not-up-to-date: channel-expired"],
    ["a channel that was never verified", { updates: [] }, undefined],
    ["nothing is for what runs", { component: { ...running({}), buildId: "cc" } }, undefined],
    [
      "the policy wants windows",
      { orders: policy({ hotpatchInWindowOnly: true }) },
      "not-up-to-date: wait-for-window",
    ],
    [
      "in a window",
      { orders: policy({ hotpatchInWindowOnly: true, windows: open }) },
      "apply redis-2026-10-2 100",
    ],
    [
      "after a thread was in the way",
      { attempts: attempts(second.target, "function-on-stack", 1, 10) },
      "not-up-to-date: retry-later",
    ],
    [
      "some time after a thread was in the way",
      { attempts: attempts(second.target, "function-on-stack", 1, 16) },
      "apply redis-2026-10-2 100",
    ],
    [
      "the clock was set back",
      { attempts: attempts(second.target, "function-on-stack", 1, -86_400) },
      "not-up-to-date: retry-later",
    ],
  ])("%s", (_, change, expected) => expect(outcome(change)).toBe(expected));
});

describe("under a control plane", () => {
  test.each<[string, Case, string]>([
    ["what is assigned", { orders: assigned(first) }, "apply redis-2026-10-1 100"],
    ["nothing is assigned", { orders: assigned() }, "not-up-to-date: not-assigned"],
    [
      "other bytes of that name are assigned",
      { orders: assigned({ ...first, sha256: "f".repeat(64) }) },
      "not-up-to-date: not-assigned",
    ],
    ["paused", { orders: { ...assigned(first), paused: true } }, "paused: paused"],
    [
      "the assignment has expired",
      { orders: { ...assigned(first), expiresAt: now } },
      "not-up-to-date: assignment-expired",
    ],
    [
      "an expired one leaves what is applied",
      { orders: { ...assigned(first), expiresAt: now }, component: running(having(first)) },
      "up-to-date-hotpatched: newest-applied",
    ],
    [
      "an ordered revert",
      {
        orders: { ...assigned(first, second), reverts: new Map([[second.target, "it is bad"]]) },
        component: running(having(second), {}),
      },
      "revert redis-2026-10-2 100",
    ],
    [
      "an ordered revert while paused",
      {
        orders: { ...assigned(), paused: true, reverts: new Map([[second.target, "it is bad"]]) },
        component: running(having(second)),
      },
      "paused: paused",
    ],
    [
      "a barred one comes out even while paused, expired, and without a channel",
      {
        orders: { ...assigned(), paused: true, expiresAt: now },
        bars: bars(second),
        updates: [],
        component: running(having(second), having(first)),
      },
      "revert redis-2026-10-2 100",
    ],
    [
      "a target that is not assigned any more stays",
      { orders: assigned(), component: running(having(second)) },
      "up-to-date-hotpatched: newest-applied",
    ],
    [
      "windows before the deadline",
      {
        orders: {
          ...assigned({ ...first, deadline: "2026-11-23T00:00:00Z" }),
          policy: { ...POLICY_DEFAULT, hotpatchInWindowOnly: true, windows: closed },
        },
      },
      "not-up-to-date: wait-for-window",
    ],
    [
      "windows after the deadline",
      {
        orders: {
          ...assigned({ ...first, deadline: "2026-11-22T09:00:00Z" }),
          policy: { ...POLICY_DEFAULT, hotpatchInWindowOnly: true, windows: closed },
        },
      },
      "apply redis-2026-10-1 100",
    ],
  ])("%s", (_, change, expected) => expect(outcome(change)).toBe(expected));
});

describe("instead of a hotpatch", () => {
  const refused = { attempts: attempts(second.target, "changed-code", 1, 10) };
  test.each<[string, Case, string]>([
    ["refused, without a window", refused, "restart-pending: no-window"],
    [
      "refused, before the window",
      { ...refused, orders: policy({ windows: closed }) },
      "restart-pending: wait-for-window",
    ],
    [
      "refused, in the window",
      { ...refused, orders: policy({ windows: open }) },
      "traditional-update redis-2026-10-2 100",
    ],
    [
      "refused, no restarts",
      { ...refused, orders: policy({ windows: open, restart: "never" }) },
      "restart-pending: restart-never",
    ],
    [
      "refused, no fallback",
      { ...refused, orders: policy({ windows: open, fallback: false }) },
      "not-up-to-date: apply-refused",
    ],
    [
      "refused, and no package has the file",
      {
        ...refused,
        orders: policy({ windows: open }),
        component: {
          buildId: oldId,
          file: "/opt/redis-server",
          isRestartable: true,
          processes: [{ pid: 1, outdated: false }],
        },
      },
      "restart-pending: no-package",
    ],
    [
      "the newer file is installed",
      { ...refused, orders: policy({ windows: open }), component: running({ outdated: true }) },
      "restart redis-2026-10-2 100",
    ],
    [
      "the newer file is installed, and nobody knows how to restart",
      {
        ...refused,
        orders: policy({ windows: open }),
        component: { ...running({ outdated: true }), isRestartable: false },
      },
      "restart-pending: no-restart-command",
    ],
    [
      "a health signal took back all",
      { bars: bars(first, second), orders: policy({ windows: open }) },
      "traditional-update redis-2026-10-2 100",
    ],
    [
      "a health signal took back the newest: the one before is left",
      { bars: bars(second) },
      "apply redis-2026-10-1 100",
    ],
    ["blocked", { orders: policy({ hotpatch: "block" }) }, "not-up-to-date: hotpatch-blocked"],
    [
      "blocked, in the window",
      { orders: policy({ hotpatch: "block", windows: open }) },
      "traditional-update redis-2026-10-2 100",
    ],
    [
      "the package manager had nothing newer",
      {
        bars: bars(first, second),
        orders: policy({ windows: open }),
        attempts: attempts(updateAttemptOf(second.target), "nothing-newer", 3, 10),
      },
      "restart-pending: update-failed",
    ],
    [
      "a new baseline",
      { updates: [base, newBase], orders: policy({ windows: open }) },
      "traditional-update redis-2027-01-0 100",
    ],
    ["a new baseline, no window", { updates: [base, newBase] }, "restart-pending: no-window"],
    [
      "a new baseline while hotpatched, no window",
      { updates: [...all, newBase], component: running(having(second)) },
      "up-to-date-hotpatched: newest-applied",
    ],
    [
      "a new baseline while hotpatched, in the window",
      {
        updates: [...all, newBase],
        component: running(having(second)),
        orders: policy({ windows: open }),
      },
      "traditional-update redis-2027-01-0 100",
    ],
    [
      "the new baseline runs",
      { updates: [...all, newBase], component: { ...running({}), buildId: newId } },
      "up-to-date-restarted: newest-installed",
    ],
  ])("%s", (_, change, expected) => expect(outcome(change)).toBe(expected));
});

test("whatever the situation: only what is signed, allowed, not withdrawn and not barred begins", () => {
  const one = fc.constantFrom(first, second);
  const some = fc.uniqueArray(one);
  const process = fc.record({
    pid: fc.nat(),
    outdated: fc.boolean(),
    applied: fc.option(
      fc.record({ id: one.map(({ id }) => id), sequence: fc.integer({ min: 1, max: 4 }) }),
      { nil: undefined },
    ),
  });
  const cases = fc.record({
    signed: some,
    withdrawn: some,
    named: some,
    reverts: some,
    barred: some,
    paused: fc.boolean(),
    source: fc.constantFrom("none", "policy", "assignment") as fc.Arbitrary<Orders["source"]>,
    hours: fc.integer({ min: -24, max: 24 }),
    expires: fc.integer({ min: -24, max: 24 }),
    hotpatch: fc.constantFrom<PolicySettings["hotpatch"]>("allow", "block"),
    restart: fc.constantFrom<PolicySettings["restart"]>("if-required", "never", "always"),
    windows: fc.constantFrom(open, closed, []),
    fallback: fc.boolean(),
    hotpatchInWindowOnly: fc.boolean(),
    processes: fc.array(process, { minLength: 1, maxLength: 4 }),
  });
  fc.assert(
    fc.property(cases, (made) => {
      const after = (hours: number) => new Date(now.getTime() + hours * 3600_000);
      const { hotpatch, restart, windows, fallback, hotpatchInWindowOnly } = made;
      const settings = { hotpatch, restart, windows, fallback, hotpatchInWindowOnly };
      const allowed = new Map(made.named.map((entry) => [entry.target, entry]));
      const withdrawal = { withdrawn: { date: "2026-11-01", reason: "bad" } };
      const updates = made.signed.map((entry) =>
        made.withdrawn.includes(entry) ? { ...entry, ...withdrawal } : entry,
      );
      const orders: Orders = {
        source: made.source,
        ...(made.source === "assignment" && { expiresAt: after(made.expires) }),
        paused: made.paused,
        allowed: made.source === "policy" ? "all" : allowed,
        reverts: new Map(made.reverts.map(({ target }) => [target, "because"])),
        policy: { ...POLICY_DEFAULT, ...settings },
      };
      const component: ComponentFact = {
        ...running(),
        processes: made.processes.map(({ applied, ...fact }) => ({
          ...fact,
          ...(applied && { applied }),
        })),
      };
      const [decision] = decide(
        situation({
          updates,
          orders,
          component,
          bars: bars(...made.barred),
          channelExpires: after(made.hours),
        }),
      );
      const act = decision?.act;
      if (act === undefined) return;
      const isOf = (entries: readonly QualityUpdate[]) => entries.some((e) => e.target === target);
      const target = act.do === "revert" ? act.target : act.update.target;
      if (act.do === "revert" && isOf(made.barred)) return;
      expect(made.paused).toBe(false);
      if (made.source === "assignment") expect(made.expires).toBeGreaterThan(0);
      if (act.do === "revert") {
        expect(isOf(made.reverts)).toBe(true);
        return;
      }
      expect(isOf(made.signed)).toBe(true);
      expect(made.source).not.toBe("none");
      expect(made.hours).toBeGreaterThan(0);
      expect(isOf(made.withdrawn) || isOf(made.reverts)).toBe(false);
      if (made.source === "assignment") expect(isOf(made.named)).toBe(true);
      if (act.do === "apply") {
        expect(isOf(made.barred)).toBe(false);
        expect(hotpatch).toBe("allow");
        if (hotpatchInWindowOnly) expect(windows).toBe(open);
      } else {
        expect(restart).not.toBe("never");
        expect(windows).toBe(open);
      }
    }),
    { numRuns: 2000 },
  );
});
