/** What a measurement started is gone when it ends, also by Ctrl-C: what comes last goes first. */

export interface CleanUp {
  /** `end` has to do its work at once: nothing is waited for after a signal. */
  readonly add: (end: () => void) => void;
  readonly close: () => void;
}

/** Listens for the signals that end a program, until it is closed. */
export function openCleanUp(): CleanUp {
  const ends: (() => void)[] = [];
  const run = (): void => {
    for (const end of ends.splice(0).reverse()) end();
  };
  let isOver = false;
  const stop = (): void => {
    if (isOver) return;
    isOver = true;
    run();
    process.exit(130);
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const name of signals) process.on(name, stop);
  return {
    add: (end) => void ends.push(end),
    close() {
      run();
      for (const name of signals) process.off(name, stop);
    },
  };
}
