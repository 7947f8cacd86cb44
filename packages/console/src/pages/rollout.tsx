/** One rollout: where it is, why it waits, which devices are in which state, what can be done. */
import { Alert } from "@mantine/core";
import type { Rollout } from "@suture/contract";
import { IconAlertTriangle } from "@tabler/icons-react";
import { useParams } from "@tanstack/react-router";
import { useState } from "react";
import { useRoute } from "../api.ts";
import { paths } from "../paths.ts";
import { Facts } from "../ui/facts.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { counted, share } from "../ui/numbers.ts";
import { Page, Section } from "../ui/page.tsx";
import { PageLink } from "../ui/page-link.tsx";
import { ShareBar } from "../ui/state-bar.tsx";
import { RolloutMark } from "../ui/state-mark.tsx";
import { Target } from "../ui/target.tsx";
import { When } from "../ui/when.tsx";
import { SIGNAL } from "../ui/words.ts";
import { Cves } from "./device-components.tsx";
import { RolloutActions } from "./rollout-actions.tsx";
import { ALL_DEVICES, type DeviceFilter, RolloutDevices } from "./rollout-devices.tsx";
import { RolloutGroups } from "./rollout-groups.tsx";
import { RolloutHistory } from "./rollout-history.tsx";

export function RolloutPage() {
  const { id = "" } = useParams({ strict: false });
  const query = useRoute("rollout", { params: { id } });
  const [filter, setFilter] = useState<DeviceFilter>(ALL_DEVICES);
  return (
    <Page
      title={query.data?.name ?? "Rollout"}
      lead={<PageLink {...paths.rollouts()}>All rollouts</PageLink>}
      actions={query.data && <RolloutActions rollout={query.data} />}
    >
      <Loaded query={query}>
        {(rollout) => (
          <>
            <Halted rollout={rollout} />
            <Section title="Rollout">
              <RolloutFacts rollout={rollout} />
            </Section>
            <RolloutGroups groups={rollout.groups} onChoose={setFilter} />
            <RolloutHistory rollout={rollout} />
            <RolloutDevices
              id={rollout.id}
              groups={rollout.groups}
              filter={filter}
              onFilter={setFilter}
            />
          </>
        )}
      </Loaded>
    </Page>
  );
}

function Halted({ rollout: { halted } }: { readonly rollout: Rollout }) {
  if (halted === undefined) return null;
  return (
    <Alert
      color="red"
      variant="outline"
      className="note"
      icon={<IconAlertTriangle aria-hidden="true" />}
      title="It stopped by itself."
    >
      {halted.text} {halted.signal !== undefined && `Signal: ${SIGNAL[halted.signal]}. `}
      {halted.deviceId !== undefined && (
        <PageLink {...paths.device(halted.deviceId)}>{halted.hostname ?? "the device"}</PageLink>
      )}{" "}
      <span className="quiet">
        <When at={halted.at} /> <code>{halted.code}</code>
      </span>
      <div>Next: look at the devices below, then revert it, or resume it.</div>
    </Alert>
  );
}

function RolloutFacts({ rollout }: { readonly rollout: Rollout }) {
  const { gates } = rollout;
  return (
    <div className="columns">
      <Facts
        facts={[
          ["State", <RolloutMark key="state" state={rollout.state} />],
          ...(rollout.waitsFor === undefined ? [] : ([["Waits", rollout.waitsFor]] as const)),
          [
            "Protected",
            <ShareBar key="share" part={rollout.protectedDevices} all={rollout.devices} />,
          ],
          ["Quality update", <Target key="target" target={rollout.target} />],
          ["CVEs", <Cves key="cves" cves={rollout.cves} />],
        ]}
      />
      <Facts
        facts={[
          [
            "Created",
            <span key="created">
              <When at={rollout.createdAt} /> by {rollout.createdBy}
            </span>,
          ],
          [
            "Gates",
            `${share(gates.successThreshold, 1)} success, ${share(gates.errorThreshold, 1)} errors, soak ${counted(gates.soakHours, "hour")}${gates.approval ? ", approval of each group" : ""}`,
          ],
          [
            "Expedited",
            rollout.expedited
              ? (rollout.expediteReason ?? "yes")
              : "no: deferrals and soak times hold",
          ],
          [
            "SHA-256",
            <code key="digest" title={rollout.sha256}>
              {rollout.sha256.slice(0, 24)}…
            </code>,
          ],
        ]}
      />
    </div>
  );
}
