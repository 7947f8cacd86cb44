import { expect, test } from "vitest";
import { durationText } from "./duration-text.ts";

const hour = 3_600_000;

test.each([
  [0, "0 seconds"],
  [0.005 * hour, "18 seconds"],
  [90 * 60_000, "90 minutes"],
  [hour, "1 hour"],
  [24 * hour, "1 day"],
  [60 * hour, "60 hours"],
  [240 * hour, "10 days"],
])("%d ms are %s", (ms, text) => {
  expect(durationText(ms)).toBe(text);
});
