/** Which permission each action on a rollout asks for. */
import { Permission, RolloutAction } from "./names.ts";

export const ACTION_PERMISSIONS: Readonly<Record<RolloutAction, Permission>> = {
  [RolloutAction.submit]: Permission.createRollouts,
  [RolloutAction.approve]: Permission.approveRollouts,
  [RolloutAction.reject]: Permission.approveRollouts,
  [RolloutAction.pause]: Permission.operateRollouts,
  [RolloutAction.resume]: Permission.operateRollouts,
  [RolloutAction.stop]: Permission.operateRollouts,
  [RolloutAction.next]: Permission.operateRollouts,
  [RolloutAction.retry]: Permission.operateRollouts,
  [RolloutAction.revert]: Permission.operateRollouts,
};
