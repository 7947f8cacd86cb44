/** The quality updates of the catalog. */
import { Permission, type QualityUpdate } from "@suture/contract";
import { useNavigate } from "@tanstack/react-router";
import type { ReactNode } from "react";
import { paths } from "../paths.ts";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { PermittedButton } from "../ui/permitted.tsx";
import { ShareBar } from "../ui/state-bar.tsx";
import { SeverityMark } from "../ui/state-mark.tsx";
import { Target } from "../ui/target.tsx";
import { UPDATE_KIND } from "../ui/words.ts";
import { Cves } from "./device-components.tsx";

const SEVERITY_ORDER = ["critical", "important", "moderate", "low"];

interface UpdateTableProps {
  readonly updates: readonly QualityUpdate[];
  readonly empty: ReactNode;
}

export function UpdateTable({ updates, empty }: UpdateTableProps) {
  const navigate = useNavigate();
  const columns: Column<QualityUpdate>[] = [
    {
      id: "id",
      header: "Quality update",
      isWide: true,
      sortBy: ({ id }) => id,
      cell: (update) => <Update update={update} />,
    },
    {
      id: "severity",
      header: "Severity",
      sortBy: ({ severity }) => SEVERITY_ORDER.indexOf(severity),
      cell: ({ severity }) => <SeverityMark severity={severity} />,
    },
    { id: "cves", header: "CVEs", cell: ({ cves }) => <Cves cves={cves} /> },
    {
      id: "released",
      header: "Released",
      sortBy: ({ released }) => released,
      cell: ({ released }) => <span className="number when">{released}</span>,
    },
    {
      id: "protected",
      header: "Devices that have it",
      sortBy: ({ devicesConcerned }) => devicesConcerned,
      cell: ({ devicesConcerned, devicesProtected }) =>
        devicesConcerned === 0 ? (
          <span className="quiet">concerns no device</span>
        ) : (
          <ShareBar part={devicesProtected} all={devicesConcerned} />
        ),
    },
    {
      id: "actions",
      header: "Rollout",
      cell: ({ target, withdrawn, kind }) => (
        <PermittedButton
          permission={Permission.createRollouts}
          why={whyNot(withdrawn !== undefined, kind)}
          variant="default"
          size="compact-sm"
          onClick={() => void navigate(paths.newRollout(target))}
        >
          Draft
        </PermittedButton>
      ),
    },
  ];
  return (
    <DataTable
      label="Quality updates"
      rows={updates}
      rowId={({ target }) => target}
      columns={columns}
      empty={empty}
    />
  );
}

function whyNot(isWithdrawn: boolean, kind: QualityUpdate["kind"]): string | undefined {
  if (isWithdrawn) return "It is withdrawn: no device applies it any more.";
  return kind === "baseline"
    ? "A baseline comes by the package manager and a restart, not by a rollout."
    : undefined;
}

function Update({ update }: { readonly update: QualityUpdate }) {
  const { id, kind, target, components, leftOut, withdrawn, restartNeeded } = update;
  const named = components.map(({ file, package: name, version }) =>
    name === undefined ? file : `${name} ${version ?? ""}`,
  );
  return (
    <>
      <strong>{id}</strong> <span className="quiet">{UPDATE_KIND[kind]}</span>
      <span className="second">
        {named.slice(0, 3).join(", ")}
        {named.length > 3 && ` and ${named.length - 3} more`}
      </span>
      <span className="second">
        <Target target={target} />
      </span>
      {restartNeeded && <span className="second">Needs a restart.</span>}
      {withdrawn !== undefined && (
        <span className="second warn">
          Withdrawn on {withdrawn.date}: {withdrawn.reason}
        </span>
      )}
      {leftOut.map(({ source, cves, reason }) => (
        <span key={source} className="second">
          Does not bring {cves.length > 0 ? cves.join(", ") : source}: {reason}
        </span>
      ))}
    </>
  );
}
