/** What always holds of rollouts, over random histories of devices, people, channel and time. */
import {
  DeviceUpdateState,
  GATES_DEFAULT,
  HealthSignal,
  RolloutAction,
  RolloutGroupState,
  RolloutState,
} from "@suture/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import { isRefusal } from "./refusal.ts";
import type { Decision } from "./rollout.ts";
import {
  DAY,
  draftOf,
  HOUR,
  planOfDefaultRings,
  RELEASED,
  rowsOf,
  World,
} from "./rollout-fixture.ts";
import type { Rollout } from "./rollout-state.ts";
import { act, SYSTEM_TRANSITIONS, TRANSITIONS } from "./rollout-transitions.ts";

type Happening =
  | {
      readonly kind: "device";
      readonly pick: number;
      readonly state: DeviceUpdateState;
      readonly signal: HealthSignal | undefined;
    }
  | { readonly kind: "person"; readonly by: string; readonly action: RolloutAction }
  | { readonly kind: "time"; readonly hours: number }
  | { readonly kind: "everyone-applies" }
  | { readonly kind: "fleet"; readonly paused: boolean }
  | { readonly kind: "channel"; readonly has: "update" | "nothing" | "withdrawn" };

const oneOf = <T>(words: Record<string, T>) => fc.constantFrom(...Object.values(words));

const happening: fc.Arbitrary<Happening> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("device" as const),
      pick: fc.nat(1000),
      state: oneOf(DeviceUpdateState),
      signal: fc.option(oneOf(HealthSignal), { nil: undefined, freq: 6 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("person" as const),
      by: fc.constantFrom("ada", "sara", "petra"),
      action: oneOf(RolloutAction),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("time" as const), hours: fc.nat(72) }) },
  { weight: 4, arbitrary: fc.constant({ kind: "everyone-applies" as const }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant("fleet" as const), paused: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("channel" as const),
      has: fc.constantFrom(
        "update" as const,
        "update" as const,
        "nothing" as const,
        "withdrawn" as const,
      ),
    }),
  },
);

const gates = fc.record({
  successThreshold: fc.constantFrom(0, 0.5, 0.9, 1),
  errorThreshold: fc.constantFrom(0, 0.05, 0.3, 1),
  soakHours: fc.constantFrom(0, 1, 24),
  approval: fc.boolean(),
});

const world = fc
  .record({
    gates,
    sizes: fc.array(fc.nat(6), { minLength: 1, maxLength: 5 }),
    expedited: fc.boolean(),
    alreadyRuns: fc.boolean(),
  })
  .map(({ gates: drawn, sizes, expedited, alreadyRuns }) => {
    const made = new World(
      draftOf({
        gates: drawn,
        groups: planOfDefaultRings.slice(0, sizes.length),
        ...(expedited && { expedite: { reason: "exploited in the wild" } }),
      }),
      rowsOf(sizes),
    );
    // Few random histories would get past the approval by themselves.
    if (alreadyRuns) {
      perform(made, { kind: "person", by: "sara", action: RolloutAction.submit });
      perform(made, { kind: "person", by: "petra", action: RolloutAction.approve });
    }
    return made;
  });

function perform(made: World, event: Happening): void {
  switch (event.kind) {
    case "device": {
      const rows = [...made.rows.values()];
      const row = rows[event.pick % Math.max(1, rows.length)];
      if (row === undefined) return;
      // A device cannot tell of what it was never offered; once it has seen a signal, that stays.
      if (row.attempt === 0 || event.state === DeviceUpdateState.waiting) return;
      const signal = row.signal ?? event.signal;
      made.change([row.deviceId], { state: event.state, at: made.now, ...(signal && { signal }) });
      return;
    }
    case "person": {
      const before = made.rollout;
      const after = act(before, { action: event.action }, event.by, made.now);
      if (isRefusal(after)) return;
      expect(after.state).toBe(TRANSITIONS[before.state][event.action]);
      made.rollout = after;
      return;
    }
    case "time":
      made.now += event.hours * HOUR;
      return;
    case "everyone-applies":
      made.applyAll();
      return;
    case "fleet":
      made.fleetPaused = event.paused;
      return;
    case "channel":
      made.update =
        event.has === "nothing"
          ? undefined
          : {
              released: RELEASED,
              ...(event.has === "withdrawn" && { withdrawn: { reason: "it leaks" } }),
            };
  }
}

const ACTIVE: readonly RolloutState[] = [RolloutState.running, RolloutState.completed];

const isApproved = ({ approvals, author, submittedBy }: Rollout): boolean =>
  approvals.some(
    ({ approved, group, by }) =>
      approved && group === undefined && by !== author && by !== submittedBy,
  );

