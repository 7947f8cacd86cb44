/** Why a component is in the state it is in, and what a person can do about it. One table. */

interface DecisionReasonRow {
  readonly meaning: string;
  readonly next: string;
}
const row = (meaning: string, next: string): DecisionReasonRow => ({ meaning, next });
const nothingToDo = "nothing to do";

export const DECISION_REASONS = {
  "newest-applied": row("the newest hotpatch that is allowed is in all its processes", nothingToDo),
  "applied-not-offered": row(
    "its hotpatch is withdrawn or not allowed any more, and stays until somebody orders it back",
    "revert it: suture remove TARGET, or wait for a newer one",
  ),
  "newest-installed": row("its processes run the newest baseline", nothingToDo),
  "not-in-channel": row(
    "it has a hotpatch that no channel verified here knows",
    "look at the channel: suture readiness",
  ),
  "nothing-offered": row("the channel has no update for it", nothingToDo),
  "to-apply": row("a hotpatch is about to be applied", "wait a few seconds"),
  "to-revert": row("a hotpatch is about to be reverted", "wait a few seconds"),
  "to-update": row("the traditional update is about to be made", "wait a few minutes"),
  "to-restart": row("a restart is about to be made", "wait a few seconds"),
  paused: row("the control plane has paused this device", "resume the rollout"),
  "not-registered": row(
    "there is neither a policy nor a control plane",
    "write /etc/suture/policy.json, or enrol the device: suture agent enroll",
  ),
  "not-assigned": row("the control plane has not assigned it yet", "wait for the device's ring"),
  "assignment-expired": row(
    "the assignment's time is over, and no newer one came",
    "look whether the control plane can be reached: suture readiness",
  ),
  "channel-expired": row(
    "the channel's signatures have expired",
    "look at the clock and at the channel: suture readiness",
  ),
  "hotpatch-blocked": row("the policy blocks hotpatches", "allow them, or restart in a window"),
  "wait-for-window": row("it waits for the next maintenance window", "wait, or: suture apply"),
  "no-window": row(
    "a restart is needed, and the policy has no maintenance window",
    "add a window to the policy, or update and restart it by hand",
  ),
  "restart-never": row(
    "a restart is needed, and the policy forbids restarts",
    "change the policy's restart setting, or update and restart it by hand",
  ),
  "no-fallback": row(
    "the hotpatch cannot be applied, and the policy has no fallback",
    "set fallback in the policy, or update and restart it by hand",
  ),
  "no-package": row(
    "a restart is needed, and no installed package has this file",
    "update and restart it by hand",
  ),
  "no-restart-command": row(
    "nothing says how its processes are restarted",
    "write a command into /etc/suture/restart.json, or restart it by hand",
  ),
  "update-failed": row(
    "the traditional update brought nothing newer, or failed",
    "look at: suture history",
  ),
  "apply-refused": row("the processes refuse the hotpatch", "look at: suture history"),
  "retry-later": row("the last attempt failed; it is tried again", "wait, or: suture apply"),
  barred: row(
    "a health signal, or root, has taken it back on this device",
    "publish a hotpatch with a higher sequence, or: suture apply TARGET",
  ),
} as const;

export type DecisionReason = keyof typeof DECISION_REASONS;
