/** Failures of one address in a window of time; after too many it has to wait. */
import { ADDRESSES_MAX, FAILURE_WINDOW_MS, FAILURES_MAX } from "../limits.ts";

export interface FailureLimit {
  /** Seconds to wait, or undefined where the address may try. */
  readonly waitSeconds: (address: string) => number | undefined;
  readonly failed: (address: string) => void;
  readonly succeeded: (address: string) => void;
}

/** Counts in memory: behind several servers an address has as many tries at each. */
export function createFailureLimit(now: () => number, failuresMax = FAILURES_MAX): FailureLimit {
  const failures = new Map<string, { count: number; readonly until: number }>();
  const current = (address: string) => {
    const entry = failures.get(address);
    if (entry === undefined || entry.until > now()) return entry;
    failures.delete(address);
    return undefined;
  };
  return {
    waitSeconds(address) {
      const entry = current(address);
      if (entry === undefined || entry.count < failuresMax) return undefined;
      return Math.ceil((entry.until - now()) / 1000);
    },
    failed(address) {
      const entry = current(address);
      if (entry !== undefined) {
        entry.count += 1;
        return;
      }
      // The oldest entry makes room; Maps keep the order in which they were filled.
      if (failures.size >= ADDRESSES_MAX) {
        const [oldest = ""] = failures.keys();
        failures.delete(oldest);
      }
      failures.set(address, { count: 1, until: now() + FAILURE_WINDOW_MS });
    },
    succeeded: (address) => void failures.delete(address),
  };
}
