import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { memoryProblem, processorProblem, type Sample, withSample } from "./samples.ts";

const MIB = 1024 * 1024;
const before = { residentBytes: 100 * MIB, processorShare: 0.1 };
/** One sample every `stepSeconds`, resident in MiB. */
const memory = (stepSeconds: number, resident: readonly number[]): Sample[] =>
  resident.map((mib, index) => ({
    at: index * stepSeconds * 1000,
    residentBytes: mib * MIB,
    processorSeconds: 0,
  }));
const processor = (stepSeconds: number, shares: readonly number[]): Sample[] => {
  let processorSeconds = 1000;
  return [0, ...shares].map((share, index) => {
    processorSeconds += share * stepSeconds;
    return { at: index * stepSeconds * 1000, residentBytes: 0, processorSeconds };
  });
};
const rising = (count: number, from: number, step: number) =>
  Array.from({ length: count }, (_, index) => from + index * step);

describe("resident memory", () => {
  test.each<[string, readonly Sample[], object, boolean]>([
    ["below the ratio", memory(5, [100, 149]), { memoryRatioMax: 1.5 }, false],
    ["above the ratio", memory(5, [100, 151]), { memoryRatioMax: 1.5 }, true],
    ["above it once, and back", memory(5, [151, 100]), { memoryRatioMax: 1.5 }, false],
    ["no ratio", memory(5, [100, 100_000]), {}, false],
    ["a leak of 60 MiB an hour", memory(60, rising(61, 100, 1)), { memorySlopeMax: 50 }, true],
    ["a leak below the limit", memory(60, rising(61, 100, 1)), { memorySlopeMax: 70 }, false],
    ["a leak that is too young", memory(60, rising(60, 100, 1)), { memorySlopeMax: 50 }, false],
    [
      "a leak over a shorter time",
      memory(60, rising(60, 100, 1)),
      { memorySlopeMax: 50, memorySlopeMinutes: 10 },
      true,
    ],
    [
      "one step is no leak",
      memory(60, [...rising(30, 100, 0), ...rising(31, 400, 0)]),
      { memorySlopeMax: 50 },
      false,
    ],
  ])("%s", (_, samples, health, isProblem) => {
    expect(memoryProblem(before, samples, { hours: 48, ...health }) !== undefined).toBe(isProblem);
  });

  test("a small process may grow a little", () => {
    const small = { residentBytes: MIB, processorShare: 0 };
    const health = { hours: 48, memoryRatioMax: 2 };
    expect(memoryProblem(small, memory(5, [4.9]), health)).toBeUndefined();
    expect(memoryProblem(small, memory(5, [5.1]), health)).toContain("5.1 times the 1.0 MiB");
  });
});

describe("processor time", () => {
  test.each<[string, readonly Sample[], number, boolean]>([
    ["as before", processor(10, Array(10).fill(0.1)), 3, false],
    ["three times as much", processor(10, Array(10).fill(0.31)), 3, true],
    ["for a short time only", processor(10, Array(5).fill(1)), 3, false],
    ["more, and less again", processor(10, [1, 1, 0, 0, 0, 0, 0, 0]), 3, false],
  ])("%s", (_, samples, processorRatioMax, isProblem) => {
    const found = processorProblem(before, samples, { hours: 48, processorRatioMax });
    expect(found !== undefined).toBe(isProblem);
  });

  test("a process that slept may work a little", () => {
    const asleep = { residentBytes: 0, processorShare: 0 };
    const health = { hours: 48, processorRatioMax: 3 };
    expect(processorProblem(asleep, processor(10, Array(10).fill(0.1)), health)).toBeUndefined();
    expect(processorProblem(asleep, processor(10, Array(10).fill(0.2)), health)).toBeDefined();
  });
});

test("samples are limited, in order, and hold the first and the last", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2000 }), (count) => {
      let samples: readonly Sample[] = [];
      for (let at = 0; at < count; at++) {
        samples = withSample(samples, { at, residentBytes: 0, processorSeconds: 0 });
      }
      expect(samples.length).toBeLessThanOrEqual(256);
      expect(samples[0]?.at).toBe(0);
      expect(samples.at(-1)?.at).toBe(count - 1);
      expect(
        samples.every(({ at }, index) => index === 0 || at > (samples[index - 1]?.at ?? 0)),
      ).toBe(true);
    }),
    { numRuns: 30 },
  );
});
