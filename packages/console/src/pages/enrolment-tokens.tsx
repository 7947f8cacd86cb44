/** Tokens with which machines become devices. A token's secret is shown once, as a command. */
import { Button, Modal, TextInput } from "@mantine/core";
import { type EnrolmentToken, EnrolmentTokenDraft } from "@suture/contract";
import { useState } from "react";
import { useChange, useRoute } from "../api.ts";
import { CommandLine } from "../ui/command-line.tsx";
import { enrolCommand } from "../ui/commands.ts";
import { Confirm } from "../ui/confirm.tsx";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { fieldProblem } from "../ui/field-problem.ts";
import { NumberField, RingField, TagsField, tagsProblem } from "../ui/fields.tsx";
import { FormDialog } from "../ui/form-dialog.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { count, counted } from "../ui/numbers.ts";
import { Section } from "../ui/page.tsx";
import { Tags } from "../ui/tags.tsx";
import { When } from "../ui/when.tsx";

export function EnrolmentTokensSection() {
  const query = useRoute("enrolmentTokens");
  const rings = useRoute("rings").data ?? [];
  const [isMaking, setMaking] = useState(false);
  const [secret, setSecret] = useState<string>();
  const [withdrawn, setWithdrawn] = useState<EnrolmentToken>();
  const ringName = (id: string | undefined) => rings.find((ring) => ring.id === id)?.name;
  return (
    <Section
      title="Enrolment tokens"
      actions={<Button onClick={() => setMaking(true)}>New enrolment token</Button>}
    >
      <Loaded query={query}>
        {(tokens) => (
          <DataTable
            label="Enrolment tokens"
            rows={tokens}
            rowId={({ id }) => id}
            columns={columnsOf(ringName, setWithdrawn)}
            empty={
              <Empty title="There is no enrolment token.">
                Make one; the console then shows the command to run on the machine.
              </Empty>
            }
          />
        )}
      </Loaded>
      {isMaking && <NewToken onClose={() => setMaking(false)} onMade={setSecret} />}
      {secret !== undefined && <EnrolCommand token={secret} onClose={() => setSecret(undefined)} />}
      {withdrawn !== undefined && (
        <WithdrawToken token={withdrawn} onClose={() => setWithdrawn(undefined)} />
      )}
    </Section>
  );
}

const columnsOf = (
  ringName: (id: string | undefined) => string | undefined,
  withdraw: (token: EnrolmentToken) => void,
): Column<EnrolmentToken>[] => [
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
  {
    id: "actions",
    header: "Change",
    cell: (token) => (
      <Button variant="default" size="compact-sm" onClick={() => withdraw(token)}>
        Withdraw
      </Button>
    ),
  },
];

interface WithdrawTokenProps {
  readonly token: EnrolmentToken;
  readonly onClose: () => void;
}

function WithdrawToken({ token, onClose }: WithdrawTokenProps) {
  const remove = useChange("removeEnrolmentToken");
  return (
    <Confirm
      title={`Withdraw ${token.name}`}
      effect={`No further machine enrols with it: ${counted(token.usesMax - token.uses, "use")} left. ${counted(token.uses, "device that used it stays enrolled", "devices that used it stay enrolled")}.`}
      verb="Withdraw the token"
      danger
      act={() => remove.mutateAsync({ params: { id: token.id } })}
      onClose={onClose}
    />
  );
}

interface Draft {
  readonly name: string;
  readonly tags: string[];
  readonly ringId: string | undefined;
  readonly validHours: number;
  readonly usesMax: number;
}
const NEW: Draft = { name: "", tags: [], ringId: undefined, validHours: 24, usesMax: 1 };

interface NewTokenProps {
  readonly onClose: () => void;
  readonly onMade: (token: string) => void;
}

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
      {({ value, set, problems }) => (
        <>
          <TextInput
            label="Name"
            description="For whom or what it is"
            data-autofocus
            value={value.name}
            onChange={(event) => set("name", event.currentTarget.value)}
            error={problems.name}
          />
          <div className="form-row">
            <NumberField
              label="Uses, at most"
              description="1 is a one-time token"
              isWhole
              value={value.usesMax}
              onChange={(usesMax) => set("usesMax", usesMax)}
              error={problems.usesMax}
            />
            <NumberField
              label="Valid for"
              description="From now"
              suffix=" hours"
              value={value.validHours}
              onChange={(validHours) => set("validHours", validHours)}
              error={problems.validHours}
            />
            <RingField
              label="Ring"
              description="Of the new devices"
              value={value.ringId}
              onChange={(ringId) => set("ringId", ringId)}
            />
          </div>
          <TagsField
            label="Tags"
            description="Of the new devices. Enter adds one."
            value={value.tags}
            onChange={(tags) => set("tags", tags)}
            error={problems.tags}
          />
        </>
      )}
    </FormDialog>
  );
}

interface EnrolCommandProps {
  readonly token: string;
  readonly onClose: () => void;
}

const EnrolCommand = ({ token, onClose }: EnrolCommandProps) => (
  <Modal
    opened
    onClose={onClose}
    title="Run this on the machine"
    size="lg"
    closeOnClickOutside={false}
  >
    <div className="form">
      <p className="flush">
        It holds the token, which is shown this once. 1.root.json is the first root of the release
        channel, from its publisher. The machine appears under Devices as soon as it is enrolled.
      </p>
      <CommandLine command={enrolCommand(window.location.origin, token)} />
      <div className="page-actions end">
        <Button onClick={onClose}>Done</Button>
      </div>
    </div>
  </Modal>
);
