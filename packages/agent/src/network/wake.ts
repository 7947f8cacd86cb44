/** Waiting for a time, or for a reason that comes earlier. */

export interface Wake {
  /** Ends the wait that is on, or the next one at once. */
  readonly wake: () => void;
  /** Resolves when woken, when the time is over or when the signal aborts. */
  readonly wait: (ms: number, signal: AbortSignal) => Promise<void>;
}

/** One waiter at a time. */
export function createWake(): Wake {
  let isWoken = false;
  let end: (() => void) | undefined;
  return {
    wake() {
      isWoken = true;
      end?.();
    },
    wait: (ms, signal) =>
      new Promise((resolve) => {
        const finish = (): void => {
          clearTimeout(timer);
          signal.removeEventListener("abort", finish);
          end = undefined;
          isWoken = false;
          resolve();
        };
        const timer = setTimeout(finish, ms);
        if (isWoken || signal.aborted) return finish();
        end = finish;
        signal.addEventListener("abort", finish);
      }),
  };
}
