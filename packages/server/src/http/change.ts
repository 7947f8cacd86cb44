/** A change by a person: one transaction with its audit record, and word to the pages that show it. */
import type { ListName } from "../fleet/list-changes.ts";
import { signalLists } from "../fleet/signals.ts";
import type { Services } from "../services.ts";
import { appendAudit } from "../store/audit.ts";
import type { Work } from "../store/store.ts";
import { type Principal, personOf } from "./handler.ts";

export interface Change<Value> {
  readonly value: Value;
  readonly action: string;
  readonly object: string;
  readonly reason?: string | undefined;
  readonly detail?: unknown;
  /** Lists that are different now. */
  readonly lists: readonly ListName[];
}

/** Makes the change and gives its value. What `act` throws undoes it. */
export async function change<Value>(
  { store, parts }: Pick<Services, "store" | "parts">,
  who: Principal,
  act: (work: Work, at: Date) => Promise<Change<Value>>,
): Promise<Value> {
  const at = parts.now();
  return await store.transact(async (work) => {
    const { value, action, object, reason, detail, lists } = await act(work, at);
    signalLists(work, ...lists, "audit");
    const entry = { at, who: personOf(who).label, action, object, reason, detail };
    await appendAudit(work.tx, entry);
    return value;
  });
}
