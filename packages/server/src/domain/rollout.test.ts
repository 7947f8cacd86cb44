import { DeviceUpdateState, GATES_DEFAULT } from "@suture/contract";
import { describe, expect, test } from "vitest";
import { nextDecisionAt } from "./rollout.ts";
import {
  DAY,
  draftOf,
  HOUR,
  kindsOfStep as kinds,
  mustAct,
  RELEASED,
  rowsOf,
  runningWorld,
  statesOf as states,
  waitsOf as waits,
} from "./rollout-fixture.ts";
import { blockingReason } from "./rollout-reasons.ts";
import { act } from "./rollout-transitions.ts";

const S = DeviceUpdateState;

describe("a rollout through rings", () => {
  test("offers to the Test ring at once, and tells of each other ring why it waits", () => {
    const world = runningWorld([3, 5, 10, 20, 20]);
    expect(kinds(world)).toEqual(["begin-group", "offer"]);
    expect(world.in(S.offered)).toEqual(["device-0-0", "device-0-1", "device-0-2"]);
    expect(world.decide().reasons.map(({ text }) => text)).toEqual([
      "0 of 3 devices have it, 3 are needed (3 silent).",
      "Waits until Test is through.",
      "Waits until Test is through.",
      "Waits until Test is through.",
      "Waits until Test is through.",
    ]);
  });

  test("soaks, honours the deferral of the next ring, and goes on", () => {
    const world = runningWorld([3, 5]);
    world.step();
    world.applyAll();
    expect(kinds(world)).toEqual(["begin-soak"]);
    expect(waits(world)).toEqual(["0 soak", "1 previous-group"]);
    expect(nextDecisionAt(world.decide())).toBe(RELEASED + DAY);
    world.now += 12 * HOUR;
    expect(kinds(world)).toEqual([]);
    world.now += 12 * HOUR;
    expect(kinds(world)).toEqual(["complete-group", "begin-group", "offer"]);
    expect(states(world)).toEqual(["completed", "running"]);
    world.applyAll();
    world.step();
    world.now += DAY;
    expect(kinds(world)).toEqual(["complete-group", "complete-rollout"]);
    expect(world.rollout.state).toBe("completed");
    expect(waits(world)).toEqual([]);
  });

  test("waits for a deferral that is longer than the soak time, and says until when", () => {
    const plans = draftOf().groups.map(({ state: _, accepted: __, ...plan }) => plan);
    const world = runningWorld([1, 1], { groups: plans.filter((_, at) => at === 0 || at === 2) });
    world.step();
    world.applyAll();
    world.step();
    world.now += DAY;
    expect(kinds(world)).toEqual(["complete-group"]);
    expect(world.decide().reasons).toEqual([
      {
        group: 1,
        ringId: "ring-2",
        code: "deferral",
        text: "Deferred for 5 days after publication.",
        until: RELEASED + 5 * DAY,
      },
    ]);
  });

  test("a ring without devices honours its deferral and nothing else", () => {
    const world = runningWorld([0, 0]);
    expect(kinds(world)).toEqual(["begin-group", "complete-group"]);
    expect(waits(world)).toEqual(["1 deferral"]);
    world.now += DAY;
    expect(kinds(world)).toEqual(["begin-group", "complete-group", "complete-rollout"]);
  });

  test("devices that do not need it count for nothing", () => {
    const world = runningWorld([4]);
    world.step();
    world.change(["device-0-0", "device-0-1", "device-0-2"], { state: S.notApplicable });
    world.applyAll();
    expect(kinds(world)).toEqual(["begin-soak"]);
  });

  test("a device that comes when all is completed is offered it", () => {
    const world = runningWorld([1], { gates: { ...GATES_DEFAULT, soakHours: 0 } });
    world.step();
    world.applyAll();
    world.step();
    expect(world.rollout.state).toBe("completed");
    world.rows.set("late", { ...rowsOf([1])[0]!, deviceId: "late" });
    expect(world.step().actions).toEqual([
      { kind: "offer", group: 0, devices: ["late"], attempt: 1 },
    ]);
  });
});

