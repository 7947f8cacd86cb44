/** Waiting for something that only asking tells. */

const TURN_MS = 150;

/** Asks until it gives a value. Throws when the time is over. */
export async function until<Value>(
  what: string,
  timeoutMs: number,
  look: () => Promise<Value | undefined>,
): Promise<Value> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await look();
    if (value !== undefined) return value;
    if (performance.now() > end) throw new Error(`not within ${timeoutMs / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, TURN_MS));
  }
}
