/** Accounts of people. Nobody is author and approver at once. */
import { Button, Checkbox, PasswordInput, TextInput } from "@mantine/core";
import { type Account, AccountDraft, conflictingRoles, type Role } from "@suture/contract";
import { useState } from "react";
import { useChange, useMe, useRoute } from "../api.ts";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { fieldProblem } from "../ui/field-problem.ts";
import { RolesField } from "../ui/fields.tsx";
import { FormDialog } from "../ui/form-dialog.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Section } from "../ui/page.tsx";
import { StateMark } from "../ui/state-mark.tsx";
import { When } from "../ui/when.tsx";
import { wordsOf } from "../ui/words.ts";

export function AccountsSection() {
  const query = useRoute("accounts");
  const [edited, setEdited] = useState<Account | "new">();
  return (
    <Section
      title="Accounts"
      actions={<Button onClick={() => setEdited("new")}>New account</Button>}
    >
      <Loaded query={query}>
        {(accounts) => (
          <DataTable
            label="Accounts"
            rows={accounts}
            rowId={({ id }) => id}
            columns={columnsOf(setEdited)}
          />
        )}
      </Loaded>
      {edited !== undefined && (
        <AccountEdit
          account={edited === "new" ? undefined : edited}
          onClose={() => setEdited(undefined)}
        />
      )}
    </Section>
  );
}

const columnsOf = (edit: (account: Account) => void): Column<Account>[] => [
  {
    id: "name",
    header: "Account",
    isWide: true,
    sortBy: ({ login }) => login,
    cell: ({ name, login }) => (
      <>
        <strong>{name}</strong>
        <span className="second">{login}</span>
      </>
    ),
  },
  { id: "roles", header: "Roles", cell: ({ roles }) => roles.map(wordsOf).join(", ") },
  {
    id: "state",
    header: "State",
    cell: ({ disabled }) => (
      <StateMark tone={disabled ? "unknown" : "good"}>{disabled ? "Disabled" : "In use"}</StateMark>
    ),
  },
  {
    id: "last",
    header: "Last sign-in",
    sortBy: ({ lastSignInAt }) => lastSignInAt ?? "",
    cell: ({ lastSignInAt }) => <When at={lastSignInAt} />,
  },
  { id: "created", header: "Created", cell: ({ createdAt }) => <When at={createdAt} /> },
  {
    id: "actions",
    header: "Change",
    cell: (account) => (
      <Button variant="default" size="compact-sm" onClick={() => edit(account)}>
        Edit
      </Button>
    ),
  },
];

interface Draft {
  readonly login: string;
  readonly name: string;
  readonly roles: Role[];
  readonly password: string;
  readonly disabled: boolean;
}

const RULES = AccountDraft.properties;

export const rolesProblem = (roles: readonly Role[]): string | undefined => {
  if (roles.length === 0) return "Choose a role or more.";
  return conflictingRoles(roles)
    ? "An approver may be neither author nor operator: whoever begins a change does not approve it."
    : undefined;
};

const checkFor =
  (isNew: boolean) =>
  ({ login, name, roles, password }: Draft) => ({
    login: isNew
      ? fieldProblem(
          RULES.login,
          login,
          "Begin with a small letter; then small letters, digits and . _ -.",
        )
      : undefined,
    name: fieldProblem(RULES.name, name),
    roles: rolesProblem(roles),
    password: isNew || password !== "" ? fieldProblem(RULES.password, password) : undefined,
  });

interface AccountEditProps {
  readonly account: Account | undefined;
  readonly onClose: () => void;
}

function AccountEdit({ account, onClose }: AccountEditProps) {
  const me = useMe();
  const create = useChange("createAccount");
  const change = useChange("changeAccount");
  const initial: Draft = {
    login: account?.login ?? "",
    name: account?.name ?? "",
    roles: account?.roles ?? [],
    password: "",
    disabled: account?.disabled ?? false,
  };
  const submit = ({ login, name, roles, password, disabled }: Draft) =>
    account === undefined
      ? create.mutateAsync({ body: { login, name, roles, password } })
      : change.mutateAsync({
          params: { id: account.id },
          body: { name, roles, disabled, ...(password !== "" && { password }) },
        });
  return (
    <FormDialog
      title={account === undefined ? "New account" : `Edit ${account.name}`}
      initial={initial}
      check={checkFor(account === undefined)}
      verb="Save"
      submit={submit}
      onClose={onClose}
    >
      {({ value, set, problems, field }) => (
        <>
          <div className="form-row">
            <TextInput
              label="Login"
              autoComplete="off"
              disabled={account !== undefined}
              data-autofocus
              value={value.login}
              onChange={(event) => set("login", event.currentTarget.value)}
              error={problems.login}
            />
            <TextInput
              label="Name"
              autoComplete="off"
              value={value.name}
              onChange={(event) => set("name", event.currentTarget.value)}
              error={problems.name}
            />
          </div>
          <PasswordInput
            label={account === undefined ? "Password" : "New password"}
            description={
              account === undefined ? "12 characters or more" : "Empty: the password stays"
            }
            autoComplete="new-password"
            value={value.password}
            onChange={(event) => set("password", event.currentTarget.value)}
            error={problems.password}
          />
          <RolesField label="Roles" {...field("roles")} />
          {account !== undefined && (
            <Checkbox
              label="Disabled: it cannot sign in, and its sessions end"
              disabled={account.login === me.login}
              description={account.login === me.login ? "This is your own account." : undefined}
              checked={value.disabled}
              onChange={(event) => set("disabled", event.currentTarget.checked)}
            />
          )}
        </>
      )}
    </FormDialog>
  );
}
