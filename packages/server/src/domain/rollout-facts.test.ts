import { DeviceUpdateState, HealthSignal } from "@suture/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  devicesConcerned,
  gatherFacts,
  heardOf,
  holdersOf,
  type RolloutDeviceRow,
  successesOf,
} from "./rollout-facts.ts";
import { draftOf, HOUR, planOfDefaultRings, RELEASED } from "./rollout-fixture.ts";

const S = DeviceUpdateState;
const rollout = { ...draftOf({ groups: planOfDefaultRings.slice(0, 1) }), attempt: 2 };
const now = RELEASED + 24 * HOUR;

const row = (changes: Partial<RolloutDeviceRow>): RolloutDeviceRow => ({
  deviceId: "d",
  hostname: "h",
  group: 0,
  state: S.waiting,
  at: RELEASED,
  attempt: 2,
  ...changes,
});

function factsOf(rows: readonly RolloutDeviceRow[]) {
  const [facts] = gatherFacts(rollout, rows, { fleetPaused: false, now }).groups;
  if (facts === undefined) throw new Error("the rollout has one group");
  return facts;
}

test.each<[string, Partial<RolloutDeviceRow>, object]>([
  ["waits", { attempt: 0 }, { toOffer: ["d"], answered: 0 }],
  ["waits after a health signal", { signal: "crash" }, { toOffer: [], healthReverts: 1 }],
  ["is offered", { state: S.offered }, { toOffer: [], toRevert: ["d"], answered: 0 }],
  ["has it for half of the watch", { state: S.applied }, { answered: 1, watches: 0.5 }],
  ["is through the watch", { state: S.succeeded }, { answered: 1, watches: 1, toRevert: ["d"] }],
  ["refused now", { state: S.refused }, { otherErrors: 1, answered: 1, toOffer: [] }],
  [
    "refused in the attempt before",
    { state: S.refused, attempt: 1 },
    { otherErrors: 0, answered: 0, toOffer: ["d"] },
  ],
  ["was reverted", { state: S.reverted }, { healthReverts: 1, otherErrors: 0, toRevert: [] }],
  ["was asked to revert", { state: S.applied, revertAsked: true }, { toRevert: [] }],
  ["was restarted after a signal", { state: S.restarted, signal: "probe" }, { healthReverts: 1 }],
  ["is in no group of the rollout", { group: 7 }, { counts: {}, toOffer: [] }],
])("a device that %s", (_, changes, expected) => {
  expect(factsOf([row(changes)])).toMatchObject(expected);
});

test("the newest health signal is the evidence", () => {
  const facts = factsOf([
    row({ deviceId: "a", state: S.reverted, signal: "crash", at: now }),
    row({ deviceId: "b", state: S.reverted, signal: "probe", at: now - 1 }),
  ]);
  expect(facts.newestSignal).toMatchObject({ deviceId: "a", signal: "crash" });
});

const rows = fc.array(
  fc
    .record({
      state: fc.constantFrom(...Object.values(S)),
      at: fc.integer({ min: RELEASED - HOUR, max: now + HOUR }),
      attempt: fc.nat(2),
      signal: fc.option(fc.constantFrom(...Object.values(HealthSignal)), { nil: undefined }),
    })
    .map(({ signal, ...rest }) => row({ ...rest, ...(signal && { signal }) })),
);

test("counts add up, whatever the rows and their order", () => {
  fc.assert(
    fc.property(rows, (list) => {
      const facts = factsOf(list);
      const reversed = factsOf([...list].reverse());
      expect(reversed.counts).toEqual(facts.counts);
      expect(reversed.watches).toBeCloseTo(facts.watches, 9);
      const devices = devicesConcerned(facts);
      const concerned = list.filter(({ state }) => state !== S.notApplicable).length;
      expect(devices).toBe(concerned);
      expect(facts.watches).toBeGreaterThanOrEqual(0);
      expect(facts.watches).toBeLessThanOrEqual(devices);
      expect(facts.answered).toBeLessThanOrEqual(list.length);
      expect(facts.otherErrors + facts.healthReverts).toBeLessThanOrEqual(facts.answered);
      for (const count of [heardOf(facts), successesOf(facts), holdersOf(facts)]) {
        expect(count).toBeLessThanOrEqual(devices);
      }
    }),
  );
});
