/** All devices: filtered, sorted and in pages by the server. */
import type { DeviceSummary } from "@suture/contract";
import { useRoute } from "../api.ts";
import { paths } from "../paths.ts";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { count } from "../ui/numbers.ts";
import { Page, Section } from "../ui/page.tsx";
import { PageLink } from "../ui/page-link.tsx";
import { PAGE_SIZE, Pager, usePages } from "../ui/pager.tsx";
import { ComplianceMark, ReadinessMark, StateMark } from "../ui/state-mark.tsx";
import { Tags } from "../ui/tags.tsx";
import { When } from "../ui/when.tsx";
import { DeviceFilters, useDeviceSearch } from "./device-filters.tsx";
import { NoDevices } from "./no-devices.tsx";

const COLUMNS: readonly Column<DeviceSummary>[] = [
  {
    id: "hostname",
    header: "Device",
    cell: ({ id, hostname, system }) => (
      <>
        <PageLink {...paths.device(id)}>{hostname}</PageLink>
        <span className="second line" title={system}>
          {system}
        </span>
      </>
    ),
  },
  {
    id: "compliance",
    header: "Compliance",
    isWide: true,
    cell: ({ compliance, reason }) => (
      <>
        <ComplianceMark state={compliance} />
        {reason !== undefined && <span className="second">{reason}</span>}
      </>
    ),
  },
  {
    id: "readiness",
    header: "Readiness",
    cell: ({ readiness }) => <ReadinessMark state={readiness} />,
  },
  {
    id: "cves",
    header: "Open CVEs",
    isNumber: true,
    cell: ({ openCves }) => count(openCves),
  },
  {
    id: "ring",
    header: "Ring",
    cell: ({ ring }) => ring ?? <span className="quiet">none</span>,
  },
  { id: "tags", header: "Tags", cell: ({ tags }) => <Tags tags={tags} most={2} /> },
  {
    id: "seen",
    header: "Last seen",
    cell: ({ connected, lastSeenAt }) =>
      connected ? <StateMark tone="good">Connected</StateMark> : <When at={lastSeenAt} />,
  },
];

export function DevicesPage() {
  const { search, change } = useDeviceSearch();
  const pages = usePages(JSON.stringify(search));
  const isFiltered = Object.keys(search).some((name) => name !== "sort");
  const query = useRoute("devices", {
    query: {
      ...search,
      limit: PAGE_SIZE,
      ...(pages.cursor !== undefined && { cursor: pages.cursor }),
    },
  });
  return (
    <Page title="Devices" lead="Every enrolled machine, how it stands, and why.">
      <Section title="Devices" isPlain>
        <DeviceFilters search={search} change={change} />
        <Loaded query={query}>
          {({ items, next, total }) => (
            <>
              <DataTable
                label="Devices"
                rows={items}
                rowId={({ id }) => id}
                columns={COLUMNS}
                empty={
                  isFiltered ? (
                    <Empty
                      title="No device fits the filter."
                      action={<PageLink {...paths.devices()}>Show all devices</PageLink>}
                    />
                  ) : (
                    <NoDevices />
                  )
                }
              />
              <Pager pages={pages} shown={items.length} total={total} next={next} noun="device" />
            </>
          )}
        </Loaded>
      </Section>
    </Page>
  );
}
