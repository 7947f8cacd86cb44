/** How far a device is with each quality update. */
import type { TargetProgress } from "@suture/contract";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { count, microseconds } from "../ui/numbers.ts";
import { Section } from "../ui/page.tsx";
import { UpdateMark } from "../ui/state-mark.tsx";
import { Target } from "../ui/target.tsx";
import { When } from "../ui/when.tsx";
import { SIGNAL } from "../ui/words.ts";

const COLUMNS: readonly Column<TargetProgress>[] = [
  { id: "target", header: "Quality update", cell: ({ target }) => <Target target={target} /> },
  {
    id: "state",
    header: "State",
    isWide: true,
    cell: ({ state, code, detail, signal }) => (
      <>
        <UpdateMark state={state} />
        {(signal ?? code ?? detail) !== undefined && (
          <span className="second">
            {signal !== undefined && `${SIGNAL[signal]}. `}
            {detail} {code !== undefined && <code>{code}</code>}
          </span>
        )}
      </>
    ),
  },
  {
    id: "pause",
    header: "Pause",
    isNumber: true,
    cell: ({ pauseMicroseconds }) =>
      pauseMicroseconds === undefined ? "–" : microseconds(pauseMicroseconds),
  },
  {
    id: "processes",
    header: "Processes",
    isNumber: true,
    cell: ({ processes }) => (processes === undefined ? "–" : count(processes)),
  },
  { id: "at", header: "Since", cell: ({ at }) => <When at={at} /> },
];

export const DeviceProgress = ({ progress }: { readonly progress: readonly TargetProgress[] }) => (
  <Section title="Quality updates" note={count(progress.length)}>
    <DataTable
      label="Quality updates"
      rows={progress}
      rowId={({ target }) => target}
      columns={COLUMNS}
      empty={<Empty title="No rollout has offered it anything yet." />}
    />
  </Section>
);
