import { expect, test } from "vitest";
import {
  concerns,
  indexCatalog,
  isSuperseded,
  momentOfDay,
  updatesFor,
} from "./quality-updates.ts";
import { updateOf } from "./update-fixture.ts";

const old = { file: "/usr/bin/redis-server", buildId: "aa".repeat(8) };
const fresh = { file: "/usr/sbin/redis-server", buildId: "bb".repeat(8) };

const october = updateOf({ sequence: 0 });
const first = updateOf({ sequence: 1, released: "2026-10-20" });
const second = updateOf({ sequence: 2, released: "2026-11-10" });
const january = updateOf({
  sequence: 0,
  baseline: "2027-01",
  components: [fresh],
  released: "2027-01-12",
});

const targets = (component: typeof old, updates = [january, second, october, first]) => {
  const { baseline, newerBaselines, hotpatches } = updatesFor(indexCatalog(updates), component);
  return [
    baseline?.baseline,
    newerBaselines.map((update) => update.baseline),
    hotpatches.map(({ sequence }) => sequence),
  ];
};

test("a build has its baseline, its hotpatches in order, and the baselines after it", () => {
  expect(targets(old)).toEqual(["2026-10", ["2027-01"], [1, 2]]);
  expect(targets(fresh)).toEqual(["2027-01", [], []]);
});

test("a withdrawn baseline is not one that anybody should have", () => {
  const withdrawn = { ...january, withdrawn: { date: "2027-01-13", reason: "broken" } };
  expect(targets(old, [october, withdrawn])).toEqual(["2026-10", [], []]);
});

test("a build that only a hotpatch names is as old as that hotpatch's baseline", () => {
  expect(targets(old, [first, january, { ...october, components: [] }])).toEqual([
    undefined,
    [],
    [1],
  ]);
  const other = { ...october, components: [{ ...old, buildId: "cc".repeat(8) }] };
  expect(targets(old, [first, january, other])).toEqual([undefined, ["2027-01"], [1]]);
});

test("of a build that the channel does not know nothing is said", () => {
  expect(targets({ ...old, buildId: "dd".repeat(8) })).toEqual([undefined, [], []]);
});

test("a build that two baselines share belongs to the newer one", () => {
  const shared = { ...january, components: [old] };
  expect(targets(old, [october, shared, first])).toEqual(["2027-01", [], [1]]);
});

test("a hotpatch concerns its Build-ID, a baseline the builds of its files that it succeeds", () => {
  const index = indexCatalog([october, first, january]);
  expect(concerns(index, first, [old])).toBe(true);
  expect(concerns(index, first, [fresh])).toBe(false);
  expect(concerns(index, january, [old])).toBe(true);
  expect(concerns(index, january, [fresh])).toBe(true);
  expect(concerns(index, october, [fresh])).toBe(false);
  expect(concerns(index, january, [{ ...old, buildId: "dd".repeat(8) }])).toBe(false);
});

test("a file of the same name in another product is another file", () => {
  const valkey = { ...january, product: "valkey", target: "valkey/2027-01/baseline.json" };
  expect(targets(old, [october, valkey])).toEqual(["2026-10", [], []]);
});

test("a hotpatch is superseded where all of its components have a newer one", () => {
  const index = indexCatalog([october, first, second]);
  const check = (...sequences: (number | undefined)[]) =>
    isSuperseded(
      index,
      first,
      sequences.map((sequence) => ({ ...old, ...(sequence && { hotpatchSequence: sequence }) })),
    );
  expect(check(2)).toBe(true);
  expect(check(2, undefined)).toBe(false);
  expect(check(1)).toBe(false);
  expect(check()).toBe(false);
  expect(isSuperseded(index, october, [{ ...old, hotpatchSequence: 2 }])).toBe(false);
});

test("a day begins at midnight UTC", () => {
  expect(new Date(momentOfDay("2026-10-13")).toISOString()).toBe("2026-10-13T00:00:00.000Z");
});
