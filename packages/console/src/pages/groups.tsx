/** Groups: fixed lists of devices, and dynamic scopes. */
import { type Group, Permission } from "@suture/contract";
import { useState } from "react";
import { useChange, useRoute } from "../api.ts";
import { paths } from "../paths.ts";
import { Confirm } from "../ui/confirm.tsx";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { count, counted } from "../ui/numbers.ts";
import { Page, Section } from "../ui/page.tsx";
import { PageLink } from "../ui/page-link.tsx";
import { PermittedButton } from "../ui/permitted.tsx";
import { RowActions } from "../ui/row-actions.tsx";
import { When } from "../ui/when.tsx";
import { GroupEdit } from "./group-edit.tsx";
import { scopeText } from "./scope-tree.ts";

type Dialog =
  | { readonly kind: "edit"; readonly group: Group | undefined }
  | { readonly kind: "remove"; readonly group: Group };

export function GroupsPage() {
  const query = useRoute("groups");
  const [dialog, setDialog] = useState<Dialog>();
  const close = () => setDialog(undefined);
  return (
    <Page
      title="Groups and scopes"
      lead="A group is a fixed list of devices, or a dynamic scope: a filter that is evaluated when a device changes. Policies and rollouts name groups."
      actions={
        <PermittedButton
          permission={Permission.editPolicies}
          onClick={() => setDialog({ kind: "edit", group: undefined })}
        >
          New group
        </PermittedButton>
      }
    >
      <Section title="Groups" isPlain>
        <Loaded query={query}>
          {(groups) => (
            <DataTable
              label="Groups"
              rows={groups}
              rowId={({ id }) => id}
              columns={columnsOf(setDialog)}
              empty={
                <Empty title="There is no group yet." command="suture admin apply -f groups.yaml">
                  Policies without a group are for every device. Make one with New group, or from a
                  file:
                </Empty>
              }
            />
          )}
        </Loaded>
      </Section>
      {dialog?.kind === "edit" && <GroupEdit group={dialog.group} onClose={close} />}
      {dialog?.kind === "remove" && <RemoveGroup group={dialog.group} onClose={close} />}
    </Page>
  );
}

function RemoveGroup({ group, onClose }: { readonly group: Group; readonly onClose: () => void }) {
  const remove = useChange("removeGroup");
  return (
    <Confirm
      title={`Remove ${group.name}`}
      effect={`Removes the group of ${counted(group.devices, "device")}. The devices stay enrolled.`}
      verb="Remove the group"
      danger
      act={() => remove.mutateAsync({ params: { id: group.id } })}
      onClose={onClose}
    />
  );
}

const columnsOf = (open: (dialog: Dialog) => void): Column<Group>[] => [
  {
    id: "name",
    header: "Group",
    sortBy: ({ name }) => name,
    cell: ({ name, description }) => (
      <>
        <strong>{name}</strong>
        {description !== undefined && <span className="second">{description}</span>}
      </>
    ),
  },
  {
    id: "scope",
    header: "Selects",
    isWide: true,
    cell: ({ scope }) =>
      scope === undefined ? (
        <span className="quiet">a fixed list</span>
      ) : (
        <>
          {scopeText(scope)}
          <span className="second">Dynamic scope</span>
        </>
      ),
  },
  {
    id: "devices",
    header: "Devices",
    isNumber: true,
    sortBy: ({ devices }) => devices,
    cell: ({ id, devices }) => (
      <PageLink {...paths.devices({ groupId: id })}>{count(devices)}</PageLink>
    ),
  },
  {
    id: "changed",
    header: "Changed",
    sortBy: ({ changedAt }) => changedAt,
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
    cell: (group) => (
      <RowActions
        permission={Permission.editPolicies}
        onEdit={() => open({ kind: "edit", group })}
        onRemove={() => open({ kind: "remove", group })}
      />
    ),
  },
];
