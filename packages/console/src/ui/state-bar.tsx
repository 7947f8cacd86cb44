/** How many devices are in each state: one bar, and the same in words and numbers. */

import type { Place } from "../paths.ts";
import { count, share } from "./numbers.ts";
import { PageLink } from "./page-link.tsx";
import type { Tone } from "./state-mark.tsx";

export interface StatePart {
  readonly key: string;
  readonly name: string;
  readonly tone: Tone;
  readonly value: number;
  /** The devices in it. */
  readonly place?: Place | undefined;
}

const Segments = ({ parts }: { readonly parts: readonly StatePart[] }) =>
  parts
    .filter(({ value }) => value > 0)
    .map(({ key, name, tone, value }) => (
      <span
        key={key}
        className="bar-part"
        data-tone={tone}
        style={{ flexGrow: value }}
        title={`${name}: ${count(value)}`}
      />
    ));

/** The bar alone, for table cells; what it says stands beside it or is read aloud. */
export function Bar({
  parts,
  label,
}: {
  readonly parts: readonly StatePart[];
  readonly label: string;
}) {
  if (parts.every(({ value }) => value === 0)) return null;
  return (
    <span className="bar" role="img" aria-label={label}>
      <Segments parts={parts} />
    </span>
  );
}

/** A bar of two parts: those that have it, of all. */
export function ShareBar({ part, all }: { readonly part: number; readonly all: number }) {
  const parts: StatePart[] = [
    { key: "has", name: "Protected", tone: "good", value: part },
    { key: "rest", name: "Not protected", tone: "unknown", value: Math.max(all - part, 0) },
  ];
  return (
    <span className="share">
      <span className="number">
        {count(part)} <span className="quiet">of {count(all)}</span>
      </span>
      <Bar parts={parts} label={`${count(part)} of ${count(all)}`} />
      <span className="number share-text">{share(part, all)}</span>
    </span>
  );
}

/** The bar with its legend, each entry a link to its devices. */
export function StateBar({ parts }: { readonly parts: readonly StatePart[] }) {
  const all = parts.reduce((sum, { value }) => sum + value, 0);
  return (
    <div className="states">
      <span className="bar bar-large" aria-hidden="true">
        <Segments parts={parts} />
      </span>
      <dl className="states-legend">
        {parts.map(({ key, name, tone, value, place }) => (
          <div key={key} className="states-entry">
            <dt>
              <span className="mark-dot" data-tone={tone} aria-hidden="true" />
              {place === undefined ? name : <PageLink {...place}>{name}</PageLink>}
            </dt>
            <dd className="number">
              {count(value)} <span className="quiet">{share(value, all)}</span>
            </dd>
          </div>
        ))}
      </dl>
    </div>
  );
}
