/** Lets each name through once in a while: for what an attacker could repeat as often as he likes. */

/** How often the same refusal is recorded, in milliseconds. */
export const AUDIT_EVERY_MS = 60_000;
const NAMES_MAX = 1000;

/** True for a name that was not let through within `everyMs`. */
export function createSeldom(clock: () => number, everyMs: number): (name: string) => boolean {
  const last = new Map<string, number>();
  return (name) => {
    const before = last.get(name);
    if (before !== undefined && clock() - before < everyMs) return false;
    if (last.size >= NAMES_MAX) return false;
    last.set(name, clock());
    return true;
  };
}
