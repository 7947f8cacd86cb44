/**
 * What people may do with a rollout: which action in which state, and what becomes of it.
 *
 * The table below is the whole of it for people; SYSTEM_TRANSITIONS is what `decide` does by
 * itself. No other change of state exists.
 *
 * Approval. Every rollout is approved once as a whole, by somebody else than who wrote it and who
 * submitted it, expedited or not: break-glass skips waiting, not the second pair of eyes. Where
 * the gates ask for it, each group after the first is approved too, once the groups before it are
 * through. Names are accounts: whoever acts through an API token acts as its account.
 *
 * Resume of a halted rollout accepts the errors that halted it: they count no more, and the next
 * one counts anew. An update that was withdrawn cannot be resumed.
 *
 * Retry offers the update again to devices that refused or failed. Devices that a health signal
 * reverted are never offered the same update again.
 */
import {
  RolloutAction,
  type RolloutActionRequest,
  RolloutGroupState,
  RolloutState,
} from "@suture/contract";
import { type Refusal, refuse } from "./refusal.ts";
import {
  HaltCode,
  nextGroupOf,
  type Rollout,
  type RolloutGroup,
  stateOfGroup,
} from "./rollout-state.ts";

const A = RolloutAction;
const S = RolloutState;

/** Which state each action of a person leads to. What is not listed is refused. */
export const TRANSITIONS: Readonly<
  Record<RolloutState, Partial<Readonly<Record<RolloutAction, RolloutState>>>>
> = {
  [S.draft]: { [A.submit]: S.waitingForApproval, [A.stop]: S.stopped },
  [S.waitingForApproval]: { [A.approve]: S.running, [A.reject]: S.draft, [A.stop]: S.stopped },
  [S.running]: {
    // These two are about the group that waits for its approval.
    [A.approve]: S.running,
    [A.reject]: S.paused,
    [A.pause]: S.paused,
    [A.stop]: S.stopped,
    [A.next]: S.running,
    [A.retry]: S.running,
    [A.revert]: S.reverting,
  },
  [S.paused]: { [A.resume]: S.running, [A.stop]: S.stopped, [A.revert]: S.reverting },
  [S.halted]: { [A.resume]: S.running, [A.stop]: S.stopped, [A.revert]: S.reverting },
  [S.stopped]: { [A.revert]: S.reverting },
  [S.reverting]: {},
  [S.reverted]: {},
  // Completed rollouts stay in force for devices that come later.
  [S.completed]: { [A.retry]: S.completed, [A.revert]: S.reverting, [A.stop]: S.stopped },
};

/** What happens without a person. */
export const SYSTEM_TRANSITIONS: Partial<Readonly<Record<RolloutState, readonly RolloutState[]>>> =
  {
    [S.running]: [S.halted, S.completed],
    // Health signals may come when the last group is through already.
    [S.completed]: [S.halted],
    [S.reverting]: [S.reverted],
  };

/**
 * What becomes of the rollout when the account `by` does this, or why it may not.
 *
 * Whether the account has the permission is not asked here (ACTION_PERMISSIONS). Refuses with
 * `not-now` or `author-is-approver`. Nothing reaches a device before `decide` has run.
 */
export function act(
  rollout: Rollout,
  { action, reason }: RolloutActionRequest,
  by: string,
  now: number,
): Rollout | Refusal {
  const refusal = checkAction(rollout, action, by);
  if (refusal !== undefined) return refusal;
  const state = TRANSITIONS[rollout.state][action] ?? rollout.state;
  const entry = { at: now, by, action, ...(reason !== undefined && { reason }) };
  const history = [...rollout.history, entry];
  return effectOf(action, { ...rollout, state, history }, entry, rollout);
}

/** Why the account may not do this now; undefined where it may. */
export function checkAction(
  rollout: Rollout,
  action: RolloutAction,
  by: string,
): Refusal | undefined {
  if (TRANSITIONS[rollout.state][action] === undefined) return notInThisState(rollout, action);
  switch (action) {
    case A.approve:
      return checkApproval(rollout, by) ?? checkGroupAsks(rollout);
    case A.reject:
      return checkGroupAsks(rollout);
    case A.resume:
      return checkNotWithdrawn(rollout);
    case A.next:
      return checkNext(rollout);
    default:
      return undefined;
  }
}

