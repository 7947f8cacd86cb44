/** Requests of devices that are held until something changes for them: one a device. */

export interface HeldRequests {
  /** Waits until the device is woken, or the time is over, or a newer request takes its place. */
  readonly hold: (deviceId: string, ms: number) => Hold;
  readonly wake: (deviceId: string) => void;
  readonly wakeAll: () => void;
  /** Ends them without an answer: the server ends. */
  readonly endAll: () => void;
  readonly count: () => number;
}

export interface Hold {
  readonly ended: Promise<"woken" | "over">;
  /** The device went away. */
  readonly cancel: () => void;
}

/** None held yet. */
export function createHeldRequests(): HeldRequests {
  const held = new Map<string, (why: "woken" | "over") => void>();
  return {
    hold(deviceId, ms) {
      held.get(deviceId)?.("over");
      const { promise, resolve } = Promise.withResolvers<"woken" | "over">();
      const end = (why: "woken" | "over"): void => {
        clearTimeout(timer);
        if (held.get(deviceId) === end) held.delete(deviceId);
        resolve(why);
      };
      const timer = setTimeout(end, ms, "over");
      held.set(deviceId, end);
      return { ended: promise, cancel: () => end("over") };
    },
    wake: (deviceId) => held.get(deviceId)?.("woken"),
    wakeAll() {
      for (const end of [...held.values()]) end("woken");
    },
    endAll() {
      for (const end of [...held.values()]) end("over");
    },
    count: () => held.size,
  };
}
