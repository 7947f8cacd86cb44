/** Whether the package manager's update and a restart may take a hotpatch's place, and when. */
import { ComplianceState } from "@suture/contract";
import type { QualityUpdate } from "@suture/release";
import type { DecisionReason } from "./decision-reasons.ts";
import {
  type ComponentFact,
  type Decision,
  isLasting,
  isTooEarly,
  isWindowOpen,
  type Situation,
  standstill,
} from "./situation.ts";

/** The key of its attempts in the record: apart from those to apply the hotpatch. */
export const updateAttemptOf = (target: string): string => `update ${target}`;

/**
 * The act, or Restart pending with the reason.
 *
 * Installing a package restarts its service on many distributions, so installing waits for the
 * window too. Where the newer file is installed already, and all that runs is the old one, a
 * restart is all that is left to do.
 */
export function traditionalUpdate(
  situation: Situation,
  component: ComponentFact,
  update: QualityUpdate,
): Decision {
  const { policy } = situation.orders;
  const pending = (reason: DecisionReason): Decision => ({
    component,
    update,
    compliance: reason === "paused" ? ComplianceState.paused : ComplianceState.restartPending,
    reason,
  });
  const stop = standstill(situation);
  if (stop !== undefined) return pending(stop);
  if (policy.restart === "never") return pending("restart-never");
  if (!isWindowOpen(situation, update.target)) {
    return pending(policy.windows.length === 0 ? "no-window" : "wait-for-window");
  }
  const pids = component.processes.map(({ pid }) => pid);
  const inProgress = { component, update, compliance: ComplianceState.inProgress };
  const attempt = situation.record.attempts.get(updateAttemptOf(update.target));
  if (attempt !== undefined && (isLasting(attempt) || isTooEarly(attempt, situation.now))) {
    return pending("update-failed");
  }
  if (component.processes.every(({ outdated }) => outdated)) {
    if (!component.isRestartable) return pending("no-restart-command");
    return { ...inProgress, reason: "to-restart", act: { do: "restart", update, pids } };
  }
  if (component.package === undefined) return pending("no-package");
  const act = { do: "traditional-update", update, package: component.package, pids } as const;
  return { ...inProgress, reason: "to-update", act };
}
