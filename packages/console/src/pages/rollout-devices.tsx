/** The devices of a rollout, by group and state. */
import { Button, Select } from "@mantine/core";
import { DeviceUpdateState, type RolloutDevice, type RolloutGroup } from "@suture/contract";
import { useRoute } from "../api.ts";
import { paths } from "../paths.ts";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Section } from "../ui/page.tsx";
import { PageLink } from "../ui/page-link.tsx";
import { PAGE_SIZE, Pager, usePages } from "../ui/pager.tsx";
import { UpdateMark } from "../ui/state-mark.tsx";
import { When } from "../ui/when.tsx";
import { SIGNAL, UPDATE_STATE } from "../ui/words.ts";

export interface DeviceFilter {
  readonly ringId?: string | undefined;
  readonly state?: DeviceUpdateState | undefined;
}
export const ALL_DEVICES: DeviceFilter = {};

const COLUMNS: readonly Column<RolloutDevice>[] = [
  {
    id: "device",
    header: "Device",
    cell: ({ deviceId, hostname }) => <PageLink {...paths.device(deviceId)}>{hostname}</PageLink>,
  },
  { id: "ring", header: "Ring", cell: ({ ring }) => ring },
  { id: "state", header: "State", cell: ({ state }) => <UpdateMark state={state} /> },
  {
    id: "detail",
    header: "Why",
    isWide: true,
    cell: ({ code, detail, signal }) => (
      <>
        {signal !== undefined && `${SIGNAL[signal]}. `}
        {detail} {code !== undefined && <code>{code}</code>}
      </>
    ),
  },
  { id: "at", header: "Since", cell: ({ at }) => <When at={at} none="–" /> },
];

interface RolloutDevicesProps {
  readonly id: string;
  readonly groups: readonly RolloutGroup[];
  readonly filter: DeviceFilter;
  readonly onFilter: (filter: DeviceFilter) => void;
}

export function RolloutDevices({ id, groups, filter, onFilter }: RolloutDevicesProps) {
  const { ringId, state } = filter;
  const pages = usePages(JSON.stringify([id, filter]));
  const query = useRoute("rolloutDevices", {
    params: { id },
    query: {
      limit: PAGE_SIZE,
      ...(ringId !== undefined && { ringId }),
      ...(state !== undefined && { state }),
      ...(pages.cursor !== undefined && { cursor: pages.cursor }),
    },
  });
  return (
    <Section title="Devices">
      <div className="filters">
        <Select
          label="Group"
          placeholder="Any"
          clearable
          clearButtonProps={{ "aria-label": "Any group" }}
          w={160}
          data={groups.map((group) => ({ value: group.ringId, label: group.name }))}
          value={ringId ?? null}
          onChange={(chosen) => onFilter({ ...filter, ringId: chosen ?? undefined })}
        />
        <Select
          label="State"
          placeholder="Any"
          clearable
          clearButtonProps={{ "aria-label": "Any state" }}
          w={240}
          data={Object.values(DeviceUpdateState).map((one) => ({
            value: one,
            label: UPDATE_STATE[one],
          }))}
          value={state ?? null}
          onChange={(chosen) =>
            onFilter({
              ...filter,
              state: Object.values(DeviceUpdateState).find((one) => one === chosen),
            })
          }
        />
        {(ringId !== undefined || state !== undefined) && (
          <Button variant="subtle" size="sm" onClick={() => onFilter(ALL_DEVICES)}>
            Clear
          </Button>
        )}
      </div>
      <Loaded query={query}>
        {({ items, next, total }) => (
          <>
            <DataTable
              label="Devices of the rollout"
              rows={items}
              rowId={({ deviceId }) => deviceId}
              columns={COLUMNS}
              empty={<Empty title="No device of the rollout is in this state." />}
            />
            <Pager pages={pages} shown={items.length} total={total} next={next} noun="device" />
          </>
        )}
      </Loaded>
    </Section>
  );
}
