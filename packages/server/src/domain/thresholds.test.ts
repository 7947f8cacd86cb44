import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { errorsAllowed, HaltRule, haltRuleOf, successesNeeded } from "./thresholds.ts";

const errors = (otherErrors: number, answered: number, devices: number, threshold = 0.05) =>
  haltRuleOf({ devices, answered, otherErrors, healthReverts: 0, watches: 0 }, threshold);

/** Of 5,000 devices that all were watched for so many minutes of 48 hours. */
const signals = (healthReverts: number, minutes: number) =>
  haltRuleOf(
    {
      devices: 5000,
      answered: 5000,
      otherErrors: 0,
      healthReverts,
      watches: (5000 * minutes) / 2880,
    },
    0.05,
  );

describe("errors", () => {
  test.each([
    [3, 1, 0],
    [5, 1, 0],
    [19, 19, 0],
    [20, 20, 1],
    [50, 50, 2],
  ])("of %i devices with %i answers, %i go by and one more halts", (devices, answered, fine) => {
    expect(errors(fine, answered, devices)).toBeUndefined();
    expect(errors(fine + 1, answered, devices)).toBe(HaltRule.errorCount);
  });

  test.each([
    [2, 2],
    [5, 3],
    [10, 4],
    [100, 14],
    [1000, 80],
  ])("of the first %i answers in a group of 5,000 or 500,000, %i errors halt", (answered, most) => {
    for (const devices of [5000, 500_000]) {
      expect(errors(most - 1, answered, devices)).toBeUndefined();
      expect(errors(most, answered, devices)).toBe(HaltRule.errorRate);
    }
  });

  test("of all 5,000 answers the 251st halts", () => {
    expect(errors(250, 5000, 5000)).toBeUndefined();
    expect(errors(251, 5000, 5000)).toBe(HaltRule.errorCount);
  });

  test.each([
    [1, 3],
    [10, 6],
    [60, 15],
  ])("within %i minutes of watching 5,000 devices, %i health signals halt", (minutes, most) => {
    expect(signals(most - 1, minutes)).toBeUndefined();
    expect(signals(most, minutes)).toBe(HaltRule.healthRate);
  });

  test("a threshold of 0 halts at the first error, one of 1 never", () => {
    expect(errors(1, 1, 1_000_000, 0)).toBe(HaltRule.errorCount);
    expect(errors(5000, 5000, 5000, 1)).toBeUndefined();
    expect(errors(0, 10, 10, 0)).toBeUndefined();
  });
});

/** A small generator of its own (mulberry32), so that the figures are the same each time. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Shares of groups that are halted by the rate, when looked at after each of 500 answers. */
function haltedShare(rate: number, groups: number): number {
  const random = randomFrom(7);
  let halted = 0;
  for (let group = 0; group < groups; group++) {
    let count = 0;
    for (let answered = 1; answered <= 500; answered++) {
      if (random() < rate) count++;
      if (errors(count, answered, 1_000_000) === undefined) continue;
      halted++;
      break;
    }
  }
  return halted / groups;
}

describe("the rate of errors", () => {
  test("halts at most 1 in 40 groups whose true rate is the threshold", () => {
    expect(haltedShare(0.05, 2000)).toBeLessThan(1 / 40);
  });

  test("halts nearly every group whose true rate is four times the threshold", () => {
    expect(haltedShare(0.2, 500)).toBeGreaterThan(0.99);
  });
});

/** Shares of groups that health signals halt, which come evenly at the threshold's rate. */
function haltedBySignals(share: number, groups: number): number {
  const random = randomFrom(11);
  let halted = 0;
  for (let group = 0; group < groups; group++) {
    let watches = 0;
    for (let healthReverts = 1; healthReverts <= 50; healthReverts++) {
      watches += -Math.log(1 - random()) / -Math.log(1 - share);
      const evidence = { devices: 1e9, answered: 1e9, otherErrors: 0, healthReverts, watches };
      if (haltRuleOf(evidence, 0.05) === undefined) continue;
      halted++;
      break;
    }
  }
  return halted / groups;
}

describe("the rate of health signals", () => {
  test("halts at most 1 in 40 groups whose true rate is the threshold", () => {
    expect(haltedBySignals(0.05, 5000)).toBeLessThan(1 / 40);
  });

  test("halts nearly every group whose true rate is four times the threshold", () => {
    expect(haltedBySignals(0.2, 500)).toBeGreaterThan(0.99);
  });
});

test("one more error never makes it better", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 100_000 }),
      fc.nat(1000),
      fc.nat(1000),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (devices, otherErrors, good, threshold) => {
        const answered = Math.min(devices, otherErrors + good);
        const before = errors(Math.min(otherErrors, answered), answered, devices, threshold);
        const after = errors(Math.min(otherErrors + 1, answered), answered, devices, threshold);
        if (before !== undefined) expect(after).toBeDefined();
      },
    ),
  );
});

test("shares are rounded for the device's good and not by floating point", () => {
  expect(errorsAllowed(0.29, 100)).toBe(29);
  expect(successesNeeded(0.9, 10)).toBe(9);
  expect(successesNeeded(0.9, 5)).toBe(5);
  expect(successesNeeded(0.7, 10)).toBe(7);
  expect(successesNeeded(0, 10)).toBe(1);
  expect(successesNeeded(0.9, 0)).toBe(0);
});
