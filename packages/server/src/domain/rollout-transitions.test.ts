import { DeviceUpdateState, GATES_DEFAULT } from "@suture/contract";
import { describe, expect, test } from "vitest";
import { isRefusal } from "./refusal.ts";
import { choicesOf } from "./rollout-choices.ts";
import {
  DAY,
  draftOf,
  kindsOfStep as kinds,
  mustAct,
  RELEASED,
  rowsOf,
  runningWorld,
  World,
  waitsOf as waits,
} from "./rollout-fixture.ts";
import { act } from "./rollout-transitions.ts";

const S = DeviceUpdateState;

describe("people", () => {
  test("the author and the submitter may not approve", () => {
    const world = new World(draftOf(), rowsOf([1]));
    mustAct(world, "submit", "sara");
    for (const by of ["ada", "sara"]) {
      expect(act(world.rollout, { action: "approve" }, by, 0)).toMatchObject({
        refused: "author-is-approver",
      });
    }
    mustAct(world, "approve", "petra");
    expect(world.rollout.approvals).toEqual([{ by: "petra", at: RELEASED, approved: true }]);
  });

  test("an approval gate asks before each group after the first", () => {
    const gates = { ...GATES_DEFAULT, approval: true, soakHours: 0 };
    const world = runningWorld([1, 1], { gates });
    world.now += DAY;
    world.step();
    world.applyAll();
    expect(kinds(world)).toEqual(["complete-group", "ask-for-approval"]);
    expect(kinds(world)).toEqual([]);
    expect(waits(world)).toEqual(["1 group-approval"]);
    expect(act(world.rollout, { action: "next" }, "oskar", 0)).toMatchObject({
      detail: "Ring 1 waits for approval",
    });
    mustAct(world, "reject", "petra");
    expect(world.rollout.state).toBe("paused");
    mustAct(world, "resume");
    mustAct(world, "approve", "petra");
    expect(kinds(world)).toEqual(["begin-group", "offer"]);
  });

  test("next begins one group without its deferral and the soak before it", () => {
    const world = runningWorld([1, 1, 1]);
    world.step();
    mustAct(world, "next");
    expect(isRefusal(act(world.rollout, { action: "next" }, "oskar", 0))).toBe(true);
    expect(kinds(world)).toEqual(["begin-group", "offer"]);
    expect(waits(world)).toEqual([
      "0 devices-outstanding",
      "1 devices-outstanding",
      "2 previous-group",
    ]);
  });

  test("an expedited rollout skips deferral and soak, not approval and not thresholds", () => {
    const gates = { ...GATES_DEFAULT, approval: true };
    const world = runningWorld([3, 3], { gates, expedite: { reason: "exploited in the wild" } });
    world.step();
    expect(waits(world)).toEqual(["0 devices-outstanding", "1 previous-group"]);
    world.applyAll();
    expect(kinds(world)).toEqual(["complete-group", "ask-for-approval"]);
    mustAct(world, "approve", "petra");
    expect(kinds(world)).toEqual(["begin-group", "offer"]);
    world.change(["device-1-0"], { state: S.failed });
    expect(kinds(world)).toEqual(["halt"]);
  });

  test("a revert asks every device that has it or may have it, and ends when none has", () => {
    const world = runningWorld([3, 2]);
    world.step();
    world.change(["device-0-0"], { state: S.applied });
    world.change(["device-0-1"], { state: S.succeeded });
    mustAct(world, "revert", "oskar", "it leaks");
    expect(world.rollout.revertReason).toBe("it leaks");
    expect(world.step().actions).toEqual([
      { kind: "revert", group: 0, devices: ["device-0-0", "device-0-1", "device-0-2"] },
    ]);
    expect(kinds(world)).toEqual([]);
    world.change(["device-0-0", "device-0-1"], { state: S.reverted });
    expect(kinds(world)).toEqual(["rollout-reverted"]);
    expect(world.rollout.state).toBe("reverted");
  });

  test("choices tell their effect in numbers", () => {
    const world = runningWorld([3, 2]);
    world.step();
    world.change(["device-0-0"], { state: S.applied });
    const choices = choicesOf(world.rollout, world.facts(), "oskar");
    const allowed = choices.filter((choice) => choice.allowed).map(({ effect }) => effect);
    expect(allowed).toEqual([
      "Nothing more is offered: 4 devices would not get it until it is resumed.",
      "Ends it: 4 devices will not get it. What is applied stays applied.",
      "Begins Ring 1 without waiting: offers it to 2 devices.",
      "Offers it again to 0 devices.",
      "Reverts it live on 3 devices that have it or may have it.",
    ]);
    expect(choices.find(({ action }) => action === "resume")?.why).toBe(
      "redis 2026-10 hotpatch 1 is running: resume is not possible; possible now: approve, reject, pause, stop, next, retry, revert",
    );
  });
});
