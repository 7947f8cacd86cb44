/** Shows what a query has: its value, its error, or that it is on its way. */
import { Skeleton } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ErrorNote } from "./error-note.tsx";

interface LoadedProps<Value> {
  readonly query: UseQueryResult<Value, Error>;
  readonly children: (value: NonNullable<Value>) => ReactNode;
}

/** What was loaded before stays on the screen below the error that came after it. */
export function Loaded<Value>({ query, children }: LoadedProps<Value>) {
  const { data, error } = query;
  return (
    <>
      <ErrorNote error={error} again={() => void query.refetch()} />
      {data !== undefined && data !== null ? children(data) : error === null && <Waiting />}
    </>
  );
}

const Waiting = () => (
  <div role="status" aria-label="Loading" className="waiting">
    <Skeleton height={20} width="40%" />
    <Skeleton height={120} />
  </div>
);
