/** Makes or changes a quality update policy. */
import { Checkbox, Select, Textarea } from "@mantine/core";
import {
  GATES_DEFAULT,
  HotpatchSetting,
  POLICY_DEFAULT,
  type Policy,
  PolicyDraft,
  RestartSetting,
} from "@suture/contract";
import { useChange } from "../api.ts";
import { fieldProblem } from "../ui/field-problem.ts";
import { GroupsField, NameField, NumberField } from "../ui/fields.tsx";
import { FormDialog } from "../ui/form-dialog.tsx";
import { HOTPATCH, RESTART } from "../ui/words.ts";
import { GatesFields, gatesProblem } from "./gates-fields.tsx";
import {
  HealthFields,
  healthProblem,
  type ProbeText,
  probeText,
  withProbe,
} from "./health-fields.tsx";
import { MaintenanceWindows, windowsProblem } from "./maintenance-windows.tsx";

/** As the contract has it, but the probe's command is one text. */
interface Draft extends PolicyDraft {
  readonly probe: ProbeText;
}

const draftOf = (policy: Policy | undefined): Draft => {
  const settings = policy?.settings ?? POLICY_DEFAULT;
  return {
    name: policy?.name ?? "",
    description: policy?.description ?? "",
    groupIds: policy?.groupIds ?? [],
    precedence: policy?.precedence ?? 100,
    settings,
    gates: policy?.gates ?? GATES_DEFAULT,
    probe: probeText(settings.health),
  };
};

const bodyOf = ({ probe, description = "", settings, ...draft }: Draft): PolicyDraft => ({
  ...draft,
  ...(description !== "" && { description }),
  settings: { ...settings, health: withProbe(settings.health, probe) },
});

const check = ({ name, precedence, settings, gates, probe }: Draft) => ({
  name: fieldProblem(PolicyDraft.properties.name, name),
  precedence: fieldProblem(PolicyDraft.properties.precedence, precedence),
  settings: windowsProblem(settings.windows),
  probe: healthProblem(settings.health, probe),
  gates: gatesProblem(gates),
});

interface PolicyEditProps {
  readonly policy: Policy | undefined;
  readonly onClose: () => void;
}

export function PolicyEdit({ policy, onClose }: PolicyEditProps) {
  const create = useChange("createPolicy");
  const change = useChange("changePolicy");
  return (
    <FormDialog
      title={policy === undefined ? "New policy" : `Edit ${policy.name}`}
      size="xl"
      initial={draftOf(policy)}
      check={check}
      verb="Save"
      submit={(draft) =>
        policy === undefined
          ? create.mutateAsync({ body: bodyOf(draft) })
          : change.mutateAsync({ params: { id: policy.id }, body: bodyOf(draft) })
      }
      onClose={onClose}
    >
      {({ value, set, problems, field }) => {
        const { settings } = value;
        const setting = (part: Partial<Draft["settings"]>) =>
          set("settings", { ...settings, ...part });
        return (
          <>
            <div className="form-row">
              <NameField {...field("name")} />
              <NumberField label="Precedence" isWhole {...field("precedence")} />
            </div>
            <Textarea
              label="Description"
              minRows={1}
              value={value.description ?? ""}
              onChange={(event) => set("description", event.currentTarget.value)}
            />
            <GroupsField label="For the devices of" {...field("groupIds")} />
            <div className="form-row">
              <Select
                label="Hotpatch"
                description="Block: the traditional update only"
                allowDeselect={false}
                data={Object.values(HotpatchSetting).map((one) => ({
                  value: one,
                  label: HOTPATCH[one],
                }))}
                value={settings.hotpatch}
                onChange={(chosen) =>
                  setting({
                    hotpatch: chosen === "block" ? HotpatchSetting.block : HotpatchSetting.allow,
                  })
                }
              />
              <Select
                label="Restart"
                description="Of services, in maintenance windows"
                allowDeselect={false}
                data={Object.values(RestartSetting).map((one) => ({
                  value: one,
                  label: RESTART[one],
                }))}
                value={settings.restart}
                onChange={(chosen) =>
                  setting({
                    restart:
                      Object.values(RestartSetting).find((one) => one === chosen) ??
                      settings.restart,
                  })
                }
              />
            </div>
            <Checkbox
              label="Hotpatches, too, wait for a maintenance window"
              checked={settings.hotpatchInWindowOnly}
              onChange={(event) => setting({ hotpatchInWindowOnly: event.currentTarget.checked })}
            />
            <Checkbox
              label="Fallback: when a hotpatch is refused or reverted, the traditional update and a restart"
              checked={settings.fallback}
              onChange={(event) => setting({ fallback: event.currentTarget.checked })}
            />
            <MaintenanceWindows
              windows={settings.windows}
              onChange={(windows) => setting({ windows })}
              error={problems.settings}
            />
            <HealthFields
              health={settings.health}
              probe={value.probe}
              onChange={(health) => setting({ health })}
              onProbe={(probe) => set("probe", probe)}
              error={problems.probe}
            />
            <GatesFields
              gates={value.gates}
              onChange={(gates) => set("gates", gates)}
              error={problems.gates}
            />
          </>
        );
      }}
    </FormDialog>
  );
}
