import { POLICY_DEFAULT } from "@suture/contract";
import { describe, expect, test } from "vitest";
import { noOrders } from "../policy/orders.ts";
import { decide } from "./decide.ts";
import { applyAttemptOf } from "./situation.ts";
import {
  all,
  assigned,
  attempts,
  bars,
  base,
  type Case,
  closed,
  first,
  having,
  newBase,
  newId,
  now,
  oldId,
  open,
  policy,
  running,
  second,
  situation,
} from "./situation-fixture.ts";
import { updateAttemptOf } from "./traditional-update.ts";

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
      { attempts: attempts(applyAttemptOf(second.target, "g"), "function-on-stack", 1, 10) },
      "not-up-to-date: retry-later",
    ],
    [
      "a process of another group does not wait",
      {
        component: running({}, { group: "other" }),
        attempts: attempts(applyAttemptOf(second.target, "g"), "function-on-stack", 1, 10),
      },
      "apply redis-2026-10-2 101",
    ],
    [
      "some time after a thread was in the way",
      { attempts: attempts(applyAttemptOf(second.target, "g"), "function-on-stack", 1, 16) },
      "apply redis-2026-10-2 100",
    ],
    [
      "the clock was set back",
      { attempts: attempts(applyAttemptOf(second.target, "g"), "function-on-stack", 1, -86_400) },
      "apply redis-2026-10-2 100",
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
      "up-to-date-hotpatched: applied-not-offered",
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
  const refused = { attempts: attempts(applyAttemptOf(second.target, "g"), "changed-code", 1, 10) };
  test.each<[string, Case, string]>([
    [
      "refused, and a person has it tried again",
      { ...refused, orders: assigned({ ...second, attempt: 2 }) },
      "apply redis-2026-10-2 100",
    ],
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
          processes: [{ pid: 1, group: "g", outdated: false }],
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
