import { HealthSignal, Readiness } from "@suture/contract";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ALERT_CODES,
  type AlertDevice,
  type AlertFacts,
  alertsOf,
  baselinesToCome,
  compareAlerts,
} from "./alerts.ts";
import { indexCatalog } from "./quality-updates.ts";
import { DAY, draftOf, HOUR, RELEASED } from "./rollout-fixture.ts";
import type { Rollout } from "./rollout-state.ts";
import { updateOf } from "./update-fixture.ts";

const now = RELEASED;
const device: AlertDevice = {
  id: "d1",
  hostname: "web-1",
  enrolledAt: now - 30 * DAY,
  lastSeenAt: now,
  readiness: "ready",
  findings: [],
};
const alerts = (facts: Partial<AlertFacts>) =>
  alertsOf({ devices: [], rollouts: [], baselines: [], now, ...facts });
const lines = (facts: Partial<AlertFacts>) =>
  alerts(facts).map(({ severity, code, text, remediation }) => [severity, code, text, remediation]);

test("a fleet without trouble has no alerts", () => {
  expect(alerts({ devices: [device], channel: { expiresAt: now + 5 * DAY } })).toEqual([]);
});

describe("devices", () => {
  test("that were not heard for a day are silent", () => {
    const silent = { ...device, lastSeenAt: now - 3 * DAY, readiness: Readiness.notReady };
    expect(lines({ devices: [silent] })).toEqual([
      [
        "warning",
        "device-silent",
        "web-1 was last heard 3 days ago.",
        "Look whether it runs, and on it: suture status. Remove it if it is gone.",
      ],
    ]);
    const { lastSeenAt: _, ...never } = silent;
    expect(alerts({ devices: [never] })[0]?.text).toBe("web-1 was never heard.");
    expect(alerts({ devices: [{ ...device, lastSeenAt: now - 23 * HOUR }] })).toEqual([]);
  });

  test("that are not ready tell why and what to do", () => {
    const findings = [
      { reason: "disk-full" as const, detail: "/var is full.", remediation: "Make room." },
    ];
    expect(lines({ devices: [{ ...device, readiness: "not-ready", findings }] })).toEqual([
      ["warning", "device-not-ready", "web-1 is not ready: /var is full.", "Make room."],
    ]);
  });
});

describe("rollouts", () => {
  const halted: Rollout = {
    ...draftOf(),
    state: "halted",
    halted: { at: now, code: "error-count", text: "1 device of Test erred.", group: 0 },
  };
  const entry = { id: "r1", rollout: halted, signals: [], holders: 2 };

  test("that halted tell the evidence and the choice", () => {
    expect(lines({ rollouts: [entry] })).toEqual([
      [
        "critical",
        "rollout-halted",
        "redis 2026-10 hotpatch 1 is halted: 1 device of Test erred.",
        "Revert it live (2 devices may have it), or resume it if the cause is another.",
      ],
    ]);
  });

  test("whose update was withdrawn are to be reverted", () => {
    const text = "The publisher has withdrawn the update: it leaks";
    const rollout = { ...halted, halted: { at: now, code: "update-withdrawn" as const, text } };
    expect(lines({ rollouts: [{ ...entry, rollout, holders: 1 }] })).toEqual([
      [
        "critical",
        "update-withdrawn",
        `redis 2026-10 hotpatch 1: ${text}`,
        "Revert it live: 1 device may have it.",
      ],
    ]);
  });

  test("raise one alert for each device that a signal reverted", () => {
    const rollout: Rollout = { ...draftOf(), state: "running" };
    const signal = {
      signal: HealthSignal.memoryGrowth,
      deviceId: "d1",
      hostname: "web-1",
      at: now,
    };
    const found = alerts({ rollouts: [{ ...entry, rollout, signals: [signal] }] });
    expect(found).toMatchObject([
      {
        key: "health-revert r1 d1",
        deviceId: "d1",
        rolloutId: "r1",
        text: "web-1: the health signal memory-growth reverted redis 2026-10 hotpatch 1 live.",
      },
    ]);
  });

  test("that only a person can get on say so while they run", () => {
    const blocked = { group: "Ring 1", text: "1 of 5 devices have it, 5 are needed (4 silent)." };
    const rollout: Rollout = { ...draftOf(), state: "running" };
    expect(lines({ rollouts: [{ ...entry, rollout, blocked }] })).toMatchObject([
      [
        "warning",
        "rollout-blocked",
        expect.stringContaining("in Ring 1: 1 of 5"),
        expect.anything(),
      ],
    ]);
    expect(alerts({ rollouts: [{ ...entry, rollout: draftOf(), blocked }] })).toEqual([]);
  });

  test("that were expedited are to be reviewed from their submission on", () => {
    const draft = draftOf({ expedite: { reason: "exploited in the wild" } });
    expect(alerts({ rollouts: [{ ...entry, rollout: draft }] })).toEqual([]);
    const submitted = { ...draft, state: "completed" as const, submittedAt: now };
    expect(lines({ rollouts: [{ ...entry, rollout: submitted }] })).toMatchObject([
      [
        "information",
        "expedite-to-review",
        "ada expedited redis 2026-10 hotpatch 1: exploited in the wild",
        expect.anything(),
      ],
    ]);
  });
});

