/** Names and values in two columns. */
import type { ReactNode } from "react";

export type Fact = readonly [name: string, value: ReactNode];

export const Facts = ({ facts }: { readonly facts: readonly Fact[] }) => (
  <dl className="facts">
    {facts.map(([name, value]) => (
      <div key={name}>
        <dt>{name}</dt>
        <dd>{value}</dd>
      </div>
    ))}
  </dl>
);

interface FigureProps {
  readonly label: string;
  readonly value: ReactNode;
  readonly note?: ReactNode;
  readonly large?: boolean;
}

/** One number that matters, with its name above and what it means below. */
export const Figure = ({ label, value, note, large = false }: FigureProps) => (
  <div className={large ? "figure figure-large" : "figure"}>
    <div className="figure-label">{label}</div>
    <div className="figure-value">{value}</div>
    {note !== undefined && <div className="figure-note">{note}</div>}
  </div>
);
