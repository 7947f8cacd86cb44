/** How long to wait: after failures, and between things that a whole fleet does. */
import { backoffFirstMs, backoffLastMs } from "./limits.ts";

/** A number from 0 up to, but not including, 1. */
export type Random = () => number;

/**
 * Milliseconds before the next attempt after so many failures in a row (1 or more).
 *
 * Doubles, and lies anywhere in the upper half of that: devices that failed together do not come
 * back together.
 */
export function backoffMs(failures: number, random: Random): number {
  const whole = Math.min(backoffLastMs, backoffFirstMs * 2 ** Math.min(failures - 1, 30));
  return whole / 2 + (random() * whole) / 2;
}

/** The interval, a tenth shorter or longer. */
export const jittered = (intervalMs: number, random: Random): number =>
  intervalMs * (0.9 + 0.2 * random());
