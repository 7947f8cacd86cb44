/** Quality update policies: who gets what, when. */
import { type Group, Permission, type Policy } from "@suture/contract";
import { useChange, useRoute } from "../api.ts";
import type { Column } from "../ui/data-table.tsx";
import { EditableListPage } from "../ui/editable-list-page.tsx";
import { Empty } from "../ui/empty.tsx";
import { count, counted, hours, share } from "../ui/numbers.ts";
import { WhenBy } from "../ui/when.tsx";
import { HOTPATCH, RESTART } from "../ui/words.ts";
import { windowText } from "./maintenance-windows.tsx";
import { PolicyEdit } from "./policy-edit.tsx";

export function PoliciesPage() {
  const groups = useRoute("groups").data ?? [];
  const remove = useChange("removePolicy");
  return (
    <EditableListPage
      title="Policies"
      lead="Quality update policies. Of several for a device, the one with the highest precedence holds."
      label="Quality update policies"
      noun="policy"
      permission={Permission.editPolicies}
      query={useRoute("policies")}
      columns={columnsOf(groups)}
      empty={
        <Empty title="There is no policy yet." command="suture admin apply -f policies.yaml">
          Without one every device has the defaults: hotpatches are allowed, health is watched for
          48 hours, no restart without a maintenance window. Make one with New policy, or from a
          file:
        </Empty>
      }
      edit={(policy, onClose) => <PolicyEdit policy={policy} onClose={onClose} />}
      removalEffect={(policy) =>
        `Concerns ${reach(policy, groups)}. The policy of the next lower precedence holds for them, or the defaults.`
      }
      remove={remove.mutateAsync}
    />
  );
}

const reach = ({ groupIds }: Policy, groups: readonly Group[]): string =>
  groupIds.length === 0
    ? "every device without a policy of higher precedence"
    : `the devices of ${groups
        .filter(({ id }) => groupIds.includes(id))
        .map(({ name, devices }) => `${name} (${count(devices)})`)
        .join(", ")}`;

const columnsOf = (groups: readonly Group[]): readonly Column<Policy>[] => [
  {
    id: "name",
    header: "Policy",
    cell: ({ name, description }) => (
      <>
        <strong>{name}</strong>
        {description !== undefined && <span className="second">{description}</span>}
      </>
    ),
  },
  {
    id: "precedence",
    header: "Precedence",
    isNumber: true,
    cell: ({ precedence }) => count(precedence),
  },
  {
    id: "groups",
    header: "For",
    cell: ({ groupIds }) =>
      groupIds.length === 0
        ? "all devices"
        : groupIds.map((id) => groups.find((group) => group.id === id)?.name ?? id).join(", "),
  },
  {
    id: "settings",
    header: "Settings",
    isWide: true,
    cell: (policy) => <Settings policy={policy} />,
  },
  {
    id: "changed",
    header: "Changed",
    cell: ({ changedAt, changedBy }) => <WhenBy at={changedAt} by={changedBy} />,
  },
];

const Settings = ({ policy: { settings, gates } }: { readonly policy: Policy }) => (
  <>
    <div>
      Hotpatch {HOTPATCH[settings.hotpatch]}
      {settings.hotpatchInWindowOnly && " in windows only"}. Restart{" "}
      {RESTART[settings.restart].toLowerCase()}. {settings.fallback ? "With" : "Without"} fallback.
    </div>
    <span className="second">
      {settings.windows.length === 0
        ? "No maintenance window: no restart by itself."
        : settings.windows.map(windowText).join("; ")}
    </span>
    <span className="second">
      Health watched for {hours(settings.health.hours)}. Gates: {share(gates.successThreshold, 1)}{" "}
      success, {share(gates.errorThreshold, 1)} errors, soak {counted(gates.soakHours, "hour")}
      {gates.approval && ", approval"}.
    </span>
  </>
);
