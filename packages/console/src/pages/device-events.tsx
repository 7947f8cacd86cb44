/** What happened on a device, newest first. */
import type { DeviceEvent } from "@suture/contract";
import { useRoute } from "../api.ts";
import { type Column, DataTable } from "../ui/data-table.tsx";
import { Empty } from "../ui/empty.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Section } from "../ui/page.tsx";
import { Pager, usePages } from "../ui/pager.tsx";
import { Target } from "../ui/target.tsx";
import { When } from "../ui/when.tsx";
import { wordsOf } from "../ui/words.ts";

const SIZE = 20;

const COLUMNS: readonly Column<DeviceEvent>[] = [
  { id: "at", header: "When", cell: ({ at }) => <When at={at} /> },
  { id: "kind", header: "What", cell: ({ kind }) => wordsOf(kind) },
  {
    id: "detail",
    header: "Detail",
    isWide: true,
    cell: ({ detail, code }) => (
      <>
        {detail} {code !== undefined && <code>{code}</code>}
      </>
    ),
  },
  {
    id: "target",
    header: "Quality update",
    cell: ({ target }) => (target === undefined ? "–" : <Target target={target} />),
  },
];

export function DeviceEvents({ id }: { readonly id: string }) {
  const pages = usePages(id);
  const query = useRoute("deviceEvents", {
    params: { id },
    query: { limit: SIZE, ...(pages.cursor !== undefined && { cursor: pages.cursor }) },
  });
  return (
    <Section title="Events">
      <Loaded query={query}>
        {({ items, next, total }) => (
          <>
            <DataTable
              label="Events"
              rows={items}
              rowId={({ serial }) => String(serial)}
              columns={COLUMNS}
              empty={<Empty title="Nothing has happened on it yet." />}
            />
            <Pager
              pages={pages}
              shown={items.length}
              total={total}
              next={next}
              noun="event"
              size={SIZE}
            />
          </>
        )}
      </Loaded>
    </Section>
  );
}
