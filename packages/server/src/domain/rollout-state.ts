/** What is kept of a rollout: plain data. Times are milliseconds since 1970, UTC. */
import {
  type Gates,
  type HealthSignal,
  type RolloutAction,
  RolloutGroupState,
  RolloutState,
} from "@suture/contract";
import type { GroupEvidence, HaltRule } from "./thresholds.ts";

/** A ring as it was when the rollout was written: later changes of the ring do not move it. */
export interface RolloutGroupPlan {
  readonly ringId: string;
  readonly name: string;
  readonly deferralDays: number;
  readonly deadlineDays: number;
  readonly graceDays: number;
}

export interface RolloutGroup extends RolloutGroupPlan {
  readonly state: RolloutGroupState;
  /** From then on its devices are offered the update. */
  readonly beganAt?: number;
  /** Enough devices had it; the soak time runs. */
  readonly soakingSince?: number;
  readonly completedAt?: number;
  /** Its approval was asked for. */
  readonly askedAt?: number;
  readonly approvedBy?: string;
  /** Who let it begin without waiting for deferral and for the group before. */
  readonly gateSkippedBy?: string;
  /** The errors that a person has seen and resumed in spite of. They count no more. */
  readonly accepted: AcceptedErrors;
}

export type AcceptedErrors = Omit<GroupEvidence, "devices">;

export const NOTHING_ACCEPTED: AcceptedErrors = {
  answered: 0,
  otherErrors: 0,
  healthReverts: 0,
  watches: 0,
};

export const HaltCode = {
  errorCount: "error-count",
  errorRate: "error-rate",
  healthRate: "health-rate",
  updateWithdrawn: "update-withdrawn",
} as const satisfies Record<keyof typeof HaltRule, HaltRule> & Record<string, string>;
export type HaltCode = (typeof HaltCode)[keyof typeof HaltCode];

/** What stopped a rollout by itself, with its evidence. */
export interface Halt {
  readonly at: number;
  readonly code: HaltCode;
  readonly text: string;
  /** Where one group's errors did it: its place, and what was counted. */
  readonly group?: number;
  readonly evidence?: GroupEvidence;
  /** The newest device that a health signal reverted. */
  readonly signal?: HealthSignal;
  readonly deviceId?: string;
  readonly hostname?: string;
}

export interface RolloutApproval {
  readonly by: string;
  readonly at: number;
  readonly approved: boolean;
  /** The group whose gate it was; absent for the rollout as a whole. */
  readonly group?: number;
  readonly reason?: string;
}

export interface RolloutHistoryEntry {
  readonly at: number;
  readonly by: string;
  readonly action: RolloutAction;
  readonly reason?: string;
}

export interface Rollout {
  readonly name: string;
  readonly target: string;
  /** The account (not the API token) that wrote it; never its approver. */
  readonly author: string;
  /** The account that submitted it; never its approver either. */
  readonly submittedBy?: string;
  readonly submittedAt?: number;
  readonly gates: Gates;
  readonly expedite?: { readonly reason: string };
  readonly state: RolloutState;
  readonly groups: readonly RolloutGroup[];
  /** From 1; each retry adds one. Devices that erred in an earlier attempt are offered it again. */
  readonly attempt: number;
  readonly halted?: Halt;
  readonly revertReason?: string;
  readonly approvals: readonly RolloutApproval[];
  readonly history: readonly RolloutHistoryEntry[];
}

export interface NewRollout {
  readonly name: string;
  readonly target: string;
  readonly author: string;
  readonly gates: Gates;
  readonly expedite?: { readonly reason: string };
  readonly groups: readonly RolloutGroupPlan[];
}

/** A draft. Its groups come from `groupsOfRings` (rings.ts), in their order. */
export const createRollout = ({ groups, ...rest }: NewRollout): Rollout => ({
  ...rest,
  state: RolloutState.draft,
  groups: groups.map((group) => ({
    ...group,
    state: RolloutGroupState.waiting,
    accepted: NOTHING_ACCEPTED,
  })),
  attempt: 1,
  approvals: [],
  history: [],
});

/** Whether the group's devices may have been offered the update. */
export const hasBegun = (group: RolloutGroup): boolean => group.beganAt !== undefined;

/** What a group of a rollout that is not halted is at. */
export function stateOfGroup(group: RolloutGroup): RolloutGroupState {
  if (group.completedAt !== undefined) return RolloutGroupState.completed;
  if (group.soakingSince !== undefined) return RolloutGroupState.soaking;
  if (hasBegun(group)) return RolloutGroupState.running;
  return group.askedAt !== undefined && group.approvedBy === undefined
    ? RolloutGroupState.waitingForApproval
    : RolloutGroupState.waiting;
}

/** The group that would begin next, or -1. */
export const nextGroupOf = (rollout: Rollout): number =>
  rollout.groups.findIndex((group) => !hasBegun(group));

const DAY = 86_400_000;

/** When devices of the group no longer wait for their windows; an expedited rollout's at once. */
export const deadlineOfGroup = (group: RolloutGroup, expedited: boolean): number | undefined =>
  group.beganAt === undefined
    ? undefined
    : group.beganAt + (expedited ? 0 : group.deadlineDays) * DAY;
