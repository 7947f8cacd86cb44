/** What the control plane wants of one device; signed, and verified by the device's root half. */
import { type Static, Type } from "typebox";
import { Id, LIST_MAX, Moment, Reason, Serial, Sha256, TargetPath } from "./fields.ts";
import { PolicySettings } from "./policy.ts";

export const AssignedTarget = Type.Object(
  {
    target: TargetPath,
    sha256: Sha256,
    /** After this moment windows are no longer waited for. */
    deadline: Type.Optional(Moment),
    /** Grows when a person has it tried again: refusals of an earlier attempt no longer count. */
    attempt: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000 })),
  },
  { additionalProperties: false },
);
export type AssignedTarget = Static<typeof AssignedTarget>;

export const Assignment = Type.Object(
  {
    format: Type.Literal(1),
    deviceId: Id,
    /** Grows with each change. A device never goes back to a lower one. */
    serial: Serial,
    issuedAt: Moment,
    /** Nothing new is applied after it. */
    expiresAt: Moment,
    /** Nothing is applied, reverted by plan or restarted until a newer assignment says otherwise. */
    paused: Type.Boolean(),
    apply: Type.Array(AssignedTarget, { maxItems: LIST_MAX }),
    /** Reverted live. */
    revert: Type.Array(
      Type.Object({ target: TargetPath, reason: Reason }, { additionalProperties: false }),
      { maxItems: LIST_MAX },
    ),
    policy: PolicySettings,
  },
  { additionalProperties: false },
);
export type Assignment = Static<typeof Assignment>;
