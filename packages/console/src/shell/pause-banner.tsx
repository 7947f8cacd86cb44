/** Says on every page that everything is paused, and ends the pause. */
import { Permission } from "@suture/contract";
import { IconPlayerPause } from "@tabler/icons-react";
import { useState } from "react";
import { useChange, useRoute } from "../api.ts";
import { Confirm } from "../ui/confirm.tsx";
import { counted } from "../ui/numbers.ts";
import { PermittedButton } from "../ui/permitted.tsx";

export function PauseBanner() {
  const [isAsking, setAsking] = useState(false);
  const resume = useChange("resumeAll");
  const overview = useRoute("overview").data;
  return (
    <div className="banner" role="status">
      <IconPlayerPause size={18} aria-hidden="true" />
      <span>
        <strong>Everything is paused.</strong> Nothing is applied, reverted by plan or restarted on
        any device. What is applied stays, and its health is watched.
      </span>
      <PermittedButton
        permission={Permission.operateRollouts}
        variant="default"
        onClick={() => setAsking(true)}
      >
        Resume everything
      </PermittedButton>
      {isAsking && (
        <Confirm
          title="Resume everything"
          effect={`Ends the pause on ${counted(overview?.devices ?? 0, "device")}; ${counted(
            overview?.activeRollouts.length ?? 0,
            "rollout",
          )} may go on.`}
          verb="Resume everything"
          act={() => resume.mutateAsync({})}
          onClose={() => setAsking(false)}
        />
      )}
    </div>
  );
}
