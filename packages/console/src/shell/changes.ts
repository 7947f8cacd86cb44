/** Live updates: whenever the server says that lists changed, they are asked for again. */
import { ROUTES } from "@suture/contract";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

/** Many changes in a row are one question. */
const GATHER_MS = 400;

export type Connection = "connecting" | "live" | "lost";

/** Holds the stream of changes as long as the component is there; it connects again by itself. */
export function useChanges(): Connection {
  const queries = useQueryClient();
  const [connection, setConnection] = useState<Connection>("connecting");

  useEffect(() => {
    const source = new EventSource(ROUTES.changes.path);
    let timer: number | undefined;
    let wasLost = false;
    const refresh = () => {
      timer ??= window.setTimeout(() => {
        timer = undefined;
        void queries.invalidateQueries();
      }, GATHER_MS);
    };
    source.onopen = () => {
      setConnection("live");
      // What changed meanwhile was said to nobody.
      if (wasLost) refresh();
      wasLost = false;
    };
    source.onerror = () => {
      wasLost = true;
      setConnection("lost");
      // A session that ended shows here first.
      void queries.invalidateQueries({ queryKey: ["me"] });
    };
    source.onmessage = refresh;
    source.addEventListener("change", refresh);
    return () => {
      source.close();
      window.clearTimeout(timer);
    };
  }, [queries]);

  return connection;
}
