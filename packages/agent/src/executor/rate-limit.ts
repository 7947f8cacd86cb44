/** A token bucket: so many in one burst, and so many a second on average. */
export interface RateLimit {
  /** False where there are too many. */
  readonly take: () => boolean;
}

/** `clock` gives milliseconds that only go forward. */
export function createRateLimit(
  { perSecond, burst }: { readonly perSecond: number; readonly burst: number },
  clock: () => number,
): RateLimit {
  let tokens = burst;
  let at = clock();
  return {
    take: () => {
      const now = clock();
      tokens = Math.min(burst, tokens + ((now - at) / 1000) * perSecond);
      at = now;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
