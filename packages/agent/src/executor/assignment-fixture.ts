/** A control plane for tests: a key, and assignments signed with it. */
import { createHash, generateKeyPairSync, sign } from "node:crypto";
import { type Assignment, canonicalJson, POLICY_DEFAULT } from "@suture/contract";
import type { AssignmentRequest } from "../messages.ts";

export const testDeviceId = "0b8f3d1e-7a55-4c1c-9f0e-2d9a6f1c7e10";

export interface TestControl {
  readonly keyDigest: string;
  readonly assignment: (change?: Partial<Assignment>) => Assignment;
  readonly signed: (assignment: unknown) => AssignmentRequest;
}

export function createTestControl(now: Date): TestControl {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  return {
    keyDigest: createHash("sha256").update(raw).digest("hex"),
    assignment: (change = {}) => ({
      format: 1,
      deviceId: testDeviceId,
      serial: 1,
      issuedAt: now.toISOString(),
      expiresAt: new Date(now.getTime() + 7 * 24 * 3600 * 1000).toISOString(),
      paused: false,
      apply: [],
      revert: [],
      policy: POLICY_DEFAULT,
      ...change,
    }),
    signed: (assignment) => {
      const document = typeof assignment === "string" ? assignment : canonicalJson(assignment);
      return {
        document,
        signature: sign(null, Buffer.from(document), privateKey).toString("base64url"),
        controlKey: raw.toString("base64url"),
      };
    },
  };
}
