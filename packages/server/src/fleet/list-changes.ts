/** Tells consoles that listen which lists changed. They load what they show anew. */

export const LIST_NAMES = [
  "devices",
  "groups",
  "rings",
  "policies",
  "catalog",
  "rollouts",
  "alerts",
  "audit",
  "accounts",
  "api-tokens",
  "enrolment-tokens",
  "overview",
] as const;
export type ListName = (typeof LIST_NAMES)[number];

export interface ListChanges {
  readonly changed: (lists: readonly string[]) => void;
  /** Gives the way to stop listening. */
  readonly listen: (listener: (lists: readonly string[]) => void) => () => void;
  readonly listeners: () => number;
}

/** Changes within this time are told together. */
const togetherMs = 250;

/** Without listeners at first. */
export function createListChanges(): ListChanges {
  const listeners = new Set<(lists: readonly string[]) => void>();
  const known: ReadonlySet<string> = new Set(LIST_NAMES);
  let collected = new Set<string>();
  const tell = (): void => {
    const lists = [...collected].sort();
    collected = new Set();
    for (const listener of listeners) listener(lists);
  };
  return {
    changed(lists) {
      if (listeners.size === 0) return;
      if (collected.size === 0) setTimeout(tell, togetherMs).unref();
      for (const list of lists) if (known.has(list)) collected.add(list);
    },
    listen(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    listeners: () => listeners.size,
  };
}