describe("what stops it", () => {
  test("one health signal in a ring of three halts, with device and signal as evidence", () => {
    const world = runningWorld([3, 5]);
    world.step();
    world.applyAll();
    world.step();
    world.now += HOUR;
    world.change(["device-0-1"], { state: S.reverted, signal: "memory-growth", at: world.now });
    expect(kinds(world)).toEqual(["halt"]);
    expect(world.rollout.state).toBe("halted");
    expect(world.rollout.halted).toMatchObject({
      code: "error-count",
      group: 0,
      signal: "memory-growth",
      deviceId: "device-0-1",
      hostname: "host-0-1",
      text: "1 device of Test erred (1 reverted by health signals); of 3, 0 may.",
    });
    expect(states(world)).toEqual(["halted", "waiting"]);
    world.now += 100 * DAY;
    expect(kinds(world)).toEqual([]);
    expect(waits(world)).toEqual(["0 halted", "1 halted"]);
  });

  test("a resume accepts that signal, and the next one halts again", () => {
    const world = runningWorld([30], { gates: { ...GATES_DEFAULT, successThreshold: 0.5 } });
    world.step();
    world.applyAll();
    world.change(["device-0-1", "device-0-2"], { state: S.reverted, signal: "crash" });
    expect(kinds(world)).toEqual(["halt"]);
    mustAct(world, "resume");
    expect(states(world)).toEqual(["running"]);
    expect(kinds(world)).toEqual(["begin-soak"]);
    world.change(["device-0-3", "device-0-4"], { state: S.reverted, signal: "crash" });
    expect(kinds(world)).toEqual(["halt"]);
  });

  test("a resume accepts refusals too, until those devices are offered it again", () => {
    const gates = { ...GATES_DEFAULT, successThreshold: 0.5 };
    const world = runningWorld([30], { gates });
    world.step();
    const [a, b, c] = world.in(S.offered);
    const refused = [a, b].flatMap((id) => id ?? []);
    world.applyAll();
    world.change(refused, { state: S.refused });
    expect(kinds(world)).toEqual(["halt"]);
    mustAct(world, "resume");
    expect(kinds(world)).toEqual(["begin-soak"]);
    mustAct(world, "retry");
    expect(kinds(world)).toEqual(["offer"]);
    expect(kinds(world)).toEqual([]);
    world.change([...refused, c ?? ""], { state: S.refused });
    expect(kinds(world)).toEqual(["halt"]);
  });

  test("a group that falls below its success threshold while it soaks is not completed", () => {
    const world = runningWorld([5], { gates: { ...GATES_DEFAULT, errorThreshold: 0.5 } });
    world.step();
    world.applyAll();
    world.step();
    world.now += 12 * HOUR;
    world.change(["device-0-1"], { state: S.reverted, signal: "crash" });
    expect(waits(world)).toEqual(["0 soak"]);
    world.now += 12 * HOUR;
    expect(kinds(world)).toEqual([]);
    expect(waits(world)).toEqual(["0 soak-fallen"]);
  });

  test("in a ring of 5,000, six signals within ten minutes halt, and not at the end of the watch", () => {
    const world = runningWorld([5000]);
    world.step();
    world.applyAll();
    world.step();
    const six = world.in(S.applied).slice(0, 6);
    world.change(six, { state: S.reverted, signal: "crash" });
    world.now += 10 * 60_000;
    expect(world.decide().actions).toMatchObject([{ kind: "halt", halt: { code: "health-rate" } }]);
    world.now += 40 * HOUR;
    expect(world.decide().actions.map(({ kind }) => kind)).not.toContain("halt");
    world.change(world.in(S.applied), { state: S.succeeded, at: world.now });
    expect(world.decide().actions.map(({ kind }) => kind)).not.toContain("halt");
  });

  test("a signal that comes after completion halts too", () => {
    const world = runningWorld([3], { gates: { ...GATES_DEFAULT, soakHours: 0 } });
    world.step();
    world.applyAll();
    world.step();
    world.change(["device-0-1"], { state: S.reverted, signal: "probe" });
    expect(kinds(world)).toEqual(["halt"]);
    expect(world.rollout.state).toBe("halted");
  });

  test("a signal is not forgotten when the device is restarted afterwards", () => {
    const world = runningWorld([3]);
    world.step();
    world.applyAll();
    world.change(["device-0-1"], { state: S.restarted, signal: "crash" });
    expect(kinds(world)).toEqual(["halt"]);
  });

  test("a withdrawn update halts and cannot be resumed", () => {
    const world = runningWorld([3]);
    world.update = { released: RELEASED, withdrawn: { reason: "it leaks" } };
    expect(kinds(world)).toEqual(["halt"]);
    expect(world.rollout.halted?.text).toBe("The publisher has withdrawn the update: it leaks");
    expect(act(world.rollout, { action: "resume" }, "oskar", world.now)).toMatchObject({
      refused: "not-now",
      next: "stop the rollout or revert it",
    });
  });

  test("nothing moves while the fleet is paused, or the update is not in the channel", () => {
    const world = runningWorld([3]);
    world.fleetPaused = true;
    expect(kinds(world)).toEqual([]);
    expect(waits(world)).toEqual(["0 fleet-paused"]);
    world.fleetPaused = false;
    world.update = undefined;
    expect(kinds(world)).toEqual([]);
    expect(waits(world)).toEqual(["0 update-unknown"]);
  });

  test("too few successes without too many errors wait for a person", () => {
    const gates = { ...GATES_DEFAULT, errorThreshold: 0.4 };
    const world = runningWorld([5, 5], { gates });
    world.step();
    world.change(["device-0-0"], { state: S.refused });
    world.applyAll();
    expect(kinds(world)).toEqual([]);
    expect(world.decide().reasons[0]).toMatchObject({
      code: "devices-erred",
      text: "4 of 5 devices have it, 5 are needed (1 refused). Retry them, or begin the next group by hand.",
    });
    mustAct(world, "retry");
    expect(world.step().actions).toEqual([
      { kind: "offer", group: 0, devices: ["device-0-0"], attempt: 2 },
    ]);
    world.applyAll();
    expect(kinds(world)).toEqual(["begin-soak"]);
  });

  test("a device that a signal reverted is not retried", () => {
    const gates = { ...GATES_DEFAULT, errorThreshold: 0.4 };
    const world = runningWorld([5], { gates });
    world.step();
    world.change(["device-0-0"], { state: S.failed, signal: "crash" });
    world.applyAll();
    mustAct(world, "retry");
    expect(kinds(world)).toEqual([]);
    expect(waits(world)).toEqual(["0 devices-erred"]);
  });
});

