import { expect, test } from "vitest";
import { counted, hours, microseconds, monthName, relativeTime, share } from "./numbers.ts";

test("a share is rounded down: 100 % means all of them", () => {
  expect(share(9999, 10_000)).toBe("99.9 %");
  expect(share(10_000, 10_000)).toBe("100 %");
  expect(share(1, 3)).toBe("33.3 %");
  expect(share(0, 0)).toBe("–");
});

test("counts have their noun", () => {
  expect(counted(1, "device")).toBe("1 device");
  expect(counted(1200, "device")).toBe("1,200 devices");
  expect(counted(0, "policy", "policies")).toBe("0 policies");
});

test("hours are shown in the unit that reads best", () => {
  expect(hours(undefined)).toBe("–");
  expect(hours(0.25)).toBe("15 min");
  expect(hours(36.04)).toBe("36 h");
  expect(hours(240)).toBe("10 days");
  expect(microseconds(640.26)).toBe("640.3 µs");
  expect(microseconds(2800)).toBe("2.8 ms");
});

test("moments are told from now", () => {
  const now = Date.parse("2026-11-22T12:00:00Z");
  const check = (at: string, text: string) => expect(relativeTime(Date.parse(at), now)).toBe(text);
  check("2026-11-22T11:59:50Z", "just now");
  check("2026-11-22T12:00:30Z", "in less than a minute");
  check("2026-11-22T11:57:10Z", "2 minutes ago");
  check("2026-11-22T11:00:00Z", "1 hour ago");
  check("2026-11-25T12:00:00Z", "in 3 days");
  check("2025-11-01T12:00:00Z", "1 year ago");
});

test("a month has its name", () => {
  expect(monthName("2027-01")).toBe("January 2027");
  expect(monthName("2027-01", "short")).toBe("Jan 2027");
});
