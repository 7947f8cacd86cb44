import type { RingDraft } from "@suture/contract";
import { RINGS_DEFAULT } from "@suture/contract";
import { expect, test } from "vitest";
import { orderRingSteps, type RingStep } from "./ring-order.ts";

const ring = (at: number) =>
  ({ ...RINGS_DEFAULT[at], id: `id-${at}` }) as RingDraft & { id: string };
const RINGS = RINGS_DEFAULT.map((_, at) => ring(at));

/** A change of the ring at a place. */
function step(at: number, change: Partial<RingDraft>): RingStep {
  const { id, ...draft } = ring(at);
  return { id, draft: { ...draft, ...change } };
}

/** The rules of the server, one by one, after each step; gives what there is at the end. */
function played(steps: readonly RingStep[]): string[] {
  const rings = new Map<string, RingDraft>(RINGS.map(({ id, ...draft }) => [id, draft]));
  let made = 0;
  for (const { id = `new-${++made}`, draft } of steps) {
    if (draft === undefined) rings.delete(id);
    else rings.set(id, draft);
    const all = [...rings.values()].sort((a, b) => a.order - b.order);
    expect(new Set(all.map(({ order }) => order)).size, "distinct places").toBe(all.length);
    expect(new Set(all.map(({ name }) => name.toLowerCase())).size).toBe(all.length);
    expect(all.slice(1).filter(({ kind }) => kind === "test")).toEqual([]);
    expect(all.slice(0, -1).filter(({ kind }) => kind === "last")).toEqual([]);
  }
  return [...rings.values()].sort((a, b) => a.order - b.order).map((r) => `${r.order} ${r.name}`);
}

const NEW: RingDraft = {
  ...{ name: "Ring 4", kind: "ring", order: 4 },
  ...{ deferralDays: 9, deadlineDays: 5, graceDays: 2 },
};

test("a ring before the last one: the last one goes first", () => {
  const { steps } = orderRingSteps(RINGS, [{ draft: NEW }, step(4, { order: 5 })]);
  expect(steps).toHaveLength(2);
  expect(played(steps).slice(-2)).toEqual(["4 Ring 4", "5 Last"]);
});

test("rings that change places, and one that is new", () => {
  const wanted = [
    step(1, { order: 2 }),
    step(2, { order: 1 }),
    { draft: NEW },
    step(4, { order: 5 }),
  ];
  const { steps } = orderRingSteps(RINGS, wanted);
  expect(played(steps)).toEqual([
    "0 Test",
    "1 Ring 2",
    "2 Ring 1",
    "3 Ring 3",
    "4 Ring 4",
    "5 Last",
  ]);
});

test("an end that becomes a ring, and a new end", () => {
  const ends = [step(4, { kind: "ring" }), { draft: { ...NEW, kind: "last", order: 9 } as const }];
  expect(played(orderRingSteps(RINGS, ends).steps).at(-1)).toBe("9 Ring 4");
});

test("a removed ring makes place for another", () => {
  const { steps } = orderRingSteps(RINGS, [step(3, { order: 2 }), { id: "id-2" }]);
  expect(played(steps)).toEqual(["0 Test", "1 Ring 1", "2 Ring 3", "4 Last"]);
});

test.each<[string, RingStep[], RegExp]>([
  ["two in one place", [step(1, { order: 2 })], /same order 2/],
  ["a ring behind the last one", [{ draft: { ...NEW, order: 9 } }], /last ring Last must be after/],
  ["two test rings", [step(1, { kind: "test" })], /test ring Ring 1 must be before/],
  ["one name twice", [step(1, { name: "ring 2" })], /two rings are called/],
])("%s cannot be, and nothing is sent", (_, wanted, complaint) => {
  expect(orderRingSteps(RINGS, wanted)).toEqual({
    steps: [],
    conflict: expect.stringMatching(complaint),
  });
});
