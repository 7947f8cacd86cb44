/** Rollouts, newest first. */
import { Permission, type RolloutSummary } from "@suture/contract";
import { useNavigate } from "@tanstack/react-router";
import { useRoute } from "../api.ts";
import { paths } from "../paths.ts";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Page, Section } from "../ui/page.tsx";
import { PageLink } from "../ui/page-link.tsx";
import { PAGE_SIZE, Pager, usePages } from "../ui/pager.tsx";
import { PermittedButton } from "../ui/permitted.tsx";
import { ShareBar } from "../ui/state-bar.tsx";
import { RolloutMark } from "../ui/state-mark.tsx";
import { Target } from "../ui/target.tsx";
import { WhenBy } from "../ui/when.tsx";

const COLUMNS: readonly Column<RolloutSummary>[] = [
  {
    id: "name",
    header: "Rollout",
    cell: ({ id, name, target, expedited }) => (
      <>
        <PageLink {...paths.rollout(id)}>{name}</PageLink>
        {expedited && <span className="tag expedited">Expedited</span>}
        <span className="second line">
          <Target target={target} />
        </span>
      </>
    ),
  },
  {
    id: "state",
    header: "State",
    isWide: true,
    cell: ({ state, waitsFor }) => (
      <>
        <RolloutMark state={state} />
        {waitsFor !== undefined && <span className="second">{waitsFor}</span>}
      </>
    ),
  },
  {
    id: "protected",
    header: "Protected",
    cell: ({ protectedDevices, devices }) => <ShareBar part={protectedDevices} all={devices} />,
  },
  {
    id: "created",
    header: "Created",
    cell: ({ createdAt, createdBy }) => <WhenBy at={createdAt} by={createdBy} />,
  },
];

export function RolloutsPage() {
  const navigate = useNavigate();
  const pages = usePages("");
  const query = useRoute("rollouts", {
    query: { limit: PAGE_SIZE, ...(pages.cursor !== undefined && { cursor: pages.cursor }) },
  });
  return (
    <Page
      title="Rollouts"
      lead="One quality update on its way through the rings."
      actions={
        <PermittedButton
          permission={Permission.createRollouts}
          onClick={() => void navigate(paths.newRollout())}
        >
          New rollout
        </PermittedButton>
      }
    >
      <Section title="Rollouts" isPlain>
        <Loaded query={query}>
          {({ items, next, total }) => (
            <>
              <DataTable
                label="Rollouts"
                rows={items}
                rowId={({ id }) => id}
                columns={COLUMNS}
                empty={
                  <Empty
                    title="There is no rollout yet."
                    action={
                      <PageLink {...paths.catalog()}>Choose a hotpatch in the catalog</PageLink>
                    }
                  >
                    An author drafts one for a hotpatch, an approver approves it, and it goes
                    through the rings by itself.
                  </Empty>
                }
              />
              <Pager pages={pages} shown={items.length} total={total} next={next} noun="rollout" />
            </>
          )}
        </Loaded>
      </Section>
    </Page>
  );
}
