/** A page of things that people make, change and remove: their table, and the dialogs for it. */
import type { Permission } from "@suture/contract";
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { Confirm } from "./confirm.tsx";
import { type Column, DataTable } from "./data-table.tsx";
import { Loaded } from "./loaded.tsx";
import { Page, Section } from "./page.tsx";
import { PermittedButton } from "./permitted.tsx";
import { RowActions } from "./row-actions.tsx";

interface Named {
  readonly id: string;
  readonly name: string;
}

interface EditableListPageProps<Row extends Named> {
  readonly title: string;
  readonly lead: string;
  /** What the table holds. */
  readonly label: string;
  /** What one row is, as buttons call it: "ring". */
  readonly noun: string;
  /** For making, changing and removing one. */
  readonly permission: Permission;
  readonly query: UseQueryResult<readonly Row[], Error>;
  readonly columns: readonly Column<Row>[];
  readonly empty: ReactNode;
  /** The dialog that changes a row, or makes a new one. */
  readonly edit: (row: Row | undefined, onClose: () => void) => ReactNode;
  /** What it means to remove the row, in numbers. */
  readonly removalEffect: (row: Row) => string;
  readonly remove: (request: { readonly params: { readonly id: string } }) => Promise<unknown>;
  /** Why the row cannot be removed now. */
  readonly whyNotRemove?: (row: Row) => string | undefined;
}

type Dialog<Row> =
  | { readonly kind: "edit"; readonly row: Row | undefined }
  | { readonly kind: "remove"; readonly row: Row };

export function EditableListPage<Row extends Named>({
  title,
  lead,
  label,
  noun,
  permission,
  query,
  columns,
  empty,
  edit,
  removalEffect,
  remove,
  whyNotRemove,
}: EditableListPageProps<Row>) {
  const [dialog, setDialog] = useState<Dialog<Row>>();
  const close = () => setDialog(undefined);
  const actions: Column<Row> = {
    id: "actions",
    header: "Change",
    cell: (row) => (
      <RowActions
        permission={permission}
        onEdit={() => setDialog({ kind: "edit", row })}
        onRemove={() => setDialog({ kind: "remove", row })}
        whyNotRemove={whyNotRemove?.(row)}
      />
    ),
  };
  return (
    <Page
      title={title}
      lead={lead}
      actions={
        <PermittedButton
          permission={permission}
          onClick={() => setDialog({ kind: "edit", row: undefined })}
        >
          {`New ${noun}`}
        </PermittedButton>
      }
    >
      <Section title={label} isPlain>
        <Loaded query={query}>
          {(rows) => (
            <DataTable
              label={label}
              rows={rows}
              rowId={({ id }) => id}
              columns={[...columns, actions]}
              empty={empty}
            />
          )}
        </Loaded>
      </Section>
      {dialog?.kind === "edit" && edit(dialog.row, close)}
      {dialog?.kind === "remove" && (
        <Confirm
          title={`Remove ${dialog.row.name}`}
          effect={removalEffect(dialog.row)}
          verb={`Remove the ${noun}`}
          danger
          act={() => remove({ params: { id: dialog.row.id } })}
          onClose={close}
        />
      )}
    </Page>
  );
}
