/** Groups: fixed lists of devices, and dynamic scopes. */
import { type Group, Permission } from "@suture/contract";
import { useChange, useRoute } from "../api.ts";
import { paths } from "../paths.ts";
import type { Column } from "../ui/data-table.tsx";
import { EditableListPage } from "../ui/editable-list-page.tsx";
import { Empty } from "../ui/empty.tsx";
import { count, counted } from "../ui/numbers.ts";
import { PageLink } from "../ui/page-link.tsx";
import { WhenBy } from "../ui/when.tsx";
import { GroupEdit } from "./group-edit.tsx";
import { scopeText } from "./scope-tree.ts";

export function GroupsPage() {
  const remove = useChange("removeGroup");
  return (
    <EditableListPage
      title="Groups and scopes"
      lead="A group is a fixed list of devices, or a dynamic scope: a filter that is evaluated when a device changes. Policies and rollouts name groups."
      label="Groups"
      noun="group"
      permission={Permission.editPolicies}
      query={useRoute("groups")}
      columns={COLUMNS}
      empty={
        <Empty title="There is no group yet." command="suture admin apply -f groups.yaml">
          Policies without a group are for every device. Make one with New group, or from a file:
        </Empty>
      }
      edit={(group, onClose) => <GroupEdit group={group} onClose={onClose} />}
      removalEffect={({ devices }) =>
        `Removes the group of ${counted(devices, "device")}. The devices stay enrolled.`
      }
      remove={remove.mutateAsync}
    />
  );
}

const COLUMNS: readonly Column<Group>[] = [
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
    cell: ({ changedAt, changedBy }) => <WhenBy at={changedAt} by={changedBy} />,
  },
];
