/** Devices: what an agent tells of its machine, and what the control plane knows of it. */
import { type Static, Type } from "typebox";
import {
  ComplianceState,
  DeviceUpdateState,
  HealthSignal,
  Readiness,
  ReadinessReason,
} from "../names.ts";
import {
  BuildId,
  Count,
  Ed25519PublicKey,
  Id,
  LIST_MAX,
  Moment,
  Name,
  oneOf,
  Serial,
  Sha256,
  TAGS_MAX,
  Tag,
  TargetPath,
  Text,
} from "./fields.ts";

/** A program or shared library that runs on the device, and what is applied to it. */
export const ComponentFacts = Type.Object(
  {
    /** `/usr/bin/redis-server` */
    file: Type.String({ minLength: 1, maxLength: 1000 }),
    buildId: BuildId,
    package: Type.Optional(Type.String({ maxLength: 100 })),
    version: Type.Optional(Type.String({ maxLength: 120 })),
    processes: Count,
    /** Processes that run a file which is deleted or replaced: they need a restart to run the new one. */
    outdatedProcesses: Count,
    /** Id of the hotpatch in all of the processes; absent where there is none, or not in all. */
    hotpatch: Type.Optional(Type.String({ maxLength: 120 })),
    hotpatchSequence: Type.Optional(Type.Integer({ minimum: 1, maximum: 999_999_999 })),
    hotpatchedProcesses: Count,
  },
  { additionalProperties: false },
);
export type ComponentFacts = Static<typeof ComponentFacts>;

export const ReadinessFinding = Type.Object(
  { reason: oneOf(ReadinessReason), detail: Text, remediation: Text },
  { additionalProperties: false },
);
export type ReadinessFinding = Static<typeof ReadinessFinding>;

export const DeviceFacts = Type.Object(
  {
    hostname: Name,
    /** `Debian GNU/Linux 12 (bookworm)` */
    system: Type.String({ maxLength: 200 }),
    kernel: Type.String({ maxLength: 200 }),
    processor: Type.String({ maxLength: 50 }),
    agentVersion: Type.String({ maxLength: 50 }),
    readiness: oneOf(Readiness),
    findings: Type.Array(ReadinessFinding, { maxItems: 20 }),
    components: Type.Array(ComponentFacts, { maxItems: LIST_MAX }),
  },
  { additionalProperties: false },
);
export type DeviceFacts = Static<typeof DeviceFacts>;

/** How far the device is with one target of the channel. */
export const TargetProgress = Type.Object(
  {
    target: TargetPath,
    state: oneOf(DeviceUpdateState),
    /** Why, where it is refused, failed, reverted or waits. */
    code: Type.Optional(Type.String({ maxLength: 60 })),
    detail: Type.Optional(Text),
    signal: Type.Optional(oneOf(HealthSignal)),
    pauseMicroseconds: Type.Optional(Type.Number({ minimum: 0 })),
    processes: Type.Optional(Count),
    at: Moment,
  },
  { additionalProperties: false },
);
export type TargetProgress = Static<typeof TargetProgress>;

/** What happened on the device, in its order. */
export const DeviceEvent = Type.Object(
  {
    serial: Serial,
    at: Moment,
    kind: Type.Enum([
      "applied",
      "reverted",
      "refused",
      "health-signal",
      "traditional-update",
      "restart",
      "restart-pending",
      "assignment-refused",
      "channel-refused",
      "started",
    ]),
    target: Type.Optional(TargetPath),
    code: Type.Optional(Type.String({ maxLength: 60 })),
    detail: Text,
  },
  { additionalProperties: false },
);
export type DeviceEvent = Static<typeof DeviceEvent>;

/** Only what changed since the check-in that the server has; `full` begins anew. */
export const CheckIn = Type.Object(
  {
    /** Of the facts, counted by the device. */
    serial: Serial,
    /** The serial that the changes are relative to. 0 with `facts`: all of them. */
    since: Serial,
    facts: Type.Optional(DeviceFacts),
    /** Components that changed; those that are gone have 0 processes. */
    components: Type.Optional(Type.Array(ComponentFacts, { maxItems: LIST_MAX })),
    progress: Type.Array(TargetProgress, { maxItems: 100 }),
    events: Type.Array(DeviceEvent, { maxItems: 100 }),
    /** Serial of the assignment that is in force on the device. */
    assignmentSerial: Serial,
  },
  { additionalProperties: false },
);
export type CheckIn = Static<typeof CheckIn>;