const notInThisState = (rollout: Rollout, action: RolloutAction): Refusal => {
  const allowed = Object.keys(TRANSITIONS[rollout.state]);
  return refuse(
    "not-now",
    `${rollout.name} is ${rollout.state}: ${action} is not possible`,
    allowed.length === 0 ? "write a new rollout" : `possible now: ${allowed.join(", ")}`,
  );
};

const checkApproval = ({ author, submittedBy }: Rollout, by: string): Refusal | undefined =>
  by === author || by === submittedBy
    ? refuse("author-is-approver", `${by} wrote or submitted it, and may not approve it`)
    : undefined;

/** In a running rollout there must be a group that asks. */
function checkGroupAsks(rollout: Rollout): Refusal | undefined {
  if (rollout.state !== S.running || askingGroupOf(rollout) >= 0) return undefined;
  return refuse("not-now", "no group waits for approval", "wait until a group asks for it");
}

const checkNotWithdrawn = ({ halted, name }: Rollout): Refusal | undefined =>
  halted?.code === HaltCode.updateWithdrawn
    ? refuse("not-now", `the update of ${name} was withdrawn`, "stop the rollout or revert it")
    : undefined;

function checkNext(rollout: Rollout): Refusal | undefined {
  const group = rollout.groups[nextGroupOf(rollout)];
  if (group === undefined) return refuse("not-now", "all groups have begun", "wait for the last");
  if (group.state === RolloutGroupState.waitingForApproval) {
    return refuse("not-now", `${group.name} waits for approval`, "ask an approver");
  }
  if (group.gateSkippedBy === undefined) return undefined;
  return refuse("not-now", `${group.name} is about to begin`, "load the rollout again");
}

/** Place of the group that waits for its approval, or -1. */
export const askingGroupOf = ({ groups }: Rollout): number =>
  groups.findIndex(({ state }) => state === RolloutGroupState.waitingForApproval);

type Entry = Rollout["history"][number];

/** `after` has its new state and history already; `before` tells where it comes from. */
function effectOf(action: RolloutAction, after: Rollout, entry: Entry, before: Rollout): Rollout {
  switch (action) {
    case A.submit:
      return { ...after, submittedBy: entry.by, submittedAt: entry.at };
    case A.approve:
    case A.reject:
      return judged(after, entry, before);
    case A.resume:
      return resumed(after);
    case A.next:
      return withGroup(after, nextGroupOf(after), { gateSkippedBy: entry.by });
    case A.retry:
      return { ...after, attempt: after.attempt + 1 };
    case A.revert:
      return { ...after, revertReason: entry.reason ?? `${entry.by} reverted the rollout` };
    case A.pause:
    case A.stop:
      return after;
  }
}

function judged(after: Rollout, { by, at, action, reason }: Entry, before: Rollout): Rollout {
  const group = before.state === S.running ? askingGroupOf(before) : -1;
  const approval = {
    by,
    at,
    approved: action === A.approve,
    ...(group >= 0 && { group }),
    ...(reason !== undefined && { reason }),
  };
  const rollout = { ...after, approvals: [...after.approvals, approval] };
  if (group < 0 || !approval.approved) return rollout;
  return withGroup(rollout, group, { approvedBy: by, state: RolloutGroupState.waiting });
}

/** Accepts what halted it. The halt itself stays in the audit log. */
function resumed({ halted, ...rollout }: Rollout): Rollout {
  const groups = rollout.groups.map((group, at): RolloutGroup => {
    if (halted?.evidence === undefined || halted.group !== at) {
      return { ...group, state: stateOfGroup(group) };
    }
    const { devices: _, ...accepted } = halted.evidence;
    return { ...group, state: stateOfGroup(group), accepted };
  });
  return { ...rollout, groups };
}

const withGroup = (rollout: Rollout, at: number, change: Partial<RolloutGroup>): Rollout => ({
  ...rollout,
  groups: rollout.groups.map((group, index) => (index === at ? { ...group, ...change } : group)),
});
