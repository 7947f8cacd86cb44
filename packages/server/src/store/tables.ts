/** The tables as Kysely sees them; migrations/ makes them. Moments are Dates, JSON comes parsed. */
import type {
  AlertSeverity,
  ComplianceState,
  ComponentCompliance,
  DeviceEvent,
  DeviceUpdateState,
  Gates,
  HealthSignal,
  PolicySettings,
  QualityUpdate,
  Readiness,
  ReadinessFinding,
  RingKind,
  Role,
  RolloutState,
  Scope,
} from "@suture/contract";
import type { Generated, JSONColumnType } from "kysely";
import type { WaitReason } from "../domain/rollout-reasons.ts";
import type { Rollout } from "../domain/rollout-state.ts";

/** Written as text, read as the parsed value. */
type Json<Value extends object | null> = JSONColumnType<Value, string, string>;

export interface Tables {
  readonly accounts: AccountTable;
  readonly sessions: SessionTable;
  readonly api_tokens: ApiTokenTable;
  readonly enrolment_tokens: EnrolmentTokenTable;
  readonly devices: DeviceTable;
  readonly device_facts: DeviceFactsTable;
  readonly device_contacts: DeviceContactTable;
  readonly device_events: DeviceEventTable;
  readonly device_updates: DeviceUpdateTable;
  readonly device_cves: DeviceCveTable;
  readonly assignments: AssignmentTable;
  readonly nonces: NonceTable;
  readonly groups: GroupTable;
  readonly group_devices: GroupDeviceTable;
  readonly rings: RingTable;
  readonly policies: PolicyTable;
  readonly fleet: FleetTable;
  readonly channel: ChannelTable;
  readonly updates: UpdateTable;
  readonly rollouts: RolloutTable;
  readonly rollout_devices: RolloutDeviceTable;
  readonly alerts: AlertTable;
  readonly audit: AuditTable;
  readonly compliance_days: ComplianceDayTable;
}

export interface AccountTable {
  id: string;
  login: string;
  name: string;
  roles: Role[];
  password_hash: string;
  disabled: Generated<boolean>;
  created_at: Date;
  last_sign_in_at: Date | null;
}

export interface SessionTable {
  digest: string;
  account_id: string;
  created_at: Date;
  expires_at: Date;
}

export interface ApiTokenTable {
  id: string;
  name: string;
  digest: string;
  roles: Role[];
  created_by: string;
  created_at: Date;
  expires_at: Date;
  last_used_at: Date | null;
}

export interface EnrolmentTokenTable {
  id: string;
  name: string;
  digest: string;
  tags: string[];
  ring_id: string | null;
  expires_at: Date;
  uses_max: number;
  uses: Generated<number>;
  created_by: string;
  created_at: Date;
}

/** What lists and filters need of a device; narrow, and written only when something changed. */
export interface DeviceTable {
  id: string;
  hostname: string;
  system: Generated<string>;
  public_key: string;
  enrolled_at: Date;
  ring_id: string | null;
  tags: string[];
  readiness: Generated<Readiness>;
  compliance: Generated<ComplianceState>;
  /** In the order in which a list shows the states: what is worst first. */
  compliance_rank: Generated<number>;
  reason: Generated<string | null>;
  open_cves: Generated<string[]>;
  build_ids: Generated<string[]>;
  packages: Generated<string[]>;
}

export interface DeviceFactsTable {
  device_id: string;
  /** Of the facts, counted by the device. */
  serial: Generated<number>;
  event_serial: Generated<number>;
  kernel: Generated<string>;
  processor: Generated<string>;
  agent_version: Generated<string>;
  findings: Json<ReadinessFinding[]>;
  components: Json<ComponentCompliance[]>;
}

/** Written at each check-in, and therefore apart. */
export interface DeviceContactTable {
  device_id: string;
  last_seen_at: Date | null;
  connected_until: Date | null;
  /** Of the assignment in force on the device. */
  assignment_serial: Generated<number>;
  /** Counts what makes it necessary to look at the device again (fleet/settle.ts). */
  generation: Generated<number>;
}

export interface DeviceEventTable {
  device_id: string;
  serial: number;
  at: Date;
  kind: DeviceEvent["kind"];
  target: string | null;
  code: string | null;
  detail: string;
}