function checkDecision(made: World, before: Rollout, decision: Decision): void {
  const { rollout, actions, reasons } = decision;
  const offers = actions.flatMap((action) => (action.kind === "offer" ? [action] : []));
  if (offers.length > 0) {
    expect(ACTIVE).toContain(before.state);
    expect(ACTIVE).toContain(rollout.state);
    expect(isApproved(rollout)).toBe(true);
    expect(made.update).toBeDefined();
    expect(made.update?.withdrawn).toBeUndefined();
    expect(made.fleetPaused).toBe(false);
  }
  for (const { group, devices, attempt } of offers) {
    const begun = rollout.groups[group];
    expect(begun?.beganAt).toBeLessThanOrEqual(made.now);
    if (rollout.gates.approval && group > 0) expect(["petra"]).toContain(begun?.approvedBy);
    if (rollout.expedite === undefined && begun?.gateSkippedBy === undefined) {
      expect(made.now).toBeGreaterThanOrEqual(RELEASED + (begun?.deferralDays ?? 0) * DAY);
    }
    for (const id of devices) {
      const row = made.rows.get(id);
      expect(row?.group).toBe(group);
      expect(row?.attempt).toBe(attempt);
      expect(row?.signal).toBeUndefined();
    }
  }
  if (before.state !== rollout.state) {
    expect(SYSTEM_TRANSITIONS[before.state] ?? []).toContain(rollout.state);
  }
  if (before.state === RolloutState.halted || before.state === RolloutState.paused) {
    expect(decision.rollout).toEqual(before);
    expect(actions).toEqual([]);
  }
  const waiting = rollout.groups.flatMap(({ state }, at) =>
    state === RolloutGroupState.completed ? [] : [at],
  );
  expect(reasons.map(({ group }) => group)).toEqual(waiting);
  for (const { text } of reasons) expect(text.length).toBeGreaterThan(10);
  const begun = rollout.groups.map(({ beganAt }) => beganAt !== undefined);
  expect(begun).toEqual([...begun].sort((a, b) => Number(b) - Number(a)));
}

/** A group begins when those before it are completed, or when a person said so. */
function checkOrder(before: Rollout, after: Rollout): void {
  for (const [at, group] of after.groups.entries()) {
    if (before.groups[at]?.beganAt !== undefined || group.beganAt === undefined) continue;
    if (group.gateSkippedBy !== undefined) continue;
    const earlier = after.groups.slice(0, at);
    expect(earlier.every(({ completedAt }) => completedAt !== undefined)).toBe(true);
  }
}

/** Once in each attempt. */
function checkNoOfferIsRepeated(before: World["rows"], { actions }: Decision): void {
  for (const action of actions) {
    if (action.kind !== "offer") continue;
    for (const id of action.devices) {
      expect(before.get(id)?.attempt).toBeLessThan(action.attempt);
    }
  }
}

/** The arithmetic of the error threshold, written once more: it holds until somebody resumes. */
function checkErrorsStayInBounds(made: World): void {
  if (made.rollout.history.some(({ action }) => action === RolloutAction.resume)) return;
  if (!ACTIVE.includes(made.rollout.state)) return;
  for (const group of made.rollout.groups.keys()) {
    const rows = [...made.rows.values()].filter((row) => row.group === group);
    const concerned = rows.filter(({ state }) => state !== DeviceUpdateState.notApplicable);
    const bad = concerned.filter(
      ({ state, signal }) =>
        signal !== undefined || ["reverted", "refused", "failed"].includes(state),
    );
    const most = made.rollout.gates.errorThreshold * concerned.length + 1e-6;
    expect(bad.length).toBeLessThanOrEqual(Math.max(most, 0));
  }
}

test("random histories never break what always holds", () => {
  fc.assert(
    fc.property(world, fc.array(happening, { maxLength: 60 }), (made, history) => {
      for (const event of history) {
        perform(made, event);
        const before = made.rollout;
        const rowsBefore = new Map(made.rows);
        const decision = made.step();
        checkDecision(made, before, decision);
        checkOrder(before, decision.rollout);
        checkNoOfferIsRepeated(rowsBefore, decision);
        checkErrorsStayInBounds(made);
        const again = made.decide();
        expect(again.actions).toEqual([]);
        expect(again.rollout).toEqual(made.rollout);
      }
    }),
    { numRuns: 2000 },
  );
});

test("a rollout whose devices all succeed is completed within its deferrals and soak times", () => {
  fc.assert(
    fc.property(world, (made) => {
      const soakDays = (made.rollout.gates.soakHours / 24) * made.rollout.groups.length;
      const daysMax = Math.ceil(10 + soakDays) + 1;
      for (let hour = 0; hour < daysMax * 24 && made.rollout.state !== "completed"; hour++) {
        perform(made, { kind: "person", by: "sara", action: RolloutAction.submit });
        perform(made, { kind: "person", by: "petra", action: RolloutAction.approve });
        made.step();
        made.applyAll();
        made.now += HOUR;
      }
      made.step();
      expect(made.rollout.state).toBe(RolloutState.completed);
      expect(made.in(DeviceUpdateState.applied)).toHaveLength(made.rows.size);
    }),
    { numRuns: 200 },
  );
});

test("with the default gates one signal in any ring of up to 19 devices halts", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 19 }), fc.nat(), (size, pick) => {
      const groups = planOfDefaultRings.slice(0, 1);
      const made = new World(draftOf({ gates: GATES_DEFAULT, groups }), rowsOf([size]));
      perform(made, { kind: "person", by: "ada", action: RolloutAction.submit });
      perform(made, { kind: "person", by: "petra", action: RolloutAction.approve });
      made.step();
      made.applyAll();
      const id = `device-0-${pick % size}`;
      made.change([id], { state: DeviceUpdateState.reverted, signal: HealthSignal.crash });
      made.step();
      expect(made.rollout.state).toBe(RolloutState.halted);
    }),
  );
});
