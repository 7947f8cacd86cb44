/** Devices in each compliance state, day by day: a chart, and the same as a table. */
import { type ComplianceReport, ComplianceState } from "@suture/contract";
import { useCallback } from "react";
import { Chart, type Palette } from "../ui/chart.tsx";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { count, share } from "../ui/numbers.ts";
import { COMPLIANCE_TONE } from "../ui/state-mark.tsx";
import { COMPLIANCE } from "../ui/words.ts";
import { upToDate } from "./compliance-parts.ts";

type Day = ComplianceReport["days"][number];
const STATES = Object.values(ComplianceState);

export function ComplianceOverTime({ days }: { readonly days: readonly Day[] }) {
  const option = useCallback((palette: Palette) => optionOf(days, palette), [days]);
  const last = days.at(-1);
  return (
    <>
      <Chart
        label={`Devices in each compliance state over ${days.length} days. Last: ${
          last === undefined ? "none" : shareOf(last)
        } up to date.`}
        height={280}
        option={option}
      />
      <details className="as-table">
        <summary>The same as a table</summary>
        <DataTable
          label="Compliance over time"
          rows={[...days].reverse()}
          rowId={({ day }) => day}
          columns={COLUMNS}
        />
      </details>
    </>
  );
}

const total = ({ counts }: Day): number => STATES.reduce((sum, state) => sum + counts[state], 0);
const shareOf = (day: Day): string => share(upToDate(day), total(day));

const COLUMNS: readonly Column<Day>[] = [
  { id: "day", header: "Day", cell: ({ day }) => <span className="number">{day}</span> },
  { id: "share", header: "Protected", isNumber: true, cell: shareOf },
  ...STATES.map(
    (state): Column<Day> => ({
      id: state,
      header: COMPLIANCE[state],
      isNumber: true,
      cell: ({ counts }) => count(counts[state]),
    }),
  ),
];

const optionOf = (days: readonly Day[], { tone, text, font, line, surface }: Palette) => ({
  grid: { left: 48, right: 12, top: 12, bottom: 56 },
  textStyle: { fontFamily: font, color: text },
  legend: {
    bottom: 0,
    icon: "rect",
    itemWidth: 11,
    itemHeight: 11,
    textStyle: { color: text, fontSize: 12, fontFamily: font },
  },
  tooltip: {
    trigger: "axis",
    backgroundColor: surface,
    borderColor: line,
    textStyle: { color: text, fontSize: 12 },
  },
  xAxis: {
    type: "category",
    data: days.map(({ day }) => day),
    boundaryGap: days.length < 3,
    axisLine: { lineStyle: { color: line } },
    axisTick: { show: false },
    axisLabel: { color: text, hideOverlap: true },
  },
  yAxis: {
    type: "value",
    minInterval: 1,
    splitLine: { lineStyle: { color: line } },
    axisLabel: { color: text },
  },
  series: STATES.map((state) => ({
    name: COMPLIANCE[state],
    // A single day has no line.
    type: days.length < 3 ? "bar" : "line",
    stack: "devices",
    symbol: "none",
    barMaxWidth: 60,
    lineStyle: { width: 0 },
    areaStyle: { opacity: 0.9 },
    color: tone(COMPLIANCE_TONE[state]),
    data: days.map(({ counts }) => counts[state]),
  })),
});
