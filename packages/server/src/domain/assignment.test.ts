import {
  DeviceUpdateState,
  POLICY_DEFAULT,
  type PolicySettings,
  RolloutState,
} from "@suture/contract";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type DeviceRollout, wantedOf } from "./assignment.ts";
import type { CatalogUpdate } from "./quality-updates.ts";
import { DAY, draftOf, RELEASED } from "./rollout-fixture.ts";
import { updateOf } from "./update-fixture.ts";

const S = DeviceUpdateState;
const first = updateOf({ sequence: 1, released: "2026-10-20" });
const second = updateOf({ sequence: 2, released: "2026-11-10" });

interface Changes {
  readonly rollout?: RolloutState;
  readonly device?: DeviceUpdateState;
  readonly begun?: boolean;
  readonly expedited?: boolean;
  readonly update?: CatalogUpdate;
}

function entryOf(update: CatalogUpdate, changes: Changes = {}): DeviceRollout {
  const draft = draftOf({ target: update.target, name: update.id });
  const groups = draft.groups.map((group) =>
    changes.begun === false ? group : { ...group, beganAt: RELEASED },
  );
  return {
    rollout: {
      ...draft,
      groups,
      state: changes.rollout ?? RolloutState.running,
      ...(changes.expedited && { expedite: { reason: "exploited in the wild" } }),
    },
    group: 1,
    state: changes.device ?? S.offered,
    update,
  };
}

const windows: PolicySettings = {
  ...POLICY_DEFAULT,
  windows: [{ days: [6], begin: "22:00", end: "02:00" }],
};

const wanted = (rollouts: readonly DeviceRollout[], policy = POLICY_DEFAULT) =>
  wantedOf({ rollouts, policy, fleetPaused: false });
const applied = (rollouts: readonly DeviceRollout[]) =>
  wanted(rollouts).apply.map(({ target }) => target);

test("a retry is told to the device as a further attempt", () => {
  const entry = entryOf(first);
  const retried = { ...entry, rollout: { ...entry.rollout, attempt: 2 } };
  expect(wanted([retried]).apply).toEqual([
    { target: first.target, sha256: first.sha256, attempt: 2 },
  ]);
});

test("a device that was offered an update is to apply exactly these bytes", () => {
  expect(wanted([entryOf(first)])).toEqual({
    paused: false,
    apply: [{ target: first.target, sha256: first.sha256 }],
    revert: [],
    policy: POLICY_DEFAULT,
  });
});

describe("what a device is to apply, by the state of rollout and device", () => {
  test.each<[Changes, boolean]>([
    [{ device: S.waiting }, false],
    [{ device: S.notApplicable }, false],
    [{ begun: false }, false],
    [{ device: S.applied }, true],
    [{ device: S.refused }, true],
    [{ device: S.reverted }, true],
    [{ device: S.restartPending }, true],
    [{ rollout: "completed" }, true],
    [{ rollout: "paused" }, false],
    [{ rollout: "paused", device: S.applied }, true],
    [{ rollout: "paused", device: S.reverted }, false],
    [{ rollout: "stopped", device: S.succeeded }, true],
    [{ rollout: "halted", device: S.applied }, false],
    [{ rollout: "draft" }, false],
    [{ rollout: "waiting-for-approval" }, false],
  ])("%j: %s", (changes, expected) => {
    expect(applied([entryOf(first, changes)])).toEqual(expected ? [first.target] : []);
  });

  test("a withdrawn update, or one that the channel does not have, is not applied", () => {
    const withdrawn = { ...first, withdrawn: { date: "2026-10-21", reason: "it leaks" } };
    expect(applied([entryOf(withdrawn, { device: S.applied })])).toEqual([]);
    const { update: _, ...unknown } = entryOf(first);
    expect(applied([unknown])).toEqual([]);
  });

  test("only the newest hotpatch of a Build-ID is applied", () => {
    expect(applied([entryOf(first, { device: S.applied }), entryOf(second)])).toEqual([
      second.target,
    ]);
  });

  test("of one day's hotpatches the one with the highest sequence is applied", () => {
    const third = { ...updateOf({ sequence: 3 }), released: second.released };
    expect(applied([entryOf(third), entryOf(second)])).toEqual([third.target]);
    expect(applied([entryOf(second), entryOf(third)])).toEqual([third.target]);
  });

  test("a hotpatch that is newer for one of two components leaves the other its own", () => {
    const [one] = first.components;
    if (one === undefined) throw new Error("the fixture has a component");
    const both = { ...first, components: [one, { ...one, buildId: "bb".repeat(8) }] };
    expect(applied([entryOf(both), entryOf(second)])).toEqual([first.target, second.target]);
  });

  test("when the newest is reverted, the one before comes back", () => {
    const entries = [
      entryOf(first, { rollout: "completed", device: S.applied }),
      entryOf(second, { rollout: "reverting", device: S.applied }),
    ];
    expect(wanted(entries)).toMatchObject({
      apply: [{ target: first.target }],
      revert: [{ target: second.target, reason: "redis-2026-10-2 was reverted" }],
    });
  });

  test.each<[DeviceUpdateState, number]>([
    [S.offered, 1],
    [S.applying, 1],
    [S.succeeded, 1],
    [S.reverted, 0],
    [S.restarted, 0],
  ])("a device that is %s is told to revert: %i", (device, count) => {
    const entry = entryOf(first, { rollout: "reverted", device });
    expect(wanted([entry])).toMatchObject({ apply: [] });
    expect(wanted([entry]).revert).toHaveLength(count);
  });

  test("a baseline and the hotpatch of the baseline before are both wanted", () => {
    const january = updateOf({ sequence: 0, baseline: "2027-01", released: "2027-01-12" });
    expect(applied([entryOf(january), entryOf(first, { device: S.applied })])).toEqual([
      first.target,
      january.target,
    ]);
  });
});

