import { POLICY_DEFAULT, type PolicySettings } from "@suture/contract";
import type { QualityUpdate } from "@suture/release";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Orders } from "../policy/orders.ts";
import { decide } from "./decide.ts";
import type { ComponentFact } from "./situation.ts";
import { bars, closed, first, now, open, running, second, situation } from "./situation-fixture.ts";

test("whatever the situation: only what is signed, allowed, not withdrawn and not barred begins", () => {
  const one = fc.constantFrom(first, second);
  const some = fc.uniqueArray(one);
  const process = fc.record({
    pid: fc.nat(),
    group: fc.constantFrom("g", "h"),
    outdated: fc.boolean(),
    applied: fc.option(
      fc.record({ id: one.map(({ id }) => id), sequence: fc.integer({ min: 1, max: 4 }) }),
      { nil: undefined },
    ),
  });
  const cases = fc.record({
    signed: some,
    withdrawn: some,
    named: some,
    reverts: some,
    barred: some,
    paused: fc.boolean(),
    source: fc.constantFrom("none", "policy", "assignment") as fc.Arbitrary<Orders["source"]>,
    hours: fc.integer({ min: -24, max: 24 }),
    expires: fc.integer({ min: -24, max: 24 }),
    hotpatch: fc.constantFrom<PolicySettings["hotpatch"]>("allow", "block"),
    restart: fc.constantFrom<PolicySettings["restart"]>("if-required", "never", "always"),
    windows: fc.constantFrom(open, closed, []),
    fallback: fc.boolean(),
    hotpatchInWindowOnly: fc.boolean(),
    processes: fc.array(process, { minLength: 1, maxLength: 4 }),
  });
  fc.assert(
    fc.property(cases, (made) => {
      const after = (hours: number) => new Date(now.getTime() + hours * 3600_000);
      const { hotpatch, restart, windows, fallback, hotpatchInWindowOnly } = made;
      const settings = { hotpatch, restart, windows, fallback, hotpatchInWindowOnly };
      const allowed = new Map(made.named.map((entry) => [entry.target, entry]));
      const withdrawal = { withdrawn: { date: "2026-11-01", reason: "bad" } };
      const updates = made.signed.map((entry) =>
        made.withdrawn.includes(entry) ? { ...entry, ...withdrawal } : entry,
      );
      const orders: Orders = {
        source: made.source,
        ...(made.source === "assignment" && { expiresAt: after(made.expires) }),
        paused: made.paused,
        allowed: made.source === "policy" ? "all" : allowed,
        reverts: new Map(made.reverts.map(({ target }) => [target, "because"])),
        policy: { ...POLICY_DEFAULT, ...settings },
      };
      const component: ComponentFact = {
        ...running(),
        processes: made.processes.map(({ applied, ...fact }) => ({
          ...fact,
          ...(applied && { applied }),
        })),
      };
      const [decision] = decide(
        situation({
          updates,
          orders,
          component,
          bars: bars(...made.barred),
          channelExpires: after(made.hours),
        }),
      );
      const act = decision?.act;
      if (act === undefined) return;
      const isOf = (entries: readonly QualityUpdate[]) => entries.some((e) => e.target === target);
      const target = act.do === "revert" ? act.target : act.update.target;
      if (act.do === "revert" && isOf(made.barred)) return;
      expect(made.paused).toBe(false);
      if (made.source === "assignment") expect(made.expires).toBeGreaterThan(0);
      if (act.do === "revert") {
        expect(isOf(made.reverts)).toBe(true);
        return;
      }
      expect(isOf(made.signed)).toBe(true);
      expect(made.source).not.toBe("none");
      expect(made.hours).toBeGreaterThan(0);
      expect(isOf(made.withdrawn) || isOf(made.reverts)).toBe(false);
      if (made.source === "assignment") expect(isOf(made.named)).toBe(true);
      if (act.do === "apply") {
        expect(isOf(made.barred)).toBe(false);
        expect(hotpatch).toBe("allow");
        if (hotpatchInWindowOnly) expect(windows).toBe(open);
      } else {
        expect(restart).not.toBe("never");
        expect(windows).toBe(open);
      }
    }),
    { numRuns: 2000 },
  );
});
