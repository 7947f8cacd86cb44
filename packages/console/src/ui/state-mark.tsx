/** A state as a mark and its name. The colour alone says nothing. */
import type {
  AlertSeverity,
  ComplianceState,
  DeviceUpdateState,
  Readiness,
  RolloutGroupState,
  RolloutState,
  Severity,
} from "@suture/contract";
import {
  COMPLIANCE,
  GROUP_STATE,
  READINESS,
  ROLLOUT_STATE,
  UPDATE_STATE,
  wordsOf,
} from "./words.ts";

/** What a state means for whoever looks: `--tone-NAME` in console.css. */
export type Tone = "good" | "also-good" | "working" | "paused" | "waiting" | "bad" | "unknown";

export const COMPLIANCE_TONE: Readonly<Record<ComplianceState, Tone>> = {
  "up-to-date-hotpatched": "good",
  "up-to-date-restarted": "also-good",
  "in-progress": "working",
  paused: "paused",
  "restart-pending": "waiting",
  "not-up-to-date": "bad",
  "not-ready": "unknown",
};

export const UPDATE_TONE: Readonly<Record<DeviceUpdateState, Tone>> = {
  succeeded: "good",
  restarted: "also-good",
  applied: "working",
  applying: "working",
  offered: "paused",
  waiting: "unknown",
  "not-applicable": "unknown",
  "restart-pending": "waiting",
  refused: "bad",
  reverted: "bad",
  failed: "bad",
};

const ROLLOUT_TONE: Readonly<Record<RolloutState, Tone>> = {
  draft: "unknown",
  "waiting-for-approval": "waiting",
  running: "working",
  paused: "paused",
  halted: "bad",
  stopped: "unknown",
  reverting: "waiting",
  reverted: "bad",
  completed: "good",
};

const GROUP_TONE: Readonly<Record<RolloutGroupState, Tone>> = {
  waiting: "unknown",
  running: "working",
  soaking: "working",
  "waiting-for-approval": "waiting",
  completed: "good",
  halted: "bad",
};

const READINESS_TONE: Readonly<Record<Readiness, Tone>> = {
  ready: "good",
  "not-ready": "bad",
  "not-registered": "unknown",
};

const SEVERITY_TONE: Readonly<Record<Severity | AlertSeverity, Tone>> = {
  critical: "bad",
  important: "waiting",
  warning: "waiting",
  moderate: "working",
  information: "working",
  low: "unknown",
};

interface Mark {
  readonly tone: Tone;
  readonly children: string;
}

export const StateMark = ({ tone, children }: Mark) => (
  <span className="mark">
    <span className="mark-dot" data-tone={tone} aria-hidden="true" />
    {children}
  </span>
);

export const ComplianceMark = ({ state }: { readonly state: ComplianceState }) => (
  <StateMark tone={COMPLIANCE_TONE[state]}>{COMPLIANCE[state]}</StateMark>
);
export const UpdateMark = ({ state }: { readonly state: DeviceUpdateState }) => (
  <StateMark tone={UPDATE_TONE[state]}>{UPDATE_STATE[state]}</StateMark>
);
export const ReadinessMark = ({ state }: { readonly state: Readiness }) => (
  <StateMark tone={READINESS_TONE[state]}>{READINESS[state]}</StateMark>
);
export const GroupMark = ({ state }: { readonly state: RolloutGroupState }) => (
  <StateMark tone={GROUP_TONE[state]}>{GROUP_STATE[state]}</StateMark>
);

const isRolloutState = (state: string): state is RolloutState =>
  Object.hasOwn(ROLLOUT_STATE, state);
/** Takes any text: the overview's states are not narrowed by the contract. */
export const RolloutMark = ({ state }: { readonly state: string }) =>
  isRolloutState(state) ? (
    <StateMark tone={ROLLOUT_TONE[state]}>{ROLLOUT_STATE[state]}</StateMark>
  ) : (
    <StateMark tone="unknown">{wordsOf(state)}</StateMark>
  );

const isSeverity = (severity: string): severity is Severity =>
  Object.hasOwn(SEVERITY_TONE, severity);
export const SeverityMark = ({ severity }: { readonly severity: string }) => (
  <StateMark tone={isSeverity(severity) ? SEVERITY_TONE[severity] : "unknown"}>
    {wordsOf(severity)}
  </StateMark>
);
