/** Live updates: whenever the server says that lists changed, what shows them is asked for again. */
import { ROUTES, type RouteName } from "@suture/contract";
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

/** A fleet at work changes all the time: asked at once, then no sooner than this again. */
const PAUSE_MS = 1500;

/** What is asked for again when a list changed. Only what is on the screen is. */
const SHOWN_BY: Readonly<Record<string, readonly RouteName[]>> = {
  devices: ["devices", "device", "deviceEvents", "rolloutDevices", "rings", "groups", "catalog"],
  groups: ["groups", "devices", "device"],
  rings: ["rings", "devices", "device"],
  policies: ["policies", "device"],
  catalog: ["catalog"],
  rollouts: ["rollouts", "rollout", "rolloutDevices", "approvals"],
  alerts: ["alerts"],
  audit: ["audit"],
  accounts: ["accounts", "me"],
  "api-tokens": ["apiTokens"],
  "enrolment-tokens": ["enrolmentTokens"],
  overview: ["overview", "compliance"],
};

export type Connection = "connecting" | "live" | "lost";

/** Holds the stream of changes as long as the component is there; it connects again by itself. */
export function useChanges(): Connection {
  const queries = useQueryClient();
  const [connection, setConnection] = useState<Connection>("connecting");

  useEffect(() => {
    const source = new EventSource(ROUTES.changes.path);
    const refresher = createRefresher(queries);
    let wasLost = false;
    source.onopen = () => {
      setConnection("live");
      // What changed meanwhile was said to nobody.
      if (wasLost) refresher.refresh(undefined);
      wasLost = false;
    };
    source.onerror = () => {
      wasLost = true;
      setConnection("lost");
      // A session that ended shows here first.
      void queries.invalidateQueries({ queryKey: ["me"] });
    };
    source.addEventListener("change", ({ data }) => refresher.refresh(parseLists(data)));
    return () => {
      source.close();
      refresher.stop();
    };
  }, [queries]);

  return connection;
}

/** The names of the lists; undefined, which stands for all, where it says something else. */
function parseLists(data: unknown): readonly string[] | undefined {
  const { lists } = JSON.parse(String(data)) as { lists?: unknown };
  return Array.isArray(lists) && lists.every((list) => typeof list === "string")
    ? lists
    : undefined;
}

function createRefresher(queries: QueryClient) {
  let collected = new Set<RouteName>();
  let isAll = false;
  let last = Number.NEGATIVE_INFINITY;
  let timer: number | undefined;
  const run = () => {
    const wanted: ReadonlySet<unknown> = collected;
    const all = isAll;
    timer = undefined;
    last = performance.now();
    collected = new Set();
    isAll = false;
    void queries.invalidateQueries({
      predicate: ({ queryKey: [route] }) => all || wanted.has(route),
    });
  };
  return {
    refresh(lists: readonly string[] | undefined) {
      for (const list of lists ?? []) {
        const routes = SHOWN_BY[list];
        if (routes === undefined) isAll = true;
        else for (const route of routes) collected.add(route);
      }
      isAll ||= lists === undefined;
      timer ??= window.setTimeout(run, Math.max(0, last + PAUSE_MS - performance.now()));
    },
    stop: () => window.clearTimeout(timer),
  };
}
