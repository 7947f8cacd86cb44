/** Drafts a rollout: what, through which rings, to whom, with which gates. */
import { Button, Checkbox, Group, Select, Textarea, TextInput } from "@mantine/core";
import {
  type Catalog,
  GATES_DEFAULT,
  Permission,
  type Ring,
  RolloutDraft,
  WithReason,
} from "@suture/contract";
import { useNavigate, useSearch } from "@tanstack/react-router";
import type { SubmitEvent } from "react";
import { useChange, useMay, useRoute } from "../api.ts";
import { parseNewRolloutSearch, paths } from "../paths.ts";
import { ErrorNote } from "../ui/error-note.tsx";
import { fieldProblem } from "../ui/field-problem.ts";
import { GroupsField } from "../ui/fields.tsx";
import { useForm } from "../ui/form-dialog.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { count, counted } from "../ui/numbers.ts";
import { Page, Section } from "../ui/page.tsx";
import { lacking } from "../ui/permitted.tsx";
import { GatesFields, gatesProblem } from "./gates-fields.tsx";

interface Draft {
  readonly name: string;
  readonly target: string;
  readonly ringIds: readonly string[];
  readonly groupIds: readonly string[];
  readonly gates: RolloutDraft["gates"];
  readonly isExpedited: boolean;
  readonly reason: string;
}

const check = ({ name, target, ringIds, gates, isExpedited, reason }: Draft) => ({
  name: fieldProblem(RolloutDraft.properties.name, name),
  target: target === "" ? "Choose a quality update." : undefined,
  ringIds: ringIds.length === 0 ? "Choose a ring or more." : undefined,
  gates: gatesProblem(gates),
  reason: isExpedited ? fieldProblem(WithReason.properties.reason, reason) : undefined,
});

const bodyOf = (draft: Draft, rings: readonly Ring[]): RolloutDraft => ({
  name: draft.name,
  target: draft.target,
  ringIds: rings.filter(({ id }) => draft.ringIds.includes(id)).map(({ id }) => id),
  groupIds: [...draft.groupIds],
  gates: draft.gates,
  ...(draft.isExpedited && { expedite: { reason: draft.reason } }),
});

export function NewRolloutPage() {
  const catalog = useRoute("catalog");
  const rings = useRoute("rings");
  return (
    <Page
      title="New rollout"
      lead="It begins as a draft. An approver who is not its author approves it."
    >
      <Loaded query={catalog}>
        {(held) => (
          <Loaded query={rings}>
            {(all) => (
              <RolloutForm catalog={held} rings={[...all].sort((a, b) => a.order - b.order)} />
            )}
          </Loaded>
        )}
      </Loaded>
    </Page>
  );
}

/** What a rollout can be for, newest first. */
const updatesFor = ({ updates }: Catalog) =>
  updates
    .filter(({ kind, withdrawn }) => kind !== "baseline" && withdrawn === undefined)
    .sort((a, b) => b.released.localeCompare(a.released));

interface RolloutFormProps {
  readonly catalog: Catalog;
  readonly rings: readonly Ring[];
}

function RolloutForm({ catalog, rings }: RolloutFormProps) {
  const navigate = useNavigate();
  const wanted = parseNewRolloutSearch(useSearch({ strict: false })).target;
  const create = useChange("createRollout");
  const updates = updatesFor(catalog);
  const nameOf = (target: string) => updates.find((one) => one.target === target)?.id ?? "";
  const { form, isRight } = useForm<Draft>(
    {
      name: wanted === undefined ? "" : nameOf(wanted),
      target: updates.some(({ target }) => target === wanted) ? (wanted ?? "") : "",
      ringIds: rings.map(({ id }) => id),
      groupIds: [],
      gates: GATES_DEFAULT,
      isExpedited: false,
      reason: "",
    },
    check,
  );
  const { value, set, problems } = form;
  const update = updates.find(({ target }) => target === value.target);

  const send = async (event: SubmitEvent) => {
    event.preventDefault();
    if (!isRight()) return;
    create.mutate(
      { body: bodyOf(value, rings) },
      { onSuccess: ({ id }) => void navigate(paths.rollout(id)) },
    );
  };

  return (
    <Section title="New rollout" isPlain>
      <form onSubmit={send} className="form section-body form-page" noValidate>
        <Select
          label="Quality update"
          placeholder={updates.length === 0 ? "The catalog has none" : "Choose one"}
          searchable
          data={updates.map(({ target, id, cves, severity }) => ({
            value: target,
            label: `${id}: ${severity}, ${cves.slice(0, 3).join(", ") || "no CVE"}`,
          }))}
          value={value.target === "" ? null : value.target}
          onChange={(target) => {
            if (value.name === "" || value.name === nameOf(value.target)) {
              set("name", target === null ? "" : nameOf(target));
            }
            set("target", target ?? "");
          }}
          error={problems.target}
          description={
            update &&
            `Concerns ${counted(update.devicesConcerned, "device")}; ${count(update.devicesProtected)} have it already.`
          }
        />
        <TextInput
          label="Name"
          value={value.name}
          onChange={(event) => set("name", event.currentTarget.value)}
          error={problems.name}
        />
        <Checkbox.Group
          label="Rings, one after the other"
          value={[...value.ringIds]}
          onChange={(ringIds) => set("ringIds", ringIds)}
          error={problems.ringIds}
        >
          <div className="choices">
            {rings.map(({ id, name, devices, deferralDays }) => (
              <Checkbox
                key={id}
                value={id}
                label={`${name}: ${counted(devices, "device")}, deferred for ${counted(deferralDays, "day")}`}
              />
            ))}
          </div>
        </Checkbox.Group>
        <GroupsField
          label="Only devices of these groups"
          value={[...value.groupIds]}
          onChange={(groupIds) => set("groupIds", groupIds)}
        />
        <GatesFields
          gates={value.gates}
          onChange={(gates) => set("gates", gates)}
          error={problems.gates}
        />
        <Expedite form={form} />
        <ErrorNote error={create.error} />
        <Group>
          <Button type="submit" loading={create.isPending}>
            Create the draft
          </Button>
          <Button variant="default" onClick={() => void navigate(paths.rollouts())}>
            Cancel
          </Button>
        </Group>
      </form>
    </Section>
  );
}

function Expedite({
  form: { value, set, problems },
}: Pick<ReturnType<typeof useForm<Draft>>, "form">) {
  const may = useMay(Permission.expedite);
  return (
    <fieldset className="group">
      <legend>Expedite</legend>
      <Checkbox
        label="Break-glass: skip deferrals and soak times for this rollout"
        description={may ? "It is reviewed afterwards." : lacking(Permission.expedite)}
        disabled={!may}
        checked={value.isExpedited}
        onChange={(event) => set("isExpedited", event.currentTarget.checked)}
      />
      {value.isExpedited && (
        <Textarea
          label="Reason"
          description="The audit log keeps it."
          withAsterisk
          value={value.reason}
          onChange={(event) => set("reason", event.currentTarget.value)}
          error={problems.reason}
        />
      )}
    </fieldset>
  );
}
