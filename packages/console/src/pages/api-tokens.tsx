/** API tokens for programs. A token is shown once. */
import { Button, Modal, TextInput } from "@mantine/core";
import { type ApiToken, ApiTokenDraft, type Role } from "@suture/contract";
import { useState } from "react";
import { useChange, useRoute } from "../api.ts";
import { CommandLine } from "../ui/command-line.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { fieldProblem } from "../ui/field-problem.ts";
import { NumberField, RolesField } from "../ui/fields.tsx";
import { FormDialog } from "../ui/form-dialog.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Section } from "../ui/page.tsx";
import { When } from "../ui/when.tsx";
import { wordsOf } from "../ui/words.ts";
import { rolesProblem } from "./accounts.tsx";

export function ApiTokensSection() {
  const query = useRoute("apiTokens");
  const [isMaking, setMaking] = useState(false);
  const [secret, setSecret] = useState<string>();
  const [withdrawn, setWithdrawn] = useState<ApiToken>();
  return (
    <Section
      title="API tokens"
      actions={<Button onClick={() => setMaking(true)}>New API token</Button>}
    >
      <Loaded query={query}>
        {(tokens) => (
          <DataTable
            label="API tokens"
            rows={tokens}
            rowId={({ id }) => id}
            columns={columnsOf(setWithdrawn)}
            empty={
              <Empty title="There is no API token.">
                Programs use one in place of a login: <code>Authorization: Bearer TOKEN</code>.
              </Empty>
            }
          />
        )}
      </Loaded>
      {isMaking && <NewToken onClose={() => setMaking(false)} onMade={setSecret} />}
      {secret !== undefined && (
        <Modal
          opened
          onClose={() => setSecret(undefined)}
          title="The new API token"
          closeOnClickOutside={false}
        >
          <div className="form">
            <p className="flush">It is shown this once. Keep it where the program reads it.</p>
            <CommandLine command={secret} label="token" />
            <div className="page-actions end">
              <Button onClick={() => setSecret(undefined)}>Done</Button>
            </div>
          </div>
        </Modal>
      )}
      {withdrawn !== undefined && (
        <WithdrawToken token={withdrawn} onClose={() => setWithdrawn(undefined)} />
      )}
    </Section>
  );
}

const columnsOf = (withdraw: (token: ApiToken) => void): Column<ApiToken>[] => [
  { id: "name", header: "Name", isWide: true, cell: ({ name }) => <strong>{name}</strong> },
  { id: "roles", header: "Roles", cell: ({ roles }) => roles.map(wordsOf).join(", ") },
  { id: "used", header: "Last used", cell: ({ lastUsedAt }) => <When at={lastUsedAt} /> },
  { id: "expires", header: "Expires", cell: ({ expiresAt }) => <When at={expiresAt} /> },
  {
    id: "created",
    header: "Made",
    cell: ({ createdAt, createdBy }) => (
      <>
        <When at={createdAt} />
        <span className="second">{createdBy}</span>
      </>
    ),
  },
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
  readonly token: ApiToken;
  readonly onClose: () => void;
}

function WithdrawToken({ token, onClose }: WithdrawTokenProps) {
  const remove = useChange("removeApiToken");
  return (
    <Confirm
      title={`Withdraw ${token.name}`}
      effect="The 1 token is refused from now on; the programs that use it are no longer let in."
      verb="Withdraw the token"
      danger
      act={() => remove.mutateAsync({ params: { id: token.id } })}
      onClose={onClose}
    />
  );
}

interface Draft {
  readonly name: string;
  readonly roles: Role[];
  readonly validDays: number;
}
const NEW: Draft = { name: "", roles: [], validDays: 90 };

interface NewTokenProps {
  readonly onClose: () => void;
  readonly onMade: (token: string) => void;
}

function NewToken({ onClose, onMade }: NewTokenProps) {
  const create = useChange("createApiToken");
  const rules = ApiTokenDraft.properties;
  return (
    <FormDialog
      title="New API token"
      initial={NEW}
      check={({ name, roles, validDays }) => ({
        name: fieldProblem(rules.name, name),
        roles: rolesProblem(roles),
        validDays: fieldProblem(rules.validDays, validDays),
      })}
      verb="Make the token"
      submit={async (body) => onMade((await create.mutateAsync({ body })).token)}
      onClose={onClose}
    >
      {({ value, set, problems }) => (
        <>
          <div className="form-row">
            <TextInput
              label="Name"
              description="Of the program"
              data-autofocus
              value={value.name}
              onChange={(event) => set("name", event.currentTarget.value)}
              error={problems.name}
            />
            <NumberField
              label="Valid for"
              description="366 days at most"
              suffix=" days"
              isWhole
              value={value.validDays}
              onChange={(validDays) => set("validDays", validDays)}
              error={problems.validDays}
            />
          </div>
          <RolesField
            label="Roles"
            value={value.roles}
            onChange={(roles) => set("roles", roles)}
            error={problems.roles}
          />
        </>
      )}
    </FormDialog>
  );
}
