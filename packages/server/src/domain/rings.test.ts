import { RINGS_DEFAULT, type Ring } from "@suture/contract";
import { describe, expect, test } from "vitest";
import { indexCatalog } from "./quality-updates.ts";
import { isRefusal } from "./refusal.ts";
import { checkRings, groupsOfRings, placeOf } from "./rings.ts";
import { updateOf } from "./update-fixture.ts";

const rings: Ring[] = RINGS_DEFAULT.map((ring, at) => ({ ...ring, id: `ring-${at}`, devices: 0 }));

test("the default rings are Test, Ring 1 to 3 and Last with their days", () => {
  expect(checkRings(RINGS_DEFAULT)).toBeUndefined();
  const groups = groupsOfRings([...rings].reverse(), []);
  if (isRefusal(groups)) throw new Error(groups.detail);
  const days = groups.map((group) => [
    group.name,
    group.deferralDays,
    group.deadlineDays,
    group.graceDays,
  ]);
  expect(days).toEqual([
    ["Test", 0, 0, 0],
    ["Ring 1", 1, 2, 2],
    ["Ring 2", 5, 2, 2],
    ["Ring 3", 9, 5, 2],
    ["Last", 10, 3, 2],
  ]);
});

test("a rollout goes through its rings in their order, however they were listed", () => {
  const groups = groupsOfRings(rings, ["ring-4", "ring-0"]);
  expect(groups).toMatchObject([{ name: "Test" }, { name: "Last" }]);
});

describe("refuses", () => {
  const changed = (at: number, change: Partial<Ring>): Ring[] =>
    rings.map((ring, index) => (index === at ? { ...ring, ...change } : ring));

  test.each<[string, Ring[]]>([
    ["two rings are called TEST", changed(1, { name: "TEST" })],
    ["Ring 2 and another ring have the place 1", changed(2, { order: 1 })],
    [
      "the test ring Ring 2 must be the only one, and before all others",
      changed(2, { kind: "test" }),
    ],
    ["the last ring Last must be the only one, and after all others", changed(1, { order: 9 })],
  ])("%s", (detail, list) => {
    expect(checkRings(list)).toMatchObject({ refused: "conflict", detail });
  });

  test("a rollout through rings that are not there", () => {
    expect(groupsOfRings(rings, ["ring-9"])).toMatchObject({ detail: "there is no ring ring-9" });
    expect(groupsOfRings([], [])).toMatchObject({ detail: "there is no ring" });
  });
});

describe("a device belongs to the group of its ring", () => {
  const groups = groupsOfRings(rings, []);
  if (isRefusal(groups)) throw new Error(groups.detail);
  const update = updateOf({ sequence: 1 });
  const reach = { groups, groupIds: ["web"], update, index: indexCatalog([update]) };
  const device = {
    ringId: "ring-2",
    groupIds: new Set(["web", "eu"]),
    components: [{ file: "/usr/bin/redis-server", buildId: "aa".repeat(8) }],
  };

  test("if it is in a group of the rollout, and runs what the update is for", () => {
    expect(placeOf(device, reach)).toEqual({ group: 2 });
  });

  test("and otherwise the reason is told", () => {
    const { ringId: _, ...ringless } = device;
    expect(placeOf(ringless, reach)).toEqual({ outside: "The device is in no ring." });
    expect(placeOf({ ...device, ringId: "gone" }, reach)).toEqual({
      outside: "The rollout does not go through the device's ring.",
    });
    expect(placeOf({ ...device, groupIds: new Set() }, reach)).toEqual({
      outside: "The device is in none of the rollout's groups.",
    });
    expect(placeOf({ ...device, components: [] }, reach)).toEqual({
      outside: "Nothing that runs on the device needs the update.",
    });
    const newer = { ...reach, index: indexCatalog([update, updateOf({ sequence: 2 })]) };
    const components = device.components.map((each) => ({ ...each, hotpatchSequence: 2 }));
    expect(placeOf({ ...device, components }, newer)).toEqual({
      outside: "The device has a newer hotpatch.",
    });
  });
});
