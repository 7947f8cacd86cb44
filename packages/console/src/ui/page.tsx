/** What every page has: its title, a sentence of what it is for, and what can be done on it. */
import { Title } from "@mantine/core";
import { useDocumentTitle } from "@mantine/hooks";
import type { ReactNode } from "react";

interface PageProps {
  readonly title: string;
  readonly lead?: ReactNode;
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}

export function Page({ title, lead, actions, children }: PageProps) {
  useDocumentTitle(`${title} · Suture`);
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <Title order={1}>{title}</Title>
          {lead !== undefined && <p className="page-lead">{lead}</p>}
        </div>
        {actions !== undefined && <div className="page-actions">{actions}</div>}
      </header>
      {children}
    </div>
  );
}

interface SectionProps {
  readonly title: string;
  readonly note?: ReactNode;
  readonly actions?: ReactNode;
  /** Without a heading that is seen: the page's title says it already. */
  readonly isPlain?: boolean;
  readonly children: ReactNode;
}

/** A part of a page with a heading of its own. */
export function Section({ title, note, actions, isPlain = false, children }: SectionProps) {
  return (
    <section className="section" aria-label={title}>
      {!isPlain && (
        <header className="section-head">
          <Title order={2}>{title}</Title>
          {note !== undefined && <span className="quiet">{note}</span>}
          {actions !== undefined && <div className="page-actions">{actions}</div>}
        </header>
      )}
      {children}
    </section>
  );
}
