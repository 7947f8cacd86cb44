import type { MaintenanceWindow } from "@suture/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import { dayMinutes, isInWindow } from "./window.ts";

const night: MaintenanceWindow = { days: [6], begin: "22:00", end: "04:30" };
const noon: MaintenanceWindow = { days: [1, 3], begin: "12:00", end: "13:00" };

test.each([
  [noon, 1, "11:59", false],
  [noon, 1, "12:00", true],
  [noon, 1, "12:59", true],
  [noon, 1, "13:00", false],
  [noon, 2, "12:30", false],
  [noon, 3, "12:30", true],
  [night, 6, "21:59", false],
  [night, 6, "22:00", true],
  [night, 0, "00:00", true],
  [night, 0, "04:29", true],
  [night, 0, "04:30", false],
  [night, 6, "03:00", false],
])("%j on day %d at %s: %s", (window, day, clock, expected) => {
  const [hours = 0, minutes = 0] = clock.split(":").map(Number);
  expect(isInWindow([window], { day, minute: hours * 60 + minutes })).toBe(expected);
});

const clock = fc
  .integer({ min: 0, max: dayMinutes - 1 })
  .map((at) => [Math.floor(at / 60), at % 60].map((n) => String(n).padStart(2, "0")).join(":"));

/** Oracle: mark each minute of the week that the window's days cover, one after the other. */
test("the minutes of a week that are inside are those that a walk through the week marks", () => {
  const windows = fc.record({
    days: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { minLength: 1 }),
    begin: clock,
    end: clock,
  });
  fc.assert(
    fc.property(windows, (window) => {
      const week = 7 * dayMinutes;
      const marked = new Set<number>();
      for (const day of window.days) {
        let at = day * dayMinutes + Number(window.begin.slice(0, 2)) * 60;
        at += Number(window.begin.slice(3));
        do {
          marked.add(at % week);
          at += 1;
        } while (clockText(at % dayMinutes) !== window.end);
      }
      for (let at = 0; at < week; at += 7) {
        const time = { day: Math.floor(at / dayMinutes), minute: at % dayMinutes };
        expect(isInWindow([window], time)).toBe(marked.has(at));
      }
    }),
    { numRuns: 50 },
  );
});

const clockText = (at: number): string =>
  [Math.floor(at / 60), at % 60].map((part) => String(part).padStart(2, "0")).join(":");

test("no window is never", () => {
  expect(isInWindow([], { day: 0, minute: 0 })).toBe(false);
});
