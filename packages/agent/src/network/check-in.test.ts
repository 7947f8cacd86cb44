import type { CheckIn, ComponentFacts, DeviceFacts } from "@suture/contract";
import { CheckIn as CheckInSchema } from "@suture/contract";
import fc from "fast-check";
import { Check } from "typebox/value";
import { expect, test } from "vitest";
import { afterAnswer, planCheckIn } from "./check-in.ts";
import { firstState, type KnownState } from "./known-state.ts";
import { testComponent, testFacts } from "./socket-executor-fixture.ts";

const deviceId = "0b8f3d1e-7a55-4c1c-9f0e-2d9a6f1c7e10";

/** The server as the contract describes it: what it has of one device's facts. */
interface Server {
  serial: number;
  facts: DeviceFacts | undefined;
}

function take(server: Server, { facts, components, serial, since }: CheckIn): void {
  if (facts !== undefined) {
    server.facts = facts;
    server.serial = serial;
    return;
  }
  if (since !== server.serial || server.facts === undefined) return;
  const merged = new Map(server.facts.components.map((c) => [c.file, c]));
  for (const component of components ?? []) {
    if (component.processes === 0) merged.delete(component.file);
    else merged.set(component.file, component);
  }
  server.facts = { ...server.facts, components: [...merged.values()] };
  server.serial = serial;
}

const sorted = (facts: DeviceFacts | undefined): readonly ComponentFacts[] =>
  [...(facts?.components ?? [])].sort((a, b) => (a.file < b.file ? -1 : 1));

const step = fc.record({
  files: fc.uniqueArray(fc.integer({ min: 0, max: 6 }), { maxLength: 7 }),
  processes: fc.integer({ min: 1, max: 3 }),
  kernel: fc.constantFrom("6.1", "6.2"),
  /** What becomes of the request. */
  fate: fc.constantFrom("answered", "answered", "lost", "answer-lost", "server-restored"),
  /** The device's memory is gone, or comes from before the last answer. */
  device: fc.constantFrom("sound", "sound", "sound", "killed-before-keeping", "memory-lost"),
});

test("whatever is lost on the way, an accepted check-in means equal facts", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      // Far apart, as random numbers are.
      let lives = 0;
      const begin = (): KnownState => firstState(deviceId, () => ++lives / 100);
      const server: Server = { serial: 0, facts: undefined };
      let known: KnownState = begin();
      let old: Server = { ...server };
      for (const { files, processes, kernel, fate, device } of steps) {
        const components = files.map((n) => testComponent({ file: `/lib/${n}`, processes }));
        const facts = testFacts({ kernel, components });
        const now = { facts, progress: [], events: [], assignmentSerial: 0 };
        // As the loop does it: one attempt, and one with everything where the serials differ.
        for (const attempt of [1, 2]) {
          const plan = planCheckIn(known, now);
          expect(Check(CheckInSchema, plan.body)).toBe(true);
          known = { ...known, serialLast: Math.max(known.serialLast, plan.body.serial) };
          if (fate === "lost") break;
          if (fate === "server-restored" && attempt === 1) Object.assign(server, old);
          else old = { ...server };
          take(server, plan.body);
          if (fate === "answer-lost") break;
          const answer = { serial: server.serial, eventSerial: 0, nextCheckInSeconds: 60 };
          const next = afterAnswer(known, plan, answer);
          const isTaken = answer.serial === plan.body.serial;
          if (isTaken) {
            expect(sorted(server.facts)).toEqual(sorted(facts));
            expect(server.facts?.kernel).toBe(kernel);
          } else expect(attempt).toBe(1);
          if (device !== "killed-before-keeping") known = next;
          if (device === "memory-lost") known = begin();
          if (isTaken || device !== "sound") break;
        }
      }
    }),
    { numRuns: 500 },
  );
});

test("a server cannot make the device forget events that it was not sent", () => {
  const events = [1, 2, 3].map((serial) => ({
    serial,
    at: "2026-11-22T10:00:00.000Z",
    kind: "started" as const,
    detail: "",
  }));
  const known = firstState(deviceId, () => 0);
  const plan = planCheckIn(known, {
    facts: testFacts(),
    progress: [],
    events,
    assignmentSerial: 0,
  });
  const answer = { serial: plan.body.serial, eventSerial: 1_000_000, nextCheckInSeconds: 60 };
  expect(afterAnswer(known, plan, answer).eventSerial).toBe(3);
});