describe("the deadline", () => {
  const day = (entry: DeviceRollout, policy: PolicySettings): number | undefined => {
    const { deadline } = wanted([entry], policy).apply[0] ?? {};
    return deadline === undefined ? undefined : (Date.parse(deadline) - RELEASED) / DAY;
  };
  const waiting = { ...windows, hotpatchInWindowOnly: true };

  test("of Ring 1 is 2 days for a hotpatch that waits for windows, and 4 for a restart", () => {
    expect(day(entryOf(first), waiting)).toBe(2);
    expect(day(entryOf(first, { device: S.restartPending }), waiting)).toBe(4);
    expect(day(entryOf(first, { device: S.refused }), waiting)).toBe(4);
    expect(day(entryOf(updateOf({ sequence: 0 })), waiting)).toBe(4);
    expect(day(entryOf(first), windows)).toBe(4);
  });

  test("is not set where there are no windows, so that nothing is restarted by itself", () => {
    expect(day(entryOf(first, { device: S.restartPending }), POLICY_DEFAULT)).toBeUndefined();
  });

  test("of an expedited rollout is at once, and after the grace period for a restart", () => {
    expect(day(entryOf(first, { expedited: true }), waiting)).toBe(0);
    expect(day(entryOf(first, { expedited: true, device: S.restartPending }), waiting)).toBe(2);
  });
});

const entries = fc.array(
  fc
    .record({
      sequence: fc.integer({ min: 0, max: 4 }),
      withdrawn: fc.boolean(),
      known: fc.boolean(),
      rollout: fc.constantFrom(...Object.values(RolloutState)),
      device: fc.constantFrom(...Object.values(S)),
      begun: fc.boolean(),
    })
    .map(({ sequence, withdrawn, known, ...changes }): DeviceRollout => {
      const update = updateOf({
        sequence,
        ...(withdrawn && { withdrawn: { date: "2026-12-01", reason: "it leaks" } }),
      });
      const { update: _, ...entry } = entryOf(update, changes);
      return known ? { ...entry, update } : entry;
    }),
  { maxLength: 8 },
);

test("nothing is wanted that is withdrawn, not begun or being reverted, and order is nothing", () => {
  fc.assert(
    fc.property(entries, (list) => {
      const found = wanted(list, windows);
      expect(wanted([...list].reverse(), windows)).toEqual(found);
      const reverted = new Set(found.revert.map(({ target }) => target));
      const hotpatches = found.apply.filter(({ target }) => target.endsWith(".hotpatch"));
      expect(hotpatches.length).toBeLessThanOrEqual(1);
      for (const { target } of found.apply) {
        expect(reverted.has(target)).toBe(false);
        const causes = list.filter(
          ({ rollout, group, state, update }) =>
            update?.target === target &&
            update.withdrawn === undefined &&
            rollout.groups[group]?.beganAt !== undefined &&
            (["running", "completed"].includes(rollout.state) ||
              (["paused", "stopped"].includes(rollout.state) &&
                ["applying", "applied", "succeeded"].includes(state))),
        );
        expect(causes.length).toBeGreaterThan(0);
      }
    }),
    { numRuns: 2000 },
  );
});
