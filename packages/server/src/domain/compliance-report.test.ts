import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  complianceCounts,
  cveCompliance,
  cvesOfCatalog,
  exposedFrom,
  exposureWindow,
  releasedAt,
  restartsAvoided,
  updateReport,
} from "./compliance-report.ts";
import { updateOf } from "./update-fixture.ts";

const HOUR = 3_600_000;
const after = (hours: number) => ({ exposedAt: 1000, protectedAt: 1000 + hours * HOUR });
const open = { exposedAt: 1000 };

describe("the exposure window", () => {
  test("is the median and the 90th percentile of those protected, and counts the others", () => {
    const hours = [1, 2, 3, 4, 5, 6, 7, 8, 9, 100];
    expect(exposureWindow([...hours.map(after), open, open])).toEqual({
      medianHours: 5,
      p90Hours: 9,
      open: 2,
    });
  });

  test("has no hours while nobody is protected", () => {
    expect(exposureWindow([open])).toEqual({ open: 1 });
    expect(exposureWindow([])).toEqual({ open: 0 });
  });

  test("begins with the release of the fix, or with the device", () => {
    expect(exposedFrom(10, 3)).toBe(10);
    expect(exposedFrom(10, 30)).toBe(30);
    expect(exposureWindow([after(-5)])).toMatchObject({ medianHours: 0 });
  });

  test("half of the protected devices took no longer than the median", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(10_000), { minLength: 1 }), (hours) => {
        const { medianHours = -1, p90Hours = -1 } = exposureWindow(hours.map(after));
        const share = (most: number) => hours.filter((each) => each <= most).length / hours.length;
        expect(share(medianHours + 1e-6)).toBeGreaterThanOrEqual(0.5);
        expect(share(medianHours - 1e-6)).toBeLessThan(0.5);
        expect(share(p90Hours + 1e-6)).toBeGreaterThanOrEqual(0.9);
        expect(share(p90Hours - 1e-6)).toBeLessThan(0.9);
      }),
    );
  });
});

const early = updateOf({ sequence: 1, cves: ["CVE-1", "CVE-2"], released: "2026-10-20" });
const late = updateOf({
  sequence: 2,
  cves: ["CVE-1", "CVE-3"],
  released: "2026-11-10",
  severity: "critical",
});

test("a CVE has its worst severity and its first fix", () => {
  const cves = cvesOfCatalog([late, early]);
  expect(cves.get("CVE-1")).toEqual({ severity: "critical", released: "2026-10-20" });
  expect(cves.get("CVE-2")).toEqual({ severity: "important", released: "2026-10-20" });
  expect(releasedAt({ severity: "low", released: "1970-01-02" })).toBe(24 * HOUR);
});

test("the fix of a withdrawn update is not the first fix, if there is another", () => {
  const withdrawn = { ...early, withdrawn: { date: "2026-10-21", reason: "it leaks" } };
  const cves = cvesOfCatalog([withdrawn, late]);
  expect(cves.get("CVE-1")?.released).toBe("2026-11-10");
  expect(cves.get("CVE-2")?.released).toBe("2026-10-20");
});

test("a CVE's line counts concerned and protected devices", () => {
  const facts = { severity: "low" as const, released: "2026-10-20" };
  expect(cveCompliance("CVE-1", facts, [after(2), open, open])).toEqual({
    cve: "CVE-1",
    severity: "low",
    released: "2026-10-20",
    concerned: 3,
    protected: 1,
    exposure: { medianHours: 2, p90Hours: 2, open: 2 },
  });
});

test("an update's report has the devices in each state", () => {
  expect(updateReport(early, ["applied", "applied", "refused", "not-applicable"])).toMatchObject({
    target: early.target,
    concerned: 3,
    counts: { applied: 2, refused: 1, "not-applicable": 1 },
  });
});

test("all states are counted", () => {
  expect(complianceCounts(["paused", "paused", "not-ready"])).toEqual({
    "up-to-date-hotpatched": 0,
    "up-to-date-restarted": 0,
    "in-progress": 0,
    paused: 2,
    "restart-pending": 0,
    "not-up-to-date": 0,
    "not-ready": 1,
  });
});

test("restarts avoided are hotpatches in force", () => {
  const baseline = updateOf({ sequence: 0 });
  expect(
    restartsAvoided([
      { update: early, state: "succeeded", protected: true },
      { update: late, state: "applied", protected: true },
      { update: late, state: "applied", protected: false },
      { update: late, state: "reverted", protected: false },
      { update: early, state: "restarted", protected: true },
      { update: baseline, state: "succeeded", protected: true },
    ]),
  ).toBe(2);
});
