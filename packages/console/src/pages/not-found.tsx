/** An address that no page has. */
import { paths } from "../paths.ts";
import { Empty } from "../ui/empty.tsx";
import { Page } from "../ui/page.tsx";
import { PageLink } from "../ui/page-link.tsx";

export const NotFoundPage = () => (
  <Page title="Not found">
    <Empty
      title="There is no page at this address."
      action={<PageLink {...paths.overview()}>Go to the overview</PageLink>}
    />
  </Page>
);