describe("silent devices", () => {
  test("are left out after deadline and grace, if half of the group has answered", () => {
    const world = runningWorld([4]);
    world.step();
    world.change(["device-0-0"], { state: S.applied, at: world.now });
    expect(world.decide().reasons[0]).toMatchObject({ until: RELEASED + DAY });
    world.now += DAY;
    expect(waits(world)).toEqual(["0 devices-silent"]);
    expect(blockingReason(world.decide().reasons)?.group).toBe(0);
    world.change(["device-0-1"], { state: S.applied, at: world.now });
    expect(kinds(world)).toEqual(["begin-soak"]);
  });

  test("are waited for as long as they only take their time", () => {
    const world = runningWorld([4]);
    world.step();
    world.change(["device-0-0", "device-0-1"], { state: S.applied, at: world.now });
    world.change(["device-0-2"], { state: S.restartPending, at: world.now });
    world.now += 2 * DAY;
    expect(waits(world)).toEqual(["0 devices-outstanding"]);
  });
});

test("decides about 100,000 devices in much less than 100 ms", () => {
  const world = runningWorld([1000, 9000, 20_000, 50_000, 20_000]);
  world.step();
  world.applyAll();
  const times = Array.from({ length: 5 }, () => {
    const before = performance.now();
    world.decide();
    return performance.now() - before;
  });
  expect(Math.min(...times)).toBeLessThan(100);
});
