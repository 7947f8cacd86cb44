/** What needs an operator, with what to do about it. */
import { useRoute } from "../api.ts";
import { Empty } from "../ui/empty.tsx";
import { Loaded } from "../ui/loaded.tsx";
import { Page, Section } from "../ui/page.tsx";
import { PAGE_SIZE, Pager, usePages } from "../ui/pager.tsx";
import { AlertList } from "./alert-list.tsx";

export function AlertsPage() {
  const pages = usePages("");
  const query = useRoute("alerts", {
    query: { limit: PAGE_SIZE, ...(pages.cursor !== undefined && { cursor: pages.cursor }) },
  });
  return (
    <Page title="Alerts" lead="What needs an operator, open ones first.">
      <Section title="Alerts" isPlain>
        <Loaded query={query}>
          {({ items, next, total }) => (
            <>
              <AlertList
                alerts={items}
                empty={
                  <Empty title="There is no alert.">
                    One is raised when a rollout halts, a device is not ready, or the release
                    channel cannot be verified.
                  </Empty>
                }
              />
              <Pager pages={pages} shown={items.length} total={total} next={next} noun="alert" />
            </>
          )}
        </Loaded>
      </Section>
    </Page>
  );
}
