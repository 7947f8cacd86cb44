/** The pages of a long list, by the server's cursors. */
import { Button } from "@mantine/core";
import { useEffect, useState } from "react";
import { count, counted } from "./numbers.ts";

export const PAGE_SIZE = 50;

export interface Pages {
  readonly cursor: string | undefined;
  /** How many pages stand before this one. */
  readonly index: number;
  readonly goOn: (next: string) => void;
  readonly goBack: () => void;
}

/** Begins anew whenever `filter`, which stands for everything the list depends on, changes. */
export function usePages(filter: string): Pages {
  const [cursors, setCursors] = useState<readonly string[]>([]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the filter is the trigger, not an input.
  useEffect(() => setCursors([]), [filter]);
  return {
    cursor: cursors.at(-1),
    index: cursors.length,
    goOn: (next) => setCursors([...cursors, next]),
    goBack: () => setCursors(cursors.slice(0, -1)),
  };
}

interface PagerProps {
  readonly pages: Pages;
  readonly shown: number;
  readonly total: number;
  readonly next?: string | undefined;
  readonly noun: string;
  readonly size?: number;
}

export function Pager({ pages, shown, total, next, noun, size = PAGE_SIZE }: PagerProps) {
  const first = pages.index * size + 1;
  return (
    <nav className="pager" aria-label={`Pages of ${noun}s`}>
      <span className="number quiet" aria-live="polite">
        {shown === 0
          ? counted(total, noun)
          : `${count(first)}–${count(first + shown - 1)} of ${counted(total, noun)}`}
      </span>
      {(pages.index > 0 || next !== undefined) && (
        <>
          <Button variant="default" disabled={pages.index === 0} onClick={pages.goBack}>
            Previous page
          </Button>
          <Button
            variant="default"
            disabled={next === undefined}
            onClick={() => next !== undefined && pages.goOn(next)}
          >
            Next page
          </Button>
        </>
      )}
    </nav>
  );
}
