/** What waits for an approver. Whoever wrote a rollout does not approve it. */
import { type Approval, Permission } from "@suture/contract";
import { useState } from "react";
import { useChange, useRoute } from "../api.ts";
import { paths } from "../paths.ts";
import { Confirm } from "../ui/confirm.tsx";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Page, Section } from "../ui/page.tsx";
import { PageLink } from "../ui/page-link.tsx";
import { PermittedButton } from "../ui/permitted.tsx";
import { When } from "../ui/when.tsx";

interface Asked {
  readonly approval: Approval;
  readonly action: "approve" | "reject";
}

export function ApprovalsPage() {
  const query = useRoute("approvals");
  const [asked, setAsked] = useState<Asked>();
  const act = useChange("actOnRollout");
  return (
    <Page
      title="Approvals"
      lead="Rollouts and groups that wait for an approver. Author is never approver."
    >
      <Section title="Waiting for approval" isPlain>
        <Loaded query={query}>
          {(approvals) => (
            <DataTable
              label="Waiting for approval"
              rows={approvals}
              rowId={({ rolloutId, group }) => `${rolloutId} ${group ?? ""}`}
              columns={columnsOf(setAsked)}
              empty={
                <Empty
                  title="Nothing waits for an approval."
                  action={<PageLink {...paths.rollouts()}>Rollouts</PageLink>}
                >
                  A rollout comes here when its author submits it, or when a group's gate asks for
                  an approval.
                </Empty>
              }
            />
          )}
        </Loaded>
      </Section>
      {asked !== undefined && (
        <Confirm
          title={`${asked.action === "approve" ? "Approve" : "Reject"} ${nameOf(asked.approval)}`}
          effect={
            asked.action === "approve"
              ? asked.approval.effect
              : `Goes back to ${asked.approval.author}. Nothing is applied.`
          }
          verb={asked.action === "approve" ? "Approve" : "Reject"}
          danger={asked.action === "reject"}
          reason={asked.action === "approve" ? "optional" : "required"}
          act={(reason) =>
            act.mutateAsync({
              params: { id: asked.approval.rolloutId },
              body: { action: asked.action, ...(reason !== undefined && { reason }) },
            })
          }
          onClose={() => setAsked(undefined)}
        />
      )}
    </Page>
  );
}

const nameOf = ({ rollout, group }: Approval): string =>
  group === undefined ? rollout : `${group} of ${rollout}`;

const columnsOf = (ask: (asked: Asked) => void): Column<Approval>[] => [
  {
    id: "rollout",
    header: "Rollout",
    cell: ({ rolloutId, rollout, group }) => (
      <>
        <PageLink {...paths.rollout(rolloutId)}>{rollout}</PageLink>
        <span className="second">
          {group === undefined ? "the whole rollout" : `group ${group}`}
        </span>
      </>
    ),
  },
  { id: "effect", header: "What an approval does", isWide: true, cell: ({ effect }) => effect },
  { id: "author", header: "Author", cell: ({ author }) => author },
  { id: "asked", header: "Asked", cell: ({ askedAt }) => <When at={askedAt} /> },
  {
    id: "actions",
    header: "Decision",
    cell: (approval) => (
      <span className="actions">
        {(["reject", "approve"] as const).map((action) => (
          <PermittedButton
            key={action}
            permission={Permission.approveRollouts}
            why={approval.allowed ? undefined : approval.why}
            variant={action === "approve" ? "filled" : "default"}
            size="compact-sm"
            onClick={() => ask({ approval, action })}
          >
            {action === "approve" ? "Approve" : "Reject"}
          </PermittedButton>
        ))}
      </span>
    ),
  },
];
