/** Tokens with which machines become devices. A token's secret is shown once, as a command. */
import { type EnrolmentToken, EnrolmentTokenDraft } from "@suture/contract";
import { useChange, useRoute } from "../api.ts";
import { enrolCommand } from "../ui/commands.ts";
import type { Column } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { fieldProblem } from "../ui/field-problem.ts";
import { NameField, NumberField, RingField, TagsField, tagsProblem } from "../ui/fields.tsx";
import { FormDialog } from "../ui/form-dialog.tsx";
import { count, counted } from "../ui/numbers.ts";
import { Tags } from "../ui/tags.tsx";
import { When } from "../ui/when.tsx";
import { type NewTokenProps, TokensSection } from "./tokens-section.tsx";

export function EnrolmentTokensSection() {
  const rings = useRoute("rings").data ?? [];
  const remove = useChange("removeEnrolmentToken");
  return (
    <TokensSection
      title="Enrolment tokens"
      newTitle="New enrolment token"
      query={useRoute("enrolmentTokens")}
      columns={columnsOf((id) => rings.find((ring) => ring.id === id)?.name)}
      empty={
        <Empty title="There is no enrolment token.">
          Make one; the console then shows the command to run on the machine.
        </Empty>
      }
      make={(props) => <NewToken {...props} />}
      shown={(token) => ({
        title: "Run this on the machine",
        note: "It holds the token, which is shown this once. 1.root.json is the first root of the release channel, from its publisher. The machine appears under Devices as soon as it is enrolled.",
        command: enrolCommand(window.location.origin, token),
        label: "command",
      })}
      withdrawalEffect={({ uses, usesMax }) =>
        `No further machine enrols with it: ${counted(usesMax - uses, "use")} left. ${counted(uses, "device that used it stays enrolled", "devices that used it stay enrolled")}.`
      }
      withdraw={remove.mutateAsync}
    />
  );
}

const columnsOf = (
  ringName: (id: string | undefined) => string | undefined,
): readonly Column<EnrolmentToken>[] => [
  { id: "name", header: "Name", isWide: true, cell: ({ name }) => <strong>{name}</strong> },
  {
    id: "ring",
    header: "Ring",
    cell: ({ ringId }) => ringName(ringId) ?? <span className="quiet">none</span>,
  },
  { id: "tags", header: "Tags", cell: ({ tags }) => <Tags tags={tags} /> },
  {
    id: "uses",
    header: "Used",
    isNumber: true,
    cell: ({ uses, usesMax }) => `${count(uses)} of ${count(usesMax)}`,
  },
  { id: "expires", header: "Expires", cell: ({ expiresAt }) => <When at={expiresAt} /> },
  { id: "by", header: "Made by", cell: ({ createdBy }) => createdBy },
];

interface Draft {
  readonly name: string;
  readonly tags: string[];
  readonly ringId: string | undefined;
  readonly validHours: number;
  readonly usesMax: number;
}
const NEW: Draft = { name: "", tags: [], ringId: undefined, validHours: 24, usesMax: 1 };

function NewToken({ onClose, onMade }: NewTokenProps) {
  const create = useChange("createEnrolmentToken");
  const rules = EnrolmentTokenDraft.properties;
  return (
    <FormDialog
      title="New enrolment token"
      initial={NEW}
      check={({ name, tags, validHours, usesMax }) => ({
        name: fieldProblem(rules.name, name),
        tags: tagsProblem(tags),
        validHours: fieldProblem(rules.validHours, validHours),
        usesMax: fieldProblem(rules.usesMax, usesMax),
      })}
      verb="Make the token"
      submit={async ({ ringId, ...draft }) => {
        const made = await create.mutateAsync({
          body: { ...draft, ...(ringId !== undefined && { ringId }) },
        });
        onMade(made.token);
      }}
      onClose={onClose}
    >
      {({ field }) => (
        <>
          <NameField description="For whom or what it is" {...field("name")} />
          <div className="form-row">
            <NumberField
              label="Uses, at most"
              description="1 is a one-time token"
              isWhole
              {...field("usesMax")}
            />
            <NumberField
              label="Valid for"
              description="From now"
              suffix=" hours"
              {...field("validHours")}
            />
            <RingField label="Ring" description="Of the new devices" {...field("ringId")} />
          </div>
          <TagsField
            label="Tags"
            description="Of the new devices. Enter adds one."
            {...field("tags")}
          />
        </>
      )}
    </FormDialog>
  );
}
