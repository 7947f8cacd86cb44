/** What runs on a device, and what is applied to it. */
import type { ComponentCompliance } from "@suture/contract";
import { paths } from "../paths.ts";
import { STATUS_COMMAND } from "../ui/commands.ts";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { count } from "../ui/numbers.ts";
import { Section } from "../ui/page.tsx";
import { PageLink } from "../ui/page-link.tsx";
import { ComplianceMark } from "../ui/state-mark.tsx";

const COLUMNS: readonly Column<ComponentCompliance>[] = [
  {
    id: "component",
    header: "Component",
    sortBy: ({ file }) => file,
    cell: ({ file, buildId, package: name, version }) => (
      <>
        <code>{file}</code>
        <span className="second line">
          {name === undefined ? "of no package" : `${name} ${version ?? ""}`}{" "}
          <code title={buildId}>{buildId.slice(0, 12)}…</code>
        </span>
      </>
    ),
  },
  {
    id: "state",
    header: "Compliance",
    isWide: true,
    sortBy: ({ compliance }) => compliance,
    cell: ({ compliance, reason }) => (
      <>
        <ComplianceMark state={compliance} />
        {reason !== undefined && <span className="second">{reason}</span>}
      </>
    ),
  },
  {
    id: "hotpatch",
    header: "Hotpatch",
    sortBy: ({ hotpatch }) => hotpatch ?? "",
    cell: ({ hotpatch }) => hotpatch ?? <span className="quiet">none</span>,
  },
  {
    id: "processes",
    header: "Processes",
    isNumber: true,
    sortBy: ({ processes }) => processes,
    cell: ({ processes, hotpatchedProcesses, outdatedProcesses }) => (
      <>
        {count(processes)}
        <span className="second">
          {count(hotpatchedProcesses)} hotpatched
          {outdatedProcesses > 0 && `, ${count(outdatedProcesses)} outdated`}
        </span>
      </>
    ),
  },
  {
    id: "open",
    header: "Open CVEs",
    sortBy: ({ openCves }) => -openCves.length,
    cell: ({ openCves }) => <Cves cves={openCves} />,
  },
  {
    id: "fixed",
    header: "Fixed in memory",
    sortBy: ({ fixedCves }) => -fixedCves.length,
    cell: ({ fixedCves }) => <Cves cves={fixedCves} />,
  },
];

/** Each leads to the devices that are exposed to it. */
export const Cves = ({ cves }: { readonly cves: readonly string[] }) =>
  cves.length === 0 ? (
    <span className="quiet">none</span>
  ) : (
    <span className="cves">
      {cves.map((cve) => (
        <PageLink key={cve} {...paths.devices({ cve })}>
          {cve}
        </PageLink>
      ))}
    </span>
  );

export const DeviceComponents = ({
  components,
}: {
  readonly components: readonly ComponentCompliance[];
}) => (
  <Section title="Components" note={count(components.length)}>
    <DataTable
      label="Components"
      rows={components}
      rowId={({ file, buildId }) => `${file} ${buildId}`}
      columns={COLUMNS}
      empty={
        <Empty title="No component is known yet." command={STATUS_COMMAND}>
          The agent tells them at its next check-in. To look on the machine itself:
        </Empty>
      }
    />
  </Section>
);
