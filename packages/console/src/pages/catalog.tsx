/** Baselines, hotpatches and the calendar, as verified from the release channel. */
import { Alert } from "@mantine/core";
import { type Catalog, Permission } from "@suture/contract";
import { IconAlertTriangle, IconRefresh } from "@tabler/icons-react";
import { useChange, useRoute } from "../api.ts";
import { IMPORT_COMMAND } from "../ui/commands.ts";
import { Empty } from "../ui/empty.tsx";
import { ErrorNote } from "../ui/error-note.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { count } from "../ui/numbers.ts";
import { Page, Section } from "../ui/page.tsx";
import { PermittedButton } from "../ui/permitted.tsx";
import { When } from "../ui/when.tsx";
import { Calendar } from "./calendar.tsx";
import { UpdateTable } from "./update-table.tsx";

export function CatalogPage() {
  const query = useRoute("catalog");
  const refresh = useChange("refreshCatalog");
  return (
    <Page
      title="Catalog"
      lead={query.data && <Verified catalog={query.data} />}
      actions={
        <PermittedButton
          permission={Permission.createRollouts}
          variant="default"
          leftSection={<IconRefresh size={15} />}
          loading={refresh.isPending}
          onClick={() => refresh.mutate({})}
        >
          Verify the channel now
        </PermittedButton>
      }
    >
      <ErrorNote error={refresh.error} />
      <Loaded query={query}>
        {(catalog) => (
          <>
            <Troubles catalog={catalog} />
            <Section title="Quality updates" note={count(catalog.updates.length)}>
              <UpdateTable
                updates={catalog.updates}
                empty={
                  <Empty
                    title="The release channel holds no quality update yet."
                    command={IMPORT_COMMAND}
                  >
                    Whoever publishes the channel makes one of a distribution's security update:
                  </Empty>
                }
              />
            </Section>
            <Calendar releases={catalog.calendar} />
          </>
        )}
      </Loaded>
    </Page>
  );
}

const Verified = ({ catalog }: { readonly catalog: Catalog }) => (
  <>
    The release channel was verified <When at={catalog.verifiedAt} />
    {catalog.expiresAt !== undefined && (
      <>
        {" "}
        and its signatures expire <When at={catalog.expiresAt} />
      </>
    )}
    .
  </>
);

/** What cannot be trusted now. */
function Troubles({ catalog: { problem, problems } }: { readonly catalog: Catalog }) {
  const icon = <IconAlertTriangle aria-hidden="true" />;
  return (
    <>
      {problem !== undefined && (
        <Alert
          color="red"
          variant="outline"
          className="note"
          icon={icon}
          title="The release channel cannot be verified."
        >
          {problem.detail} <code>{problem.code}</code>
          <div>Next: {problem.remediation}</div>
        </Alert>
      )}
      {problems.map(({ product, code, detail }) => (
        <Alert
          key={product}
          color="orange"
          variant="outline"
          className="note"
          icon={icon}
          title={`The product ${product} cannot be trusted now. The others stay.`}
        >
          {detail} <code>{code}</code>
          <div>
            Next: its publisher signs it anew: <code>suture release sign --renew {product}</code>
          </div>
        </Alert>
      ))}
    </>
  );
}
