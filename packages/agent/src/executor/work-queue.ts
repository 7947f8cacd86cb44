/** One piece of work at a time, in the order in which it came. */
export interface WorkQueue {
  /** Runs it when all before it are done; a failure of one is no failure of the next. */
  readonly run: <Result>(work: () => Promise<Result>) => Promise<Result>;
  /** As `run`, but work of that name that waits already is not put in again: both get its result. */
  readonly share: <Result>(name: string, work: () => Promise<Result>) => Promise<Result>;
  /** When everything that was put in is done. */
  readonly idle: () => Promise<void>;
}

export function createWorkQueue(): WorkQueue {
  let last: Promise<unknown> = Promise.resolve();
  const waiting = new Map<string, Promise<unknown>>();
  const run = <Result>(work: () => Promise<Result>): Promise<Result> => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
  return {
    run,
    share: <Result>(name: string, work: () => Promise<Result>) => {
      const before = waiting.get(name);
      // Work of one name has one kind of result.
      if (before !== undefined) return before as Promise<Result>;
      const result = run(() => {
        waiting.delete(name);
        return work();
      });
      waiting.set(name, result);
      return result;
    },
    idle: async () => {
      await last;
    },
  };
}
