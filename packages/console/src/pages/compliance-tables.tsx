/** The report per CVE and per quality update. */
import type { CveCompliance, UpdateReport } from "@suture/contract";
import { paths } from "../paths.ts";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { count, hours } from "../ui/numbers.ts";
import { PageLink } from "../ui/page-link.tsx";
import { Bar, ShareBar } from "../ui/state-bar.tsx";
import { SeverityMark } from "../ui/state-mark.tsx";
import { Target } from "../ui/target.tsx";
import { Cves } from "./device-components.tsx";
import { statePartsOf } from "./rollout-groups.tsx";

const CVES: readonly Column<CveCompliance>[] = [
  {
    id: "cve",
    header: "CVE",
    sortBy: ({ cve }) => cve,
    cell: ({ cve }) => <PageLink {...paths.devices({ cve })}>{cve}</PageLink>,
  },
  {
    id: "severity",
    header: "Severity",
    cell: ({ severity }) => <SeverityMark severity={severity} />,
  },
  {
    id: "released",
    header: "Fix released",
    sortBy: ({ released }) => released,
    cell: ({ released }) => <span className="number when">{released}</span>,
  },
  {
    id: "protected",
    header: "Protected devices",
    isWide: true,
    sortBy: (row) => (row.concerned === 0 ? 1 : row.protected / row.concerned),
    cell: (row) => <ShareBar part={row.protected} all={row.concerned} />,
  },
  {
    id: "open",
    header: "Exposed still",
    isNumber: true,
    sortBy: ({ exposure }) => exposure.open,
    cell: ({ cve, exposure }) =>
      exposure.open === 0 ? (
        "0"
      ) : (
        <PageLink {...paths.devices({ cve })}>{count(exposure.open)}</PageLink>
      ),
  },
  {
    id: "median",
    header: "Median exposure",
    isNumber: true,
    sortBy: ({ exposure }) => exposure.medianHours ?? -1,
    cell: ({ exposure }) => hours(exposure.medianHours),
  },
  {
    id: "p90",
    header: "90 % within",
    isNumber: true,
    sortBy: ({ exposure }) => exposure.p90Hours ?? -1,
    cell: ({ exposure }) => hours(exposure.p90Hours),
  },
];

export const CveTable = ({ cves }: { readonly cves: readonly CveCompliance[] }) => (
  <DataTable
    label="Compliance per CVE"
    rows={cves}
    rowId={({ cve }) => cve}
    columns={CVES}
    empty={
      <Empty
        title="No quality update of the catalog concerns a device."
        action={<PageLink {...paths.catalog()}>Catalog</PageLink>}
      />
    }
  />
);

const UPDATES: readonly Column<UpdateReport>[] = [
  {
    id: "id",
    header: "Quality update",
    sortBy: ({ id }) => id,
    cell: ({ id, target }) => (
      <>
        <strong>{id}</strong>
        <span className="second line">
          <Target target={target} />
        </span>
      </>
    ),
  },
  { id: "cves", header: "CVEs", cell: ({ cves }) => <Cves cves={cves} /> },
  {
    id: "released",
    header: "Released",
    sortBy: ({ released }) => released,
    cell: ({ released }) => <span className="number when">{released}</span>,
  },
  {
    id: "concerned",
    header: "Devices",
    isNumber: true,
    sortBy: ({ concerned }) => concerned,
    cell: ({ concerned }) => count(concerned),
  },
  {
    id: "counts",
    header: "How they stand",
    isWide: true,
    cell: ({ counts }) => {
      const parts = statePartsOf(counts);
      const text = parts.map(({ name, value }) => `${name}: ${count(value)}`).join("; ");
      return (
        <>
          <Bar parts={parts} label={text} />
          <span className="second">{text}</span>
        </>
      );
    },
  },
];

export const UpdateReportTable = ({ updates }: { readonly updates: readonly UpdateReport[] }) => (
  <DataTable
    label="Compliance per quality update"
    rows={updates}
    rowId={({ target }) => target}
    columns={UPDATES}
    empty={<Empty title="No quality update of the catalog concerns a device." />}
  />
);
