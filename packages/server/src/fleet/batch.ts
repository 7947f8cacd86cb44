/**
 * Work of many requests done together.
 *
 * A thousand devices that check in within a second need no thousand transactions. Requests wait
 * while a batch is under way; then all that wait make the next one. An idle server answers at once,
 * for the first request finds nothing under way; the busier it is, the larger the batches become.
 *
 * Two items of one key are never in work at once. A batch that fails, fails for all of its items.
 */
import { RequestError } from "../errors.ts";
import { BATCH_MAX, QUEUE_MAX } from "../limits.ts";

export interface BatchOptions<Item, Result> {
  readonly keyOf: (item: Item) => string;
  /** Gives a result for each item, in their order. */
  readonly run: (items: readonly Item[]) => Promise<readonly Result[]>;
  /** Batches that may be under way at once. */
  readonly concurrency: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly key: string;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Gives a function that puts an item into a batch. It throws RequestError `unavailable` when too many wait. */
export function createBatch<Item, Result>(
  options: BatchOptions<Item, Result>,
): (item: Item) => Promise<Result> {
  let waiting: Waiting<Item, Result>[] = [];
  const keysAtWork = new Set<string>();
  let running = 0;

  const take = (): Waiting<Item, Result>[] => {
    const taken: Waiting<Item, Result>[] = [];
    const left: Waiting<Item, Result>[] = [];
    for (const entry of waiting) {
      if (taken.length < BATCH_MAX && !keysAtWork.has(entry.key)) {
        keysAtWork.add(entry.key);
        taken.push(entry);
      } else left.push(entry);
    }
    waiting = left;
    return taken;
  };
  const work = (): void => {
    while (running < options.concurrency && waiting.length > 0) {
      const batch = take();
      if (batch.length === 0) return;
      running += 1;
      void runBatch(options.run, batch).finally(() => {
        running -= 1;
        for (const { key } of batch) keysAtWork.delete(key);
        work();
      });
    }
  };
  return (item) =>
    new Promise((resolve, reject) => {
      if (waiting.length >= QUEUE_MAX) {
        reject(new RequestError("unavailable", "too many requests wait", { retryAfterSeconds: 5 }));
        return;
      }
      waiting.push({ item, key: options.keyOf(item), resolve, reject });
      // Requests that arrive in the same turn of the event loop begin together.
      if (running < options.concurrency) setImmediate(work);
    });
}

async function runBatch<Item, Result>(
  run: BatchOptions<Item, Result>["run"],
  batch: readonly Waiting<Item, Result>[],
): Promise<void> {
  try {
    const results = await run(batch.map(({ item }) => item));
    for (const [at, { resolve }] of batch.entries()) resolve(results[at] as Result);
  } catch (error) {
    for (const { reject } of batch) reject(error);
  }
}
