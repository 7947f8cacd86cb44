import { describe, expect, test } from "vitest";
import { ReleaseError } from "../errors.ts";
import { type Calendar, DEFAULT_CALENDAR, parseCalendar, plannedReleases } from "./calendar.ts";

const kindsOf = (calendar: Calendar, product = "redis") =>
  plannedReleases(calendar, { product, from: "2026-11", count: 4 }).map(
    ({ month, kind }) => `${month} ${kind}`,
  );

test("plans a baseline each quarter and hotpatches between", () => {
  expect(kindsOf(DEFAULT_CALENDAR)).toEqual([
    "2026-11 hotpatch",
    "2026-12 hotpatch",
    "2027-01 baseline",
    "2027-02 hotpatch",
  ]);
});

test("an announced baseline makes its month one, for its product or for all", () => {
  const entry = { date: "2026-12-08", kind: "baseline" } as const;
  const forOne = { ...DEFAULT_CALENDAR, entries: [{ ...entry, product: "nginx" }] };
  expect(kindsOf(forOne)[1]).toBe("2026-12 hotpatch");
  expect(kindsOf(forOne, "nginx")[1]).toBe("2026-12 baseline");
  expect(kindsOf({ ...DEFAULT_CALENDAR, entries: [entry] })[1]).toBe("2026-12 baseline");
});

describe("refuses", () => {
  const entry = { date: "2026-12-08", kind: "baseline" };
  const cases: [string, unknown][] = [
    ["calendar", []],
    ["calendar.format", { ...DEFAULT_CALENDAR, format: 2 }],
    ["calendar.plannedMonths[0]", { ...DEFAULT_CALENDAR, plannedMonths: [13] }],
    ["calendar.plannedMonths", { ...DEFAULT_CALENDAR, plannedMonths: [4, 4] }],
    ["calendar.more", { ...DEFAULT_CALENDAR, more: 1 }],
    [
      "calendar.entries[0].date",
      { ...DEFAULT_CALENDAR, entries: [{ ...entry, date: "2026-13-01" }] },
    ],
    ["calendar.entries[0].kind", { ...DEFAULT_CALENDAR, entries: [{ ...entry, kind: "party" }] }],
    [
      "calendar.entries[0].note",
      { ...DEFAULT_CALENDAR, entries: [{ ...entry, note: "\u001b[2J" }] },
    ],
  ];
  test.each(cases)("%s", (subject, value) => {
    try {
      parseCalendar(value, "calendar");
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(ReleaseError);
      expect(error).toMatchObject({ code: "metadata-field", subject });
    }
  });
});
