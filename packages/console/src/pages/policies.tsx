/** Quality update policies: who gets what, when. */
import { type Group, Permission, type Policy } from "@suture/contract";
import { useState } from "react";
import { useChange, useRoute } from "../api.ts";
import { Confirm } from "../ui/confirm.tsx";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { count, counted, hours, share } from "../ui/numbers.ts";
import { Page, Section } from "../ui/page.tsx";
import { PermittedButton } from "../ui/permitted.tsx";
import { RowActions } from "../ui/row-actions.tsx";
import { When } from "../ui/when.tsx";
import { HOTPATCH, RESTART } from "../ui/words.ts";
import { windowText } from "./maintenance-windows.tsx";
import { PolicyEdit } from "./policy-edit.tsx";

type Dialog =
  | { readonly kind: "edit"; readonly policy: Policy | undefined }
  | { readonly kind: "remove"; readonly policy: Policy };

export function PoliciesPage() {
  const query = useRoute("policies");
  const groups = useRoute("groups").data ?? [];
  const [dialog, setDialog] = useState<Dialog>();
  const close = () => setDialog(undefined);
  return (
    <Page
      title="Policies"
      lead="Quality update policies. Of several for a device, the one with the highest precedence holds."
      actions={
        <PermittedButton
          permission={Permission.editPolicies}
          onClick={() => setDialog({ kind: "edit", policy: undefined })}
        >
          New policy
        </PermittedButton>
      }
    >
      <Section title="Quality update policies" isPlain>
        <Loaded query={query}>
          {(policies) => (
            <DataTable
              label="Quality update policies"
              rows={policies}
              rowId={({ id }) => id}
              columns={columnsOf(groups, setDialog)}
              empty={
                <Empty
                  title="There is no policy yet."
                  command="suture admin apply -f policies.yaml"
                >
                  Without one every device has the defaults: hotpatches are allowed, health is
                  watched for 48 hours, no restart without a maintenance window. Make one with New
                  policy, or from a file:
                </Empty>
              }
            />
          )}
        </Loaded>
      </Section>
      {dialog?.kind === "edit" && <PolicyEdit policy={dialog.policy} onClose={close} />}
      {dialog?.kind === "remove" && (
        <RemovePolicy
          policy={dialog.policy}
          devices={reach(dialog.policy, groups)}
          onClose={close}
        />
      )}
    </Page>
  );
}

const reach = ({ groupIds }: Policy, groups: readonly Group[]): string =>
  groupIds.length === 0
    ? "every device without a policy of higher precedence"
    : `the devices of ${groups
        .filter(({ id }) => groupIds.includes(id))
        .map(({ name, devices }) => `${name} (${count(devices)})`)
        .join(", ")}`;

interface RemovePolicyProps {
  readonly policy: Policy;
  readonly devices: string;
  readonly onClose: () => void;
}

function RemovePolicy({ policy, devices, onClose }: RemovePolicyProps) {
  const remove = useChange("removePolicy");
  return (
    <Confirm
      title={`Remove ${policy.name}`}
      effect={`Concerns ${devices}. The policy of the next lower precedence holds for them, or the defaults.`}
      verb="Remove the policy"
      danger
      act={() => remove.mutateAsync({ params: { id: policy.id } })}
      onClose={onClose}
    />
  );
}

const columnsOf = (groups: readonly Group[], open: (dialog: Dialog) => void): Column<Policy>[] => [
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
    cell: ({ changedAt, changedBy }) => (
      <>
        <When at={changedAt} />
        <span className="second">{changedBy}</span>
      </>
    ),
  },
  {
    id: "actions",
    header: "Change",
    cell: (policy) => (
      <RowActions
        permission={Permission.editPolicies}
        onEdit={() => open({ kind: "edit", policy })}
        onRemove={() => open({ kind: "remove", policy })}
      />
    ),
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
