/** Who did what with a rollout, and who approved it. */
import type { Rollout } from "@suture/contract";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { Section } from "../ui/page.tsx";
import { StateMark } from "../ui/state-mark.tsx";
import { When } from "../ui/when.tsx";
import { wordsOf } from "../ui/words.ts";

type Step = Rollout["history"][number];
type Decision = Rollout["approvals"][number];

const HISTORY: readonly Column<Step>[] = [
  { id: "at", header: "When", cell: ({ at }) => <When at={at} /> },
  { id: "by", header: "Who", cell: ({ by }) => by },
  { id: "action", header: "What", cell: ({ action }) => wordsOf(action) },
  { id: "reason", header: "Reason", isWide: true, cell: ({ reason }) => reason ?? "" },
];

const APPROVALS: readonly Column<Decision>[] = [
  { id: "at", header: "When", cell: ({ at }) => <When at={at} /> },
  { id: "by", header: "Approver", cell: ({ by }) => by },
  {
    id: "approved",
    header: "Decision",
    cell: ({ approved }) => (
      <StateMark tone={approved ? "good" : "bad"}>{approved ? "Approved" : "Rejected"}</StateMark>
    ),
  },
  { id: "reason", header: "Reason", isWide: true, cell: ({ reason }) => reason ?? "" },
];

export const RolloutHistory = ({ rollout }: { readonly rollout: Rollout }) => (
  <div className="columns">
    <Section title="History">
      <DataTable
        label="History"
        rows={rollout.history}
        rowId={(step) => `${step.at} ${step.action} ${rollout.history.indexOf(step)}`}
        columns={HISTORY}
        empty={<Empty title="Nothing has happened with it yet." />}
      />
    </Section>
    <Section title="Approvals">
      <DataTable
        label="Approvals"
        rows={rollout.approvals}
        rowId={(decision) => `${decision.at} ${rollout.approvals.indexOf(decision)}`}
        columns={APPROVALS}
        empty={<Empty title="No approver has decided yet." />}
      />
    </Section>
  </div>
);
