/** The words of the product, as they stand in the API, in the store and on the screen. */

export const Role = {
  viewer: "viewer",
  author: "author",
  approver: "approver",
  operator: "operator",
  admin: "admin",
  auditor: "auditor",
} as const;
export type Role = (typeof Role)[keyof typeof Role];

/** What a route asks for. Which roles have it stands in permissions.ts. */
export const Permission = {
  readFleet: "read-fleet",
  readAudit: "read-audit",
  editDevices: "edit-devices",
  editPolicies: "edit-policies",
  createRollouts: "create-rollouts",
  approveRollouts: "approve-rollouts",
  operateRollouts: "operate-rollouts",
  expedite: "expedite",
  administer: "administer",
} as const;
export type Permission = (typeof Permission)[keyof typeof Permission];

export const Readiness = {
  ready: "ready",
  notReady: "not-ready",
  notRegistered: "not-registered",
} as const;
export type Readiness = (typeof Readiness)[keyof typeof Readiness];

/** Why a device is not ready; with what to do in reasons.ts. */
export const ReadinessReason = {
  unsupportedSystem: "unsupported-system",
  unsupportedProcessor: "unsupported-processor",
  tracingForbidden: "tracing-forbidden",
  clockWrong: "clock-wrong",
  channelUnreachable: "channel-unreachable",
  channelNotTrusted: "channel-not-trusted",
  diskFull: "disk-full",
  executorMissing: "executor-missing",
  noComponent: "no-component",
} as const;
export type ReadinessReason = (typeof ReadinessReason)[keyof typeof ReadinessReason];

/** Of a device, a component or a process, for the newest quality update that is meant for it. */
export const ComplianceState = {
  hotpatched: "up-to-date-hotpatched",
  restarted: "up-to-date-restarted",
  inProgress: "in-progress",
  paused: "paused",
  restartPending: "restart-pending",
  notUpToDate: "not-up-to-date",
  notReady: "not-ready",
} as const;
export type ComplianceState = (typeof ComplianceState)[keyof typeof ComplianceState];

export const RingKind = { test: "test", ring: "ring", last: "last" } as const;
export type RingKind = (typeof RingKind)[keyof typeof RingKind];

export const HotpatchSetting = { allow: "allow", block: "block" } as const;
export type HotpatchSetting = (typeof HotpatchSetting)[keyof typeof HotpatchSetting];

export const RestartSetting = {
  ifRequired: "if-required",
  never: "never",
  always: "always",
} as const;
export type RestartSetting = (typeof RestartSetting)[keyof typeof RestartSetting];

export const RolloutState = {
  draft: "draft",
  waitingForApproval: "waiting-for-approval",
  running: "running",
  paused: "paused",
  /** A threshold or a health signal stopped it; resume or revert is a person's decision. */
  halted: "halted",
  stopped: "stopped",
  reverting: "reverting",
  reverted: "reverted",
  completed: "completed",
} as const;
export type RolloutState = (typeof RolloutState)[keyof typeof RolloutState];

export const RolloutGroupState = {
  waiting: "waiting",
  running: "running",
  soaking: "soaking",
  waitingForApproval: "waiting-for-approval",
  completed: "completed",
  halted: "halted",
} as const;
export type RolloutGroupState = (typeof RolloutGroupState)[keyof typeof RolloutGroupState];

/** How far one device is with one update. */
export const DeviceUpdateState = {
  /** Not its turn yet. */
  waiting: "waiting",
  /** In its assignment; the device has not said that it begins. */
  offered: "offered",
  applying: "applying",
  /** Applied, and health is watched. */
  applied: "applied",
  /** Applied, and the watch is over. */
  succeeded: "succeeded",
  /** Nothing on the device needs it. */
  notApplicable: "not-applicable",
  refused: "refused",
  /** A health signal reverted it live. */
  reverted: "reverted",
  restartPending: "restart-pending",
  restarted: "restarted",
  failed: "failed",
} as const;
export type DeviceUpdateState = (typeof DeviceUpdateState)[keyof typeof DeviceUpdateState];

export const RolloutAction = {
  submit: "submit",
  approve: "approve",
  reject: "reject",
  pause: "pause",
  resume: "resume",
  stop: "stop",
  /** Begin the next group without waiting for its gate. */
  next: "next",
  /** Offer it again to devices that failed or refused. */
  retry: "retry",
  revert: "revert",
} as const;
export type RolloutAction = (typeof RolloutAction)[keyof typeof RolloutAction];

export const GateKind = { soak: "soak", health: "health", approval: "approval" } as const;
export type GateKind = (typeof GateKind)[keyof typeof GateKind];

/** What the health watch of an agent may find; any of them reverts the hotpatch live. */
export const HealthSignal = {
  crash: "crash",
  restart: "restart",
  memoryGrowth: "memory-growth",
  processorTime: "processor-time",
  logPattern: "log-pattern",
  probe: "probe",
} as const;
export type HealthSignal = (typeof HealthSignal)[keyof typeof HealthSignal];

export const AlertSeverity = {
  critical: "critical",
  warning: "warning",
  information: "information",
} as const;
export type AlertSeverity = (typeof AlertSeverity)[keyof typeof AlertSeverity];

export const QualityUpdateKind = {
  baseline: "baseline",
  hotpatch: "hotpatch",
  outOfBand: "out-of-band",
} as const;
export type QualityUpdateKind = (typeof QualityUpdateKind)[keyof typeof QualityUpdateKind];

export const Severity = {
  critical: "critical",
  important: "important",
  moderate: "moderate",
  low: "low",
} as const;
export type Severity = (typeof Severity)[keyof typeof Severity];
