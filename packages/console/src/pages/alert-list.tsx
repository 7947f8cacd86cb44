/** Alerts with what to do about each. */
import { type Alert, Permission } from "@suture/contract";
import type { ReactNode } from "react";
import { useChange } from "../api.ts";
import { paths } from "../paths.ts";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { ErrorNote } from "../ui/error-note.tsx";
import { PageLink } from "../ui/page-link.tsx";
import { PermittedButton } from "../ui/permitted.tsx";
import { SeverityMark } from "../ui/state-mark.tsx";
import { When } from "../ui/when.tsx";

interface AlertListProps {
  readonly alerts: readonly Alert[];
  readonly empty: ReactNode;
}

export function AlertList({ alerts, empty }: AlertListProps) {
  const acknowledge = useChange("acknowledgeAlert");
  const columns: Column<Alert>[] = [
    {
      id: "severity",
      header: "Severity",
      cell: ({ severity, raisedAt }) => (
        <>
          <SeverityMark severity={severity} />
          <span className="second">
            <When at={raisedAt} />
          </span>
        </>
      ),
    },
    { id: "text", header: "Alert", isWide: true, cell: (alert) => <AlertText alert={alert} /> },
    {
      id: "state",
      header: "Looked after by",
      cell: ({ id, acknowledgedBy, resolvedAt }) => {
        if (resolvedAt !== undefined)
          return (
            <span className="quiet">
              Resolved <When at={resolvedAt} />
            </span>
          );
        if (acknowledgedBy !== undefined) return acknowledgedBy;
        return (
          <PermittedButton
            permission={Permission.operateRollouts}
            variant="default"
            size="compact-xs"
            loading={acknowledge.isPending && acknowledge.variables.params?.id === id}
            onClick={() => acknowledge.mutate({ params: { id } })}
          >
            Acknowledge
          </PermittedButton>
        );
      },
    },
  ];
  return (
    <>
      <ErrorNote error={acknowledge.error} />
      <DataTable
        label="Alerts"
        rows={alerts}
        rowId={({ id }) => id}
        columns={columns}
        empty={empty}
      />
    </>
  );
}

const AlertText = ({ alert }: { readonly alert: Alert }) => (
  <>
    <div>{alert.text}</div>
    <span className="second">Next: {alert.remediation}</span>
    <span className="second links">
      {alert.deviceId !== undefined && (
        <PageLink {...paths.device(alert.deviceId)}>Device {alert.hostname ?? ""}</PageLink>
      )}
      {alert.rolloutId !== undefined && (
        <PageLink {...paths.rollout(alert.rolloutId)}>Open the rollout</PageLink>
      )}
      <code>{alert.code}</code>
    </span>
  </>
);
