/** Compliance, reports, alerts, the audit log. */
import { type Static, Type } from "typebox";
import { AlertSeverity, ComplianceState } from "../names.ts";
import { Count, Cve, Id, Moment, Name, oneOf, Serial, Sha256, TargetPath, Text } from "./fields.ts";
import { StateCounts } from "./rollout.ts";

export const ComplianceCounts = Type.Object(
  Object.fromEntries(Object.values(ComplianceState).map((state) => [state, Count])) as {
    [State in ComplianceState]: typeof Count;
  },
);
export type ComplianceCounts = Static<typeof ComplianceCounts>;

/** Hours from the release of a fix until devices were protected from what it fixes. */
export const ExposureWindow = Type.Object({
  /** Absent where no device is protected yet. */
  medianHours: Type.Optional(Type.Number()),
  p90Hours: Type.Optional(Type.Number()),
  /** Devices that are exposed still. */
  open: Count,
});
export type ExposureWindow = Static<typeof ExposureWindow>;

export const CveCompliance = Type.Object({
  cve: Cve,
  severity: Type.String(),
  released: Type.String(),
  concerned: Count,
  protected: Count,
  exposure: ExposureWindow,
});
export type CveCompliance = Static<typeof CveCompliance>;

/** The hotpatch quality update report: one update, and how the devices stand with it. */
export const UpdateReport = Type.Object({
  target: TargetPath,
  id: Name,
  released: Type.String(),
  cves: Type.Array(Cve),
  concerned: Count,
  counts: StateCounts,
});
export type UpdateReport = Static<typeof UpdateReport>;

export const ComplianceReport = Type.Object({
  at: Moment,
  devices: Count,
  counts: ComplianceCounts,
  cves: Type.Array(CveCompliance),
  updates: Type.Array(UpdateReport),
  exposure: ExposureWindow,
  /** Hotpatches applied where otherwise a service would have been restarted. */
  restartsAvoided: Count,
  /** Share of devices that are up to date, one entry a day, oldest first. */
  days: Type.Array(Type.Object({ day: Type.String(), counts: ComplianceCounts })),
});
export type ComplianceReport = Static<typeof ComplianceReport>;

export const Alert = Type.Object({
  id: Id,
  code: Type.String(),
  severity: oneOf(AlertSeverity),
  text: Text,
  remediation: Text,
  deviceId: Type.Optional(Id),
  hostname: Type.Optional(Name),
  rolloutId: Type.Optional(Id),
  raisedAt: Moment,
  acknowledgedBy: Type.Optional(Name),
  resolvedAt: Type.Optional(Moment),
});
export type Alert = Static<typeof Alert>;

export const AuditRecord = Type.Object({
  index: Serial,
  at: Moment,
  /** An account, an API token, a device or the server itself. */
  who: Name,
  action: Type.String(),
  object: Type.String(),
  reason: Type.Optional(Text),
  detail: Type.Unknown(),
  previous: Sha256,
  digest: Sha256,
});
export type AuditRecord = Static<typeof AuditRecord>;

export const AuditVerification = Type.Object({
  records: Count,
  intact: Type.Boolean(),
  /** The first record that does not fit. */
  brokenAt: Type.Optional(Serial),
  head: Sha256,
});
export type AuditVerification = Static<typeof AuditVerification>;

export const Overview = Type.Object({
  at: Moment,
  devices: Count,
  connected: Count,
  counts: ComplianceCounts,
  openAlerts: Type.Array(Alert),
  activeRollouts: Type.Array(
    Type.Object({
      id: Id,
      name: Name,
      state: Type.String(),
      devices: Count,
      protectedDevices: Count,
    }),
  ),
  pendingApprovals: Count,
  exposure: ExposureWindow,
  restartsAvoided: Count,
  nextBaseline: Type.Optional(Type.String()),
  /** Everything is stopped (POST /v1/pause). */
  paused: Type.Boolean(),
});
export type Overview = Static<typeof Overview>;