describe("the channel", () => {
  test.each<[number, string, string]>([
    [47 * HOUR, "channel-expiring", "The release channel expires in 47 hours."],
    [HOUR, "channel-expiring", "The release channel expires in 1 hour."],
    [
      0,
      "channel-expired",
      "The release channel has expired 1 hour ago; devices apply nothing new.",
    ],
    [
      -3 * DAY,
      "channel-expired",
      "The release channel has expired 3 days ago; devices apply nothing new.",
    ],
  ])("that expires in %i ms: %s", (left, code, text) => {
    expect(alerts({ channel: { expiresAt: now + left } })).toMatchObject([{ code, text }]);
  });

  test("that cannot be verified says why", () => {
    const problem = { code: "too-few-signatures", detail: "1 of 2.", remediation: "Sign." };
    expect(lines({ channel: { problem } })).toEqual([
      [
        "critical",
        "channel-problem",
        "The release channel could not be verified (too-few-signatures): 1 of 2.",
        "Sign.",
      ],
    ]);
  });
});

describe("the calendar", () => {
  test.each<[string, boolean]>([
    ["2026-10-21", false],
    ["2026-10-20", true],
    ["2026-10-13", true],
    ["2026-10-12", false],
  ])("a baseline planned for %s is due on 2026-10-13: %s", (day, due) => {
    const found = alerts({ baselines: [{ day, product: "redis" }] });
    expect(found.map(({ code }) => code)).toEqual(due ? ["baseline-due"] : []);
  });

  test("a baseline that is there already is not to come", () => {
    const index = indexCatalog([updateOf({ sequence: 0, released: "2026-10-13" })]);
    const entries = [
      { date: "2026-10-13", kind: "baseline", product: "redis" },
      { date: "2027-01-12", kind: "baseline" },
      { date: "2027-02-09", kind: "hotpatch" },
    ];
    expect(baselinesToCome(index, entries)).toEqual([{ day: "2027-01-12" }]);
  });
});

test("an alert is raised once, its text kept up to date, and resolved when its cause is gone", () => {
  const [first] = alerts({ devices: [{ ...device, lastSeenAt: now - 3 * DAY }] });
  const [later] = alerts({ devices: [{ ...device, lastSeenAt: now - 4 * DAY }] });
  if (first === undefined || later === undefined) throw new Error("a silent device has an alert");
  expect(compareAlerts([], [first])).toEqual({ raised: [first], resolved: [], changed: [] });
  expect(compareAlerts([first], [first])).toEqual({ raised: [], resolved: [], changed: [] });
  expect(compareAlerts([first], [later])).toEqual({
    raised: [],
    resolved: [],
    changed: [{ kept: first, alert: later }],
  });
  expect(compareAlerts([first], [])).toEqual({ raised: [], resolved: [first], changed: [] });
});

test("whatever the facts, keys are distinct and each alert has its code's severity and a remedy", () => {
  const devices = fc.uniqueArray(
    fc.record({
      id: fc.uuid(),
      hostname: fc.string({ minLength: 1 }),
      enrolledAt: fc.integer({ min: 0, max: now }),
      lastSeenAt: fc.integer({ min: 0, max: now }),
      readiness: fc.constantFrom(...Object.values(Readiness)),
      findings: fc.constant([]),
    }),
    { selector: ({ id }) => id },
  );
  fc.assert(
    fc.property(devices, fc.integer({ min: 0, max: 2 * now }), (list, expiresAt) => {
      const found = alerts({ devices: list, channel: { expiresAt } });
      expect(new Set(found.map(({ key }) => key)).size).toBe(found.length);
      for (const { code, severity, remediation } of found) {
        expect(severity).toBe(ALERT_CODES[code]);
        expect(remediation).not.toBe("");
      }
      const { raised, resolved } = compareAlerts(found, found);
      expect([...raised, ...resolved]).toEqual([]);
    }),
  );
});
