/** What may be done with a rollout now, each with its effect in numbers. */
import {
  ACTION_PERMISSIONS,
  type Rollout,
  type RolloutAction,
  type RolloutChoice,
  type RolloutState,
} from "@suture/contract";
import { useState } from "react";
import { useChange } from "../api.ts";
import { Confirm } from "../ui/confirm.tsx";
import { PermittedButton } from "../ui/permitted.tsx";
import { ACTION } from "../ui/words.ts";

/** Shown in each state even where they are not allowed, with the reason; others only when allowed. */
const SHOWN: Readonly<Record<RolloutState, readonly RolloutAction[]>> = {
  draft: ["submit"],
  "waiting-for-approval": ["approve", "reject"],
  running: ["pause", "next", "retry", "stop", "revert"],
  paused: ["resume", "stop", "revert"],
  halted: ["resume", "stop", "revert"],
  stopped: ["revert"],
  reverting: [],
  reverted: [],
  completed: ["retry", "revert"],
};

/** Others will ask why. */
const REASON_REQUIRED: readonly RolloutAction[] = ["reject", "stop", "next", "revert"];
const DANGEROUS: readonly RolloutAction[] = ["reject", "stop", "revert"];
const USUAL: readonly RolloutAction[] = ["submit", "approve", "resume"];

export function RolloutActions({ rollout }: { readonly rollout: Rollout }) {
  const [chosen, setChosen] = useState<RolloutChoice>();
  const act = useChange("actOnRollout");
  const shown = rollout.choices.filter(
    ({ action, allowed }) => allowed || SHOWN[rollout.state].includes(action),
  );
  return (
    <>
      {shown.map((choice) => (
        <PermittedButton
          key={choice.action}
          permission={ACTION_PERMISSIONS[choice.action]}
          why={choice.allowed ? undefined : (choice.why ?? "Not in this state.")}
          variant={USUAL.includes(choice.action) ? "filled" : "default"}
          onClick={() => setChosen(choice)}
        >
          {ACTION[choice.action]}
        </PermittedButton>
      ))}
      {chosen !== undefined && (
        <Confirm
          title={`${ACTION[chosen.action]}: ${rollout.name}`}
          effect={chosen.effect}
          verb={ACTION[chosen.action]}
          danger={DANGEROUS.includes(chosen.action)}
          reason={REASON_REQUIRED.includes(chosen.action) ? "required" : "optional"}
          act={(reason) =>
            act.mutateAsync({
              params: { id: rollout.id },
              body: { action: chosen.action, ...(reason !== undefined && { reason }) },
            })
          }
          onClose={() => setChosen(undefined)}
        />
      )}
    </>
  );
}
