/** Makes or changes a group: its name, and either its devices or its dynamic scope. */
import { SegmentedControl, Textarea } from "@mantine/core";
import { type Group, GroupDraft } from "@suture/contract";
import { useChange } from "../api.ts";
import { fieldProblem } from "../ui/field-problem.ts";
import { NameField } from "../ui/fields.tsx";
import { FormDialog } from "../ui/form-dialog.tsx";
import { DevicePicker } from "./device-picker.tsx";
import { ScopeEditor } from "./scope-editor.tsx";
import { EMPTY_SCOPE, isComplete, nodeOfScope, type ScopeNode, scopeOfNode } from "./scope-tree.ts";

interface Draft {
  readonly name: string;
  readonly description: string;
  readonly kind: "scope" | "devices";
  readonly scope: ScopeNode;
  readonly deviceIds: readonly string[];
}

const draftOf = (group: Group | undefined): Draft => ({
  name: group?.name ?? "",
  description: group?.description ?? "",
  kind: group?.deviceIds === undefined ? "scope" : "devices",
  scope: group?.scope === undefined ? EMPTY_SCOPE : nodeOfScope(group.scope),
  deviceIds: group?.deviceIds ?? [],
});

const bodyOf = ({ name, description, kind, scope, deviceIds }: Draft): GroupDraft => ({
  name,
  ...(description !== "" && { description }),
  ...(kind === "scope" ? { scope: scopeOfNode(scope) } : { deviceIds: [...deviceIds] }),
});

interface GroupEditProps {
  readonly group: Group | undefined;
  readonly onClose: () => void;
}

export function GroupEdit({ group, onClose }: GroupEditProps) {
  const create = useChange("createGroup");
  const change = useChange("changeGroup");
  return (
    <FormDialog
      title={group === undefined ? "New group" : `Edit ${group.name}`}
      initial={draftOf(group)}
      check={(draft) => ({
        name: fieldProblem(GroupDraft.properties.name, draft.name),
        scope:
          draft.kind === "scope" && !isComplete(draft.scope)
            ? "Give every condition a value."
            : undefined,
      })}
      verb="Save"
      submit={(draft) =>
        group === undefined
          ? create.mutateAsync({ body: bodyOf(draft) })
          : change.mutateAsync({ params: { id: group.id }, body: bodyOf(draft) })
      }
      onClose={onClose}
    >
      {({ value, set, problems, field }) => (
        <>
          <NameField {...field("name")} />
          <Textarea
            label="Description"
            value={value.description}
            onChange={(event) => set("description", event.currentTarget.value)}
          />
          <SegmentedControl
            aria-label="Kind of group"
            value={value.kind}
            onChange={(kind) => set("kind", kind === "scope" ? "scope" : "devices")}
            data={[
              { value: "scope", label: "Dynamic scope" },
              { value: "devices", label: "Fixed list of devices" },
            ]}
          />
          {value.kind === "scope" ? (
            <div>
              <ScopeEditor node={value.scope} onChange={(scope) => set("scope", scope)} />
              {problems.scope !== undefined && (
                <p className="problem" role="alert">
                  {problems.scope}
                </p>
              )}
            </div>
          ) : (
            <DevicePicker
              groupId={group?.id}
              chosen={value.deviceIds}
              onChange={(deviceIds) => set("deviceIds", deviceIds)}
            />
          )}
        </>
      )}
    </FormDialog>
  );
}
