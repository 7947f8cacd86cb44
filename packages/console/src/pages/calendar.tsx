/** The calendar of the release channel: signed data, twelve months or more. */
import type { CalendarRelease } from "@suture/contract";
import { CALENDAR_COMMAND } from "../ui/commands.ts";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { monthName } from "../ui/numbers.ts";
import { Section } from "../ui/page.tsx";
import { UPDATE_KIND } from "../ui/words.ts";

const COLUMNS: readonly Column<CalendarRelease>[] = [
  { id: "month", header: "Month", cell: ({ month }) => monthName(month) },
  {
    id: "kind",
    header: "Kind",
    cell: ({ kind }) =>
      kind === "baseline" ? <strong>{UPDATE_KIND[kind]}</strong> : UPDATE_KIND[kind],
  },
  {
    id: "restart",
    header: "Restart",
    cell: ({ kind }) => (kind === "baseline" ? "needed" : "not needed"),
  },
  {
    id: "day",
    header: "Day",
    cell: ({ day }) => day ?? <span className="quiet">not announced</span>,
  },
  { id: "note", header: "Note", isWide: true, cell: ({ note }) => note ?? "" },
];

export const Calendar = ({ releases }: { readonly releases: readonly CalendarRelease[] }) => (
  <Section title="Calendar">
    <DataTable
      label="Calendar"
      rows={releases}
      rowId={({ month, kind, day }) => `${month} ${kind} ${day ?? ""}`}
      columns={COLUMNS}
      empty={
        <Empty title="The release channel has no calendar." command={CALENDAR_COMMAND}>
          Whoever publishes the channel adds one:
        </Empty>
      }
    />
  </Section>
);
