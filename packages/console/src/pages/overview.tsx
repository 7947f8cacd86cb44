/** The fleet on one page. */
import { type Overview, Permission } from "@suture/contract";
import { IconPlayerPause } from "@tabler/icons-react";
import { useState } from "react";
import { useChange, useRoute } from "../api.ts";
import { paths } from "../paths.ts";
import { Confirm } from "../ui/confirm.tsx";
import { DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { Figure } from "../ui/facts.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { count, counted, hours, monthName, share } from "../ui/numbers.ts";
import { Page, Section } from "../ui/page.tsx";
import { PageLink } from "../ui/page-link.tsx";
import { PermittedButton } from "../ui/permitted.tsx";
import { ShareBar, StateBar } from "../ui/state-bar.tsx";
import { RolloutMark } from "../ui/state-mark.tsx";
import { AlertList } from "./alert-list.tsx";
import { complianceParts, upToDate } from "./compliance-parts.ts";
import { NoDevices } from "./no-devices.tsx";

export function OverviewPage() {
  const overview = useRoute("overview");
  return (
    <Page
      title="Overview"
      actions={overview.data && !overview.data.paused && <PauseAll overview={overview.data} />}
    >
      <Loaded query={overview}>
        {(data) =>
          data.devices === 0 ? (
            <Section title="Devices">
              <NoDevices />
            </Section>
          ) : (
            <Fleet overview={data} />
          )
        }
      </Loaded>
    </Page>
  );
}

function Fleet({ overview }: { readonly overview: Overview }) {
  const { devices, exposure } = overview;
  return (
    <>
      <div className="figures">
        <Figure
          large
          label="Protected"
          value={share(upToDate(overview), devices)}
          note={`${count(upToDate(overview))} of ${counted(devices, "device")}, ${count(overview.connected)} connected`}
        />
        <Figure
          label="Exposure window"
          value={hours(exposure.medianHours)}
          note={
            <>
              median, 90 % within {hours(exposure.p90Hours)}
              <br />
              {counted(exposure.open, "device")} exposed still
            </>
          }
        />
        <Figure
          label="Restarts avoided"
          value={count(overview.restartsAvoided)}
          note="hotpatches applied where a service would have been restarted"
        />
        <Figure
          label="Next baseline"
          value={overview.nextBaseline === undefined ? "–" : calendarName(overview.nextBaseline)}
          note={<PageLink {...paths.catalog()}>Catalog and calendar</PageLink>}
        />
        <Figure
          label="Waiting for approval"
          value={count(overview.pendingApprovals)}
          note={<PageLink {...paths.approvals()}>Approvals</PageLink>}
        />
      </div>
      <Section title="Compliance of devices">
        <div className="section-body">
          <StateBar parts={complianceParts(overview.counts)} />
        </div>
      </Section>
      <ActiveRollouts overview={overview} />
      <Section
        title="Open alerts"
        note={count(overview.openAlerts.length)}
        actions={<PageLink {...paths.alerts()}>All alerts</PageLink>}
      >
        <AlertList alerts={overview.openAlerts} empty={<Empty title="No alert is open." />} />
      </Section>
    </>
  );
}

/** `2027-01` or `2027-01-12`. */
const calendarName = (text: string): string =>
  text.length === 7 ? monthName(text, "short") : text;

function ActiveRollouts({ overview }: { readonly overview: Overview }) {
  return (
    <Section
      title="Active rollouts"
      note={count(overview.activeRollouts.length)}
      actions={<PageLink {...paths.rollouts()}>All rollouts</PageLink>}
    >
      <DataTable
        label="Active rollouts"
        rows={overview.activeRollouts}
        rowId={({ id }) => id}
        columns={ROLLOUT_COLUMNS}
        empty={
          <Empty
            title="No rollout is active."
            action={<PageLink {...paths.newRollout()}>Draft a rollout</PageLink>}
          />
        }
      />
    </Section>
  );
}

type ActiveRollout = Overview["activeRollouts"][number];

const ROLLOUT_COLUMNS = [
  {
    id: "name",
    header: "Rollout",
    cell: ({ id, name }: ActiveRollout) => <PageLink {...paths.rollout(id)}>{name}</PageLink>,
  },
  {
    id: "state",
    header: "State",
    cell: ({ state }: ActiveRollout) => <RolloutMark state={state} />,
  },
  {
    id: "protected",
    header: "Protected",
    isWide: true,
    cell: ({ devices, protectedDevices }: ActiveRollout) => (
      <ShareBar part={protectedDevices} all={devices} />
    ),
  },
];

function PauseAll({ overview }: { readonly overview: Overview }) {
  const [isAsking, setAsking] = useState(false);
  const pause = useChange("pauseAll");
  return (
    <>
      <PermittedButton
        permission={Permission.operateRollouts}
        variant="default"
        leftSection={<IconPlayerPause size={15} />}
        onClick={() => setAsking(true)}
      >
        Pause everything
      </PermittedButton>
      {isAsking && (
        <Confirm
          title="Pause everything"
          effect={`Nothing is applied, reverted by plan or restarted on ${counted(
            overview.devices,
            "device",
          )} until everything is resumed; ${counted(
            overview.activeRollouts.length,
            "active rollout waits",
            "active rollouts wait",
          )}. What is applied stays, and its health is watched.`}
          verb="Pause everything"
          danger
          reason="required"
          act={(reason) => pause.mutateAsync({ body: { reason: reason ?? "" } })}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  );
}
