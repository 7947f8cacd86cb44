/** The audit log, newest first: who changed what. */
import { Alert, Button, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { type AuditRecord, ROUTES } from "@suture/contract";
import { IconDownload, IconSearch, IconShieldCheck, IconShieldX } from "@tabler/icons-react";
import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import { useCall, useRoute } from "../api.ts";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { ErrorNote } from "../ui/error-note.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { count, counted } from "../ui/numbers.ts";
import { Page, Section } from "../ui/page.tsx";
import { PAGE_SIZE, Pager, usePages } from "../ui/pager.tsx";
import { When } from "../ui/when.tsx";

const TYPING_MS = 250;

export function AuditPage() {
  const [who, setWho] = useState("");
  const [action, setAction] = useState("");
  const [filter] = useDebouncedValue(`${who.trim()}\n${action.trim()}`, TYPING_MS);
  const [byWhom = "", byAction = ""] = filter.split("\n");
  const pages = usePages(filter);
  const query = useRoute("audit", {
    query: {
      limit: PAGE_SIZE,
      ...(byWhom !== "" && { who: byWhom }),
      ...(byAction !== "" && { action: byAction }),
      ...(pages.cursor !== undefined && { cursor: pages.cursor }),
    },
  });
  return (
    <Page
      title="Audit"
      lead="Every change, in a chain of hashes: a record that is changed, added or taken out later does not fit."
      actions={
        <Button
          component="a"
          href={ROUTES.exportAudit.path}
          download="audit.jsonl"
          variant="default"
          leftSection={<IconDownload size={15} />}
        >
          Export
        </Button>
      }
    >
      <Verification />
      <Section title="Audit log" isPlain>
        <search className="filters">
          <TextInput
            label="Who"
            w={220}
            leftSection={<IconSearch size={15} />}
            data-filter
            value={who}
            onChange={(event) => setWho(event.currentTarget.value)}
          />
          <TextInput
            label="Action"
            w={220}
            value={action}
            onChange={(event) => setAction(event.currentTarget.value)}
          />
        </search>
        <Loaded query={query}>
          {({ items, next, total }) => (
            <>
              <DataTable
                label="Audit log"
                rows={items}
                rowId={({ index }) => String(index)}
                columns={COLUMNS}
                empty={<Empty title="No record fits the filter." />}
              />
              <Pager pages={pages} shown={items.length} total={total} next={next} noun="record" />
            </>
          )}
        </Loaded>
      </Section>
    </Page>
  );
}

function Verification() {
  const call = useCall();
  const verify = useMutation({ mutationFn: () => call("verifyAudit") });
  const result = verify.data;
  return (
    <Section
      title="Hash chain"
      note={result === undefined ? "not verified since the page was opened" : undefined}
      actions={
        <Button variant="default" loading={verify.isPending} onClick={() => verify.mutate()}>
          Verify the chain
        </Button>
      }
    >
      <ErrorNote error={verify.error} />
      {result !== undefined && (
        <Alert
          role="status"
          className="note"
          variant="outline"
          color={result.intact ? "teal" : "red"}
          icon={result.intact ? <IconShieldCheck /> : <IconShieldX />}
          title={
            result.intact
              ? `The chain is intact: ${counted(result.records, "record")}.`
              : `The chain is broken at record ${count(result.brokenAt ?? 0)}.`
          }
        >
          {result.intact ? "Newest hash" : "The last hash that fits"} <code>{result.head}</code>
          <div>
            {result.intact
              ? "Next: compare it with the one that was noted elsewhere."
              : "Next: keep the export, restore the database from a copy, and find out who has access to it."}
          </div>
        </Alert>
      )}
    </Section>
  );
}

const COLUMNS: readonly Column<AuditRecord>[] = [
  { id: "index", header: "Record", isNumber: true, cell: ({ index }) => count(index) },
  { id: "at", header: "When", cell: ({ at }) => <When at={at} /> },
  { id: "who", header: "Who", cell: ({ who }) => who },
  { id: "action", header: "Action", cell: ({ action }) => <code>{action}</code> },
  {
    id: "object",
    header: "What",
    isWide: true,
    cell: ({ object, reason, detail }) => (
      <>
        {object}
        {reason !== undefined && <span className="second">Reason: {reason}</span>}
        {hasDetail(detail) && (
          <details className="as-table">
            <summary>Detail</summary>
            <pre className="code detail">{JSON.stringify(detail, undefined, 2)}</pre>
          </details>
        )}
      </>
    ),
  },
  {
    id: "digest",
    header: "Hash",
    cell: ({ digest }) => <code title={digest}>{digest.slice(0, 12)}…</code>,
  },
];

const hasDetail = (detail: unknown): boolean =>
  typeof detail === "object" && detail !== null && Object.keys(detail).length > 0;
