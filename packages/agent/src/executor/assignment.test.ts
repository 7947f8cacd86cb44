import fc from "fast-check";
import { expect, test } from "vitest";
import { AgentError } from "../errors.ts";
import type { AssignmentRequest } from "../messages.ts";
import { type Expected, verifyAssignment } from "./assignment.ts";
import { createTestControl, testDeviceId } from "./assignment-fixture.ts";

const now = new Date("2026-11-22T10:00:00.000Z");
const control = createTestControl(now);
const { assignment, signed } = control;
const expected: Expected = { deviceId: testDeviceId, keyDigest: control.keyDigest, now };

function outcome(request: AssignmentRequest, change: Partial<Expected> = {}): unknown {
  try {
    return verifyAssignment(request, { ...expected, ...change });
  } catch (error) {
    if (error instanceof AgentError) return error.code;
    throw error;
  }
}

const good = signed(assignment({ serial: 5 }));
const inForce = (serial: number, document: string) => ({ inForce: { serial, document } });

test("an assignment of the control plane for this device is taken", () => {
  expect(outcome(good)).toEqual(assignment({ serial: 5 }));
  expect(outcome(good, inForce(4, "{}"))).toEqual(assignment({ serial: 5 }));
  expect(outcome(good, inForce(5, good.document))).toEqual(assignment({ serial: 5 }));
});

const other = createTestControl(now);
const far = new Date("2027-01-01T00:00:00Z");
test.each<[string, AssignmentRequest, Partial<Expected>, string]>([
  ["signed by another control plane", other.signed(assignment()), {}, "assignment-key"],
  [
    "another's signature with our key",
    { ...other.signed(assignment()), controlKey: good.controlKey },
    {},
    "assignment-signature",
  ],
  [
    "changed afterwards",
    { ...good, document: good.document.replace('"paused":false', '"paused":true') },
    {},
    "assignment-signature",
  ],
  [
    "for another device",
    signed(assignment({ deviceId: testDeviceId.replace("0b", "1b") })),
    {},
    "assignment-device",
  ],
  ["older", good, inForce(6, "{}"), "assignment-serial"],
  ["of the same serial with another content", good, inForce(5, "{}"), "assignment-serial"],
  ["expired", good, { now: far }, "assignment-expired"],
  ["with a field that nobody knows", signed({ ...assignment(), more: 1 }), {}, "assignment-field"],
  ["of another format", signed({ ...assignment(), format: 2 }), {}, "assignment-field"],
  ["not canonical", signed(JSON.stringify(assignment(), undefined, 1)), {}, "assignment-field"],
  [
    "with a field twice",
    signed(good.document.replace("{", '{"serial":9,')),
    {},
    "assignment-field",
  ],
  ["no JSON", signed("{"), {}, "assignment-field"],
  [
    "with a moment that does not exist",
    signed(assignment({ expiresAt: "2026-99-99T00:00:00.000Z" })),
    {},
    "assignment-field",
  ],
])("%s: refused", (_, request, change, code) => {
  expect(outcome(request, change)).toBe(code);
});

test("no mutation of a signed assignment is taken", () => {
  const fields = ["document", "signature", "controlKey"] as const;
  fc.assert(
    fc.property(fc.constantFrom(...fields), fc.nat(), fc.nat(61), (field, at, letter) => {
      const text = good[field];
      const index = at % text.length;
      const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
      const changed = text.slice(0, index) + letters[letter] + text.slice(index + 1);
      // The last character of base64url has bits that nothing is made of.
      const bytes = (value: string) =>
        field === "document" ? value : Buffer.from(value, "base64url").toString("hex");
      fc.pre(bytes(changed) !== bytes(text));
      expect(typeof outcome({ ...good, [field]: changed })).toBe("string");
    }),
    { numRuns: 500 },
  );
});