export const SignedAssignment = Type.Object(
  {
    /** Canonical JSON of an Assignment: the bytes that are signed. */
    document: Type.String({ maxLength: 500_000 }),
    signature: Type.String({ pattern: "^[A-Za-z0-9_-]{86}$" }),
  },
  { additionalProperties: false },
);
export type SignedAssignment = Static<typeof SignedAssignment>;

export const CheckInAnswer = Type.Object({
  /** The serial of the facts that the server has now. Not the request's: send all with since 0. */
  serial: Serial,
  /** Events up to this serial are kept and need not be sent again. */
  eventSerial: Serial,
  /** Where it is newer than the device's. */
  assignment: Type.Optional(SignedAssignment),
  nextCheckInSeconds: Type.Integer({ minimum: 1, maximum: 86_400 }),
});
export type CheckInAnswer = Static<typeof CheckInAnswer>;

export const Enrolment = Type.Object(
  {
    token: Type.String({ minLength: 20, maxLength: 200 }),
    publicKey: Ed25519PublicKey,
    hostname: Name,
  },
  { additionalProperties: false },
);
export type Enrolment = Static<typeof Enrolment>;

export const EnrolmentAnswer = Type.Object({
  deviceId: Id,
  /** The key that signs assignments; its SHA-256 is part of the token. */
  controlKey: Ed25519PublicKey,
  /** Where the release channel is: below the server's address, or a web server of its own. */
  channelUrl: Type.String({ maxLength: 1000 }),
});
export type EnrolmentAnswer = Static<typeof EnrolmentAnswer>;

export const EnrolmentTokenDraft = Type.Object(
  {
    name: Name,
    tags: Type.Array(Tag, { maxItems: TAGS_MAX }),
    ringId: Type.Optional(Id),
    validHours: Type.Number({ minimum: 0.1, maximum: 8760 }),
    /** 1 for a one-time token. */
    usesMax: Type.Integer({ minimum: 1, maximum: 100_000 }),
  },
  { additionalProperties: false },
);
export type EnrolmentTokenDraft = Static<typeof EnrolmentTokenDraft>;

export const EnrolmentToken = Type.Object({
  id: Id,
  name: Name,
  tags: Type.Array(Tag),
  ringId: Type.Optional(Id),
  expiresAt: Moment,
  usesMax: Count,
  uses: Count,
  createdBy: Name,
});
export type EnrolmentToken = Static<typeof EnrolmentToken>;

/** The token itself is shown once: `suture1.SECRET.SHA256-OF-CONTROL-KEY`. */
export const NewEnrolmentToken = Type.Object({
  ...EnrolmentToken.properties,
  token: Type.String(),
});
export type NewEnrolmentToken = Static<typeof NewEnrolmentToken>;

/** A row of the device list. */
export const DeviceSummary = Type.Object({
  id: Id,
  hostname: Name,
  system: Type.String(),
  ringId: Type.Optional(Id),
  ring: Type.Optional(Name),
  tags: Type.Array(Tag),
  readiness: oneOf(Readiness),
  compliance: oneOf(ComplianceState),
  /** Why it is not protected, where it is not. */
  reason: Type.Optional(Text),
  openCves: Count,
  connected: Type.Boolean(),
  lastSeenAt: Type.Optional(Moment),
});
export type DeviceSummary = Static<typeof DeviceSummary>;

export const ComponentCompliance = Type.Object({
  ...ComponentFacts.properties,
  compliance: oneOf(ComplianceState),
  reason: Type.Optional(Text),
  openCves: Type.Array(Type.String()),
  fixedCves: Type.Array(Type.String()),
});
export type ComponentCompliance = Static<typeof ComponentCompliance>;

export const Device = Type.Object({
  ...DeviceSummary.properties,
  kernel: Type.String(),
  processor: Type.String(),
  agentVersion: Type.String(),
  keyDigest: Sha256,
  enrolledAt: Moment,
  findings: Type.Array(ReadinessFinding),
  components: Type.Array(ComponentCompliance),
  progress: Type.Array(TargetProgress),
  /** The policy that holds, and why it does. */
  policy: Type.Object({ id: Type.Optional(Id), name: Name, why: Text }),
  groups: Type.Array(Type.Object({ id: Id, name: Name })),
});
export type Device = Static<typeof Device>;

export const DeviceChange = Type.Object(
  {
    tags: Type.Optional(Type.Array(Tag, { maxItems: TAGS_MAX, uniqueItems: true })),
    /** null takes it out of its ring. */
    ringId: Type.Optional(Type.Union([Id, Type.Null()])),
  },
  { additionalProperties: false },
);
export type DeviceChange = Static<typeof DeviceChange>;
