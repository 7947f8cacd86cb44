/** A section of tokens: what there is, making one, showing it the one time, withdrawing it. */
import { Button, Modal } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { type ReactNode, useState } from "react";
import { CommandLine } from "../ui/command-line.tsx";
import { Confirm } from "../ui/confirm.tsx";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Section } from "../ui/page.tsx";

interface Named {
  readonly id: string;
  readonly name: string;
}

export interface NewTokenProps {
  readonly onClose: () => void;
  /** Takes the token itself, which the server tells this once. */
  readonly onMade: (token: string) => void;
}

/** How a new token is shown. */
interface ShownToken {
  readonly title: string;
  readonly note: string;
  readonly command: string;
  /** What is copied. */
  readonly label: string;
}

interface TokensSectionProps<Token extends Named> {
  /** Of the section and its table. */
  readonly title: string;
  /** On the button that makes one. */
  readonly newTitle: string;
  readonly query: UseQueryResult<readonly Token[], Error>;
  readonly columns: readonly Column<Token>[];
  readonly empty: ReactNode;
  readonly make: (props: NewTokenProps) => ReactNode;
  readonly shown: (token: string) => ShownToken;
  /** What it means to withdraw the token, in numbers. */
  readonly withdrawalEffect: (token: Token) => string;
  readonly withdraw: (request: { readonly params: { readonly id: string } }) => Promise<unknown>;
}

export function TokensSection<Token extends Named>({
  title,
  newTitle,
  query,
  columns,
  empty,
  make,
  shown,
  withdrawalEffect,
  withdraw,
}: TokensSectionProps<Token>) {
  const [isMaking, setMaking] = useState(false);
  const [made, setMade] = useState<string>();
  const [withdrawn, setWithdrawn] = useState<Token>();
  const actions: Column<Token> = {
    id: "actions",
    header: "Change",
    cell: (token) => (
      <Button variant="default" size="compact-sm" onClick={() => setWithdrawn(token)}>
        Withdraw
      </Button>
    ),
  };
  return (
    <Section title={title} actions={<Button onClick={() => setMaking(true)}>{newTitle}</Button>}>
      <Loaded query={query}>
        {(tokens) => (
          <DataTable
            label={title}
            rows={tokens}
            rowId={({ id }) => id}
            columns={[...columns, actions]}
            empty={empty}
          />
        )}
      </Loaded>
      {isMaking && make({ onClose: () => setMaking(false), onMade: setMade })}
      {made !== undefined && <NewToken {...shown(made)} onClose={() => setMade(undefined)} />}
      {withdrawn !== undefined && (
        <Confirm
          title={`Withdraw ${withdrawn.name}`}
          effect={withdrawalEffect(withdrawn)}
          verb="Withdraw the token"
          danger
          act={() => withdraw({ params: { id: withdrawn.id } })}
          onClose={() => setWithdrawn(undefined)}
        />
      )}
    </Section>
  );
}

const NewToken = ({
  title,
  note,
  command,
  label,
  onClose,
}: ShownToken & { readonly onClose: () => void }) => (
  <Modal opened onClose={onClose} title={title} closeOnClickOutside={false}>
    <div className="form">
      <p className="flush">{note}</p>
      <CommandLine command={command} label={label} />
      <div className="page-actions end">
        <Button onClick={onClose}>Done</Button>
      </div>
    </div>
  </Modal>
);