/** A device and a quality update that concerns it, or that it told its progress with. */
export interface DeviceUpdateTable {
  device_id: string;
  target: string;
  /** null: the device told nothing of it. */
  state: DeviceUpdateState | null;
  code: string | null;
  detail: string | null;
  signal: HealthSignal | null;
  pause_microseconds: number | null;
  processes: number | null;
  at: Date;
  /** Whether one of its components runs on the device. */
  concerned: Generated<boolean>;
  protected: Generated<boolean>;
}

export interface DeviceCveTable {
  device_id: string;
  cve: string;
  exposed_at: Date;
  /** null while the device is exposed. */
  protected_at: Date | null;
}

export interface AssignmentTable {
  device_id: string;
  serial: number;
  document: string;
  signature: string;
  /** SHA-256 of what is in it besides serial and moments. */
  content: string;
  /** Of the fleet and of the device, when it was computed. */
  fleet_generation: number;
  device_generation: number;
  issued_at: Date;
  expires_at: Date;
}

export interface NonceTable {
  device_id: string;
  nonce: string;
  expires_at: Date;
}

export interface GroupTable {
  id: string;
  name: string;
  description: string | null;
  /** null: a fixed list, in group_devices. */
  scope: Json<Scope> | null;
  changed_at: Date;
  changed_by: string;
}

export interface GroupDeviceTable {
  group_id: string;
  device_id: string;
}

export interface RingTable {
  id: string;
  name: string;
  kind: RingKind;
  position: number;
  deferral_days: number;
  deadline_days: number;
  grace_days: number;
}

export interface PolicyTable {
  id: string;
  name: string;
  description: string | null;
  group_ids: string[];
  precedence: number;
  settings: Json<PolicySettings>;
  gates: Json<Gates>;
  changed_at: Date;
  changed_by: string;
}

/** One row. */
export interface FleetTable {
  id: Generated<number>;
  paused: Generated<boolean>;
  pause_reason: string | null;
  /** Counts what makes new assignments necessary for every device. */
  generation: Generated<number>;
  /** Of the catalog: devices computed with an older one are computed again. */
  catalog_generation: Generated<number>;
}

export interface ChannelTable {
  id: Generated<number>;
  verified_at: Date | null;
  expires_at: Date | null;
  problem: Json<{ code: string; detail: string; remediation: string }> | null;
  problems: Json<{ product: string; code: string; detail: string }[]>;
  calendar: Json<{ plannedMonths: number[]; entries: CalendarRow[] }>;
}

export interface CalendarRow {
  readonly date: string;
  readonly kind: "baseline" | "hotpatch" | "out-of-band";
  readonly product?: string;
  readonly note?: string;
}

export interface UpdateTable {
  target: string;
  sha256: string;
  /** Where it stands in the catalog. */
  position: number;
  entry: Json<UpdateDocument>;
  first_seen_at: Date;
}

export type UpdateDocument = Omit<QualityUpdate, "devicesConcerned" | "devicesProtected">;

export interface RolloutTable {
  id: string;
  name: string;
  target: string;
  sha256: string;
  state: RolloutState;
  created_by: string;
  created_at: Date;
  /** Only devices of these groups; none: all. */
  group_ids: string[];
  version: Generated<number>;
  /** What domain/rollout.ts works with. */
  document: Json<Rollout>;
  /** Why its groups wait, at the last decision. */
  waits: Json<WaitReason[]>;
  decide_at: Date | null;
}

export interface RolloutDeviceTable {
  rollout_id: string;
  device_id: string;
  ring_id: string;
  state: DeviceUpdateState;
  code: string | null;
  detail: string | null;
  /** Kept once it was seen. */
  signal: HealthSignal | null;
  at: Date;
  /** The rollout's attempt in which it was offered; 0 before that. */
  attempt: Generated<number>;
  revert_asked: Generated<boolean>;
}

export interface AlertTable {
  id: string;
  /** One open alert a key. */
  key: string;
  code: string;
  severity: AlertSeverity;
  text: string;
  remediation: string;
  device_id: string | null;
  rollout_id: string | null;
  raised_at: Date;
  acknowledged_by: string | null;
  resolved_at: Date | null;
}

export interface AuditTable {
  position: number;
  at: Date;
  who: string;
  action: string;
  object: string;
  reason: string | null;
  /** JSON as it was hashed: jsonb would put it in another order. */
  detail: string;
  previous: string;
  digest: string;
}

export interface ComplianceDayTable {
  day: string;
  counts: Json<Record<ComplianceState, number>>;
}
