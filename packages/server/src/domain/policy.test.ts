import { POLICY_DEFAULT } from "@suture/contract";
import fc from "fast-check";
import { expect, test } from "vitest";
import { orderPolicies, type PolicyOrder, policyOf, settingsOf } from "./policy.ts";

const policy = (
  name: string,
  precedence: number,
  groupIds: readonly string[] = [],
): PolicyOrder => ({
  id: `id-${name}`,
  name,
  groupIds: [...groupIds],
  precedence,
  settings: { ...POLICY_DEFAULT, hotpatch: name === "blocked" ? "block" : "allow" },
});

const holding = (policies: readonly PolicyOrder[], groups: readonly string[]) =>
  policyOf(orderPolicies(policies), new Set(groups));

test("without a policy the defaults hold", () => {
  expect(holding([policy("web", 5, ["web"])], ["db"])).toMatchObject({
    name: "Default",
    settings: POLICY_DEFAULT,
    sources: { hotpatch: "default" },
  });
});

test("the highest precedence holds, and each other one says why it does not", () => {
  const all = policy("everyone", 5);
  const web = policy("web", 5, ["web"]);
  const blocked = policy("blocked", 9, ["legacy"]);
  const web2 = policy("web too", 5, ["web"]);
  const low = policy("low", 1, ["web"]);
  const found = holding([low, all, web2, web, blocked], ["web", "legacy"]);
  expect(found).toMatchObject({
    id: "id-blocked",
    settings: { hotpatch: "block" },
    sources: { restart: "blocked" },
    why: "It is for a group of the device and comes before 4 other policies (precedence 9).",
  });
  expect(found.overruled.map(({ name }) => name)).toEqual(["web", "web too", "everyone", "low"]);
  expect(holding([low, all, web2, web, blocked], ["web"])).toMatchObject({
    name: "web",
    overruled: [
      { why: "It has the same precedence as web, which comes first by name." },
      { why: "It is for every device, web of the same precedence for a group." },
      { why: "Its precedence 1 is lower than 5 of web." },
    ],
  });
});

const groupIds = fc.subarray(["a", "b", "c"]);
const policies = fc.uniqueArray(
  fc.record({ id: fc.string(), name: fc.constantFrom("x", "y"), groupIds, precedence: fc.nat(3) }),
  { selector: ({ id }) => id, maxLength: 8 },
);

test("does not depend on the order in which policies are listed", () => {
  fc.assert(
    fc.property(policies, groupIds, fc.infiniteStream(fc.nat()), (drawn, groups, keys) => {
      const list = drawn.map((fields) => ({ ...fields, settings: { ...POLICY_DEFAULT } }));
      const shuffled = list
        .map((entry) => ({ entry, key: keys.next().value ?? 0 }))
        .sort((a, b) => a.key - b.key)
        .map(({ entry }) => entry);
      const found = holding(list, groups);
      expect(holding(shuffled, groups)).toEqual(found);
      expect(settingsOf(orderPolicies(list), new Set(groups))).toEqual(found.settings);
      const fitting = list.filter(
        (entry) => entry.groupIds.length === 0 || entry.groupIds.some((id) => groups.includes(id)),
      );
      const most = Math.max(-1, ...fitting.map(({ precedence }) => precedence));
      const chosen = list.find(({ id }) => id === found.id);
      expect(chosen?.precedence ?? -1).toBe(most);
    }),
  );
});
