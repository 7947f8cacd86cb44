/** API tokens for programs. A token is shown once. */
import { type ApiToken, ApiTokenDraft, type Role } from "@suture/contract";
import { useChange, useRoute } from "../api.ts";
import type { Column } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { fieldProblem } from "../ui/field-problem.ts";
import { NameField, NumberField, RolesField } from "../ui/fields.tsx";
import { FormDialog } from "../ui/form-dialog.tsx";
import { When, WhenBy } from "../ui/when.tsx";
import { wordsOf } from "../ui/words.ts";
import { rolesProblem } from "./accounts.tsx";
import { type NewTokenProps, TokensSection } from "./tokens-section.tsx";

export function ApiTokensSection() {
  const remove = useChange("removeApiToken");
  return (
    <TokensSection
      title="API tokens"
      newTitle="New API token"
      query={useRoute("apiTokens")}
      columns={COLUMNS}
      empty={
        <Empty title="There is no API token.">
          Programs use one in place of a login: <code>Authorization: Bearer TOKEN</code>.
        </Empty>
      }
      make={(props) => <NewToken {...props} />}
      shown={(token) => ({
        title: "The new API token",
        note: "It is shown this once. Keep it where the program reads it.",
        command: token,
        label: "token",
      })}
      withdrawalEffect={() =>
        "The 1 token is refused from now on; the programs that use it are no longer let in."
      }
      withdraw={remove.mutateAsync}
    />
  );
}

const COLUMNS: readonly Column<ApiToken>[] = [
  { id: "name", header: "Name", isWide: true, cell: ({ name }) => <strong>{name}</strong> },
  { id: "roles", header: "Roles", cell: ({ roles }) => roles.map(wordsOf).join(", ") },
  { id: "used", header: "Last used", cell: ({ lastUsedAt }) => <When at={lastUsedAt} /> },
  { id: "expires", header: "Expires", cell: ({ expiresAt }) => <When at={expiresAt} /> },
  {
    id: "created",
    header: "Made",
    cell: ({ createdAt, createdBy }) => <WhenBy at={createdAt} by={createdBy} />,
  },
];

interface Draft {
  readonly name: string;
  readonly roles: Role[];
  readonly validDays: number;
}
const NEW: Draft = { name: "", roles: [], validDays: 90 };

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
      {({ field }) => (
        <>
          <div className="form-row">
            <NameField description="Of the program" {...field("name")} />
            <NumberField
              label="Valid for"
              description="366 days at most"
              suffix=" days"
              isWhole
              {...field("validDays")}
            />
          </div>
          <RolesField label="Roles" {...field("roles")} />
        </>
      )}
    </FormDialog>
  );
}
