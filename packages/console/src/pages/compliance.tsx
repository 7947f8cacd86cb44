/** Who is protected, who is not: per CVE, per quality update, and over time. */
import { Button } from "@mantine/core";
import { type ComplianceReport, ROUTES } from "@suture/contract";
import { IconDownload } from "@tabler/icons-react";
import { useRoute } from "../api.ts";
import { Empty } from "../ui/empty.tsx";
import { Figure } from "../ui/facts.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { count, counted, hours, share } from "../ui/numbers.ts";
import { Page, Section } from "../ui/page.tsx";
import { StateBar } from "../ui/state-bar.tsx";
import { When } from "../ui/when.tsx";
import { ComplianceOverTime } from "./compliance-over-time.tsx";
import { complianceParts, upToDate } from "./compliance-parts.ts";
import { CveTable, UpdateReportTable } from "./compliance-tables.tsx";
import { NoDevices } from "./no-devices.tsx";

export function CompliancePage() {
  const query = useRoute("compliance");
  return (
    <Page
      title="Compliance"
      lead={
        query.data && (
          <>
            The hotpatch quality update report, as of <When at={query.data.at} />.
          </>
        )
      }
      actions={
        <Button
          component="a"
          href={ROUTES.complianceCsv.path}
          download="compliance.csv"
          variant="default"
          leftSection={<IconDownload size={15} />}
        >
          Download as CSV
        </Button>
      }
    >
      <Loaded query={query}>
        {(report) =>
          report.devices === 0 ? (
            <Section title="Devices" isPlain>
              <NoDevices />
            </Section>
          ) : (
            <Report report={report} />
          )
        }
      </Loaded>
    </Page>
  );
}

const Report = ({ report }: { readonly report: ComplianceReport }) => (
  <>
    <div className="figures">
      <Figure
        label="Protected"
        value={share(upToDate(report), report.devices)}
        note={`${count(upToDate(report))} of ${counted(report.devices, "device")}`}
      />
      <Figure
        label="Exposure window, median"
        value={hours(report.exposure.medianHours)}
        note="from the release of a fix until devices were protected"
      />
      <Figure label="Exposure window, 90 %" value={hours(report.exposure.p90Hours)} />
      <Figure
        label="Exposed still"
        value={count(report.exposure.open)}
        note={report.exposure.open === 1 ? "device" : "devices"}
      />
      <Figure label="Restarts avoided" value={count(report.restartsAvoided)} />
    </div>
    <Section title="Compliance of devices">
      <div className="section-body">
        <StateBar parts={complianceParts(report.counts)} />
      </div>
    </Section>
    <Section title="Over time" note="devices in each state, day by day">
      <div className="section-body">
        {report.days.length === 0 ? (
          <Empty title="The first day is not over yet." />
        ) : (
          <ComplianceOverTime days={report.days} />
        )}
      </div>
    </Section>
    <Section title="Per CVE" note={count(report.cves.length)}>
      <CveTable cves={report.cves} />
    </Section>
    <Section title="Per quality update" note={count(report.updates.length)}>
      <UpdateReportTable updates={report.updates} />
    </Section>
  </>
);
