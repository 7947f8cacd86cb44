/** What the words of the API are on the screen. */
import type {
  ComplianceState,
  DeviceUpdateState,
  HealthSignal,
  HotpatchSetting,
  Permission,
  QualityUpdateKind,
  Readiness,
  RestartSetting,
  Role,
  RolloutAction,
  RolloutGroupState,
  RolloutState,
} from "@suture/contract";

export const COMPLIANCE: Readonly<Record<ComplianceState, string>> = {
  "up-to-date-hotpatched": "Up to date (Hotpatched)",
  "up-to-date-restarted": "Up to date (Restarted)",
  "in-progress": "In progress",
  paused: "Paused",
  "restart-pending": "Restart pending",
  "not-up-to-date": "Not up to date",
  "not-ready": "Not ready",
};

export const READINESS: Readonly<Record<Readiness, string>> = {
  ready: "Ready",
  "not-ready": "Not ready",
  "not-registered": "Not registered",
};

export const UPDATE_STATE: Readonly<Record<DeviceUpdateState, string>> = {
  waiting: "Waiting",
  offered: "Offered",
  applying: "Applying",
  applied: "Applied, health is watched",
  succeeded: "Succeeded",
  "not-applicable": "Not applicable",
  refused: "Refused",
  reverted: "Reverted by a health signal",
  "restart-pending": "Restart pending",
  restarted: "Restarted",
  failed: "Failed",
};

export const ROLLOUT_STATE: Readonly<Record<RolloutState, string>> = {
  draft: "Draft",
  "waiting-for-approval": "Waiting for approval",
  running: "Running",
  paused: "Paused",
  halted: "Halted",
  stopped: "Stopped",
  reverting: "Reverting",
  reverted: "Reverted",
  completed: "Completed",
};

export const GROUP_STATE: Readonly<Record<RolloutGroupState, string>> = {
  waiting: "Waiting",
  running: "Running",
  soaking: "Soaking",
  "waiting-for-approval": "Waiting for approval",
  completed: "Completed",
  halted: "Halted",
};

export const ACTION: Readonly<Record<RolloutAction, string>> = {
  submit: "Submit",
  approve: "Approve",
  reject: "Reject",
  pause: "Pause",
  resume: "Resume",
  stop: "Stop",
  next: "Next group",
  retry: "Retry",
  revert: "Revert",
};

export const SIGNAL: Readonly<Record<HealthSignal, string>> = {
  crash: "Crash",
  restart: "Restart",
  "memory-growth": "Memory growth",
  "processor-time": "Processor time",
  "log-pattern": "Log pattern",
  probe: "Probe command",
};

export const UPDATE_KIND: Readonly<Record<QualityUpdateKind, string>> = {
  baseline: "Baseline",
  hotpatch: "Hotpatch",
  "out-of-band": "Out-of-band update",
};

export const ROLE: Readonly<Record<Role, string>> = {
  viewer: "Viewer: sees everything but the audit log",
  author: "Author: edits policies, rings and groups, drafts rollouts",
  approver: "Approver: approves what others wrote",
  operator: "Operator: pauses, resumes, stops, reverts, expedites",
  admin: "Admin: accounts, tokens, audit log",
  auditor: "Auditor: sees everything, the audit log too",
};

/** Ends the sentence: your roles do not include … */
export const PERMISSION: Readonly<Record<Permission, string>> = {
  "read-fleet": "seeing the fleet",
  "read-audit": "reading the audit log",
  "edit-devices": "editing devices",
  "edit-policies": "editing policies, rings and groups",
  "create-rollouts": "drafting rollouts",
  "approve-rollouts": "approving rollouts",
  "operate-rollouts": "operating rollouts",
  expedite: "expediting",
  administer: "administration",
};

export const HOTPATCH: Readonly<Record<HotpatchSetting, string>> = {
  allow: "Allow",
  block: "Block",
};

export const RESTART: Readonly<Record<RestartSetting, string>> = {
  "if-required": "If required",
  never: "Never",
  always: "Always",
};

export const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;

/** `not-up-to-date` for people: for codes that no table has. */
export const wordsOf = (code: string): string => {
  const text = code.replaceAll("-", " ");
  return text.charAt(0).toUpperCase() + text.slice(1);
};
