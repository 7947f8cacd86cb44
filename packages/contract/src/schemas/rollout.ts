/** Rollouts: one quality update on its way through rings. */
import { type Static, Type } from "typebox";
import {
  DeviceUpdateState,
  HealthSignal,
  RolloutAction,
  RolloutGroupState,
  RolloutState,
} from "../names.ts";
import { Count, Id, Moment, Name, oneOf, Reason, Sha256, TargetPath, Text } from "./fields.ts";
import { Gates } from "./policy.ts";

export const RolloutDraft = Type.Object(
  {
    name: Name,
    target: TargetPath,
    /** In their order. None: all rings. */
    ringIds: Type.Array(Id, { maxItems: 100 }),
    /** Only devices of these groups, in whichever ring they are. None: all. */
    groupIds: Type.Array(Id, { maxItems: 100 }),
    gates: Gates,
    /** Break-glass: deferrals and soak times are skipped. Reviewed afterwards. */
    expedite: Type.Optional(Type.Object({ reason: Reason }, { additionalProperties: false })),
  },
  { additionalProperties: false },
);
export type RolloutDraft = Static<typeof RolloutDraft>;

/** How many devices of a group are in each state; states with none are left out. */
export const StateCounts = Type.Partial(
  Type.Object(
    Object.fromEntries(Object.values(DeviceUpdateState).map((state) => [state, Count])) as {
      [State in DeviceUpdateState]: typeof Count;
    },
  ),
);
export type StateCounts = Static<typeof StateCounts>;

export const RolloutGroup = Type.Object({
  ringId: Id,
  name: Name,
  state: oneOf(RolloutGroupState),
  devices: Count,
  counts: StateCounts,
  beganAt: Type.Optional(Moment),
  completedAt: Type.Optional(Moment),
  /** Why it does not move, and from when on it would. */
  waitsFor: Type.Optional(
    Type.Object({ code: Type.String(), text: Text, until: Type.Optional(Moment) }),
  ),
  deadlineAt: Type.Optional(Moment),
});
export type RolloutGroup = Static<typeof RolloutGroup>;

export const RolloutSummary = Type.Object({
  id: Id,
  name: Name,
  target: TargetPath,
  sha256: Sha256,
  cves: Type.Array(Type.String()),
  state: oneOf(RolloutState),
  devices: Count,
  protectedDevices: Count,
  createdBy: Name,
  createdAt: Moment,
  expedited: Type.Boolean(),
  /** Of the group at work, or of the rollout. */
  waitsFor: Type.Optional(Text),
});
export type RolloutSummary = Static<typeof RolloutSummary>;

/** What a person may do with it now, and what that would mean in numbers. */
export const RolloutChoice = Type.Object({
  action: oneOf(RolloutAction),
  allowed: Type.Boolean(),
  /** Why not, where it is not. */
  why: Type.Optional(Text),
  /** `Reverts the hotpatch on 12 devices.` */
  effect: Text,
});
export type RolloutChoice = Static<typeof RolloutChoice>;

export const Rollout = Type.Object({
  ...RolloutSummary.properties,
  gates: Gates,
  expediteReason: Type.Optional(Text),
  groups: Type.Array(RolloutGroup),
  /** What stopped it by itself. */
  halted: Type.Optional(
    Type.Object({
      at: Moment,
      code: Type.String(),
      text: Text,
      signal: Type.Optional(oneOf(HealthSignal)),
      deviceId: Type.Optional(Id),
      hostname: Type.Optional(Name),
    }),
  ),
  approvals: Type.Array(
    Type.Object({ by: Name, at: Moment, approved: Type.Boolean(), reason: Type.Optional(Text) }),
  ),
  history: Type.Array(
    Type.Object({ at: Moment, by: Name, action: Type.String(), reason: Type.Optional(Text) }),
  ),
  choices: Type.Array(RolloutChoice),
});
export type Rollout = Static<typeof Rollout>;

export const RolloutDevice = Type.Object({
  deviceId: Id,
  hostname: Name,
  ring: Name,
  state: oneOf(DeviceUpdateState),
  code: Type.Optional(Type.String()),
  detail: Type.Optional(Text),
  signal: Type.Optional(oneOf(HealthSignal)),
  at: Type.Optional(Moment),
});
export type RolloutDevice = Static<typeof RolloutDevice>;

export const RolloutActionRequest = Type.Object(
  { action: oneOf(RolloutAction), reason: Type.Optional(Reason) },
  { additionalProperties: false },
);
export type RolloutActionRequest = Static<typeof RolloutActionRequest>;

/** Something that waits for an approver. */
export const Approval = Type.Object({
  rolloutId: Id,
  rollout: Name,
  /** The group whose gate it is; absent for the rollout as a whole. */
  group: Type.Optional(Name),
  askedAt: Moment,
  author: Name,
  effect: Text,
  /** False for the author: author is never approver. */
  allowed: Type.Boolean(),
  why: Type.Optional(Text),
});
export type Approval = Static<typeof Approval>;
