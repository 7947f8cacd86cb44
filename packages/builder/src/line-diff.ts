/**
 * Which lines of a text are those of another: the shortest edit script of Myers ("An O(ND)
 * difference algorithm and its variations", 1986), after equal ends are cut off.
 */
import { lineDifferencesMax } from "./limits.ts";

/**
 * For every line of `after` the index of the same line in `before`, or -1 for a new line.
 *
 * Indices count from 0 and rise. Texts with more than lineDifferencesMax differences between
 * their equal ends are not aligned there.
 */
export function alignLines(before: readonly string[], after: readonly string[]): Int32Array {
  const aligned = new Int32Array(after.length).fill(-1);
  const shorter = Math.min(before.length, after.length);
  let head = 0;
  while (head < shorter && before[head] === after[head]) {
    aligned[head] = head;
    head += 1;
  }
  let tail = 0;
  while (
    tail < shorter - head &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  ) {
    tail += 1;
    aligned[after.length - tail] = before.length - tail;
  }
  const pairs = shortestEdit(
    before.slice(head, before.length - tail),
    after.slice(head, after.length - tail),
  );
  for (const [from, to] of pairs) aligned[head + to] = head + from;
  return aligned;
}

/** Pairs of equal lines on a shortest path from (0, 0) to the ends of both texts. */
function shortestEdit(
  before: readonly string[],
  after: readonly string[],
): readonly (readonly [number, number])[] {
  const differencesMax = Math.min(before.length + after.length, lineDifferencesMax);
  const centre = differencesMax + 1;
  // reach[k + centre] is the furthest line of `before` on diagonal k = line before - line after.
  let reach = new Int32Array(2 * centre + 1);
  const trace: Int32Array[] = [];
  for (let differences = 0; differences <= differencesMax; differences += 1) {
    trace.push(reach);
    reach = reach.slice();
    for (let k = -differences; k <= differences; k += 2) {
      const down =
        k === -differences ||
        (k !== differences && at(reach, centre + k - 1) < at(reach, centre + k + 1));
      let from = down ? at(reach, centre + k + 1) : at(reach, centre + k - 1) + 1;
      while (from < before.length && from - k < after.length && before[from] === after[from - k]) {
        from += 1;
      }
      reach[centre + k] = from;
      if (from >= before.length && from - k >= after.length) {
        return backtrack(trace, { from: before.length, to: after.length, centre });
      }
    }
  }
  return [];
}

function backtrack(
  trace: readonly Int32Array[],
  end: { readonly from: number; readonly to: number; readonly centre: number },
): readonly (readonly [number, number])[] {
  const pairs: (readonly [number, number])[] = [];
  let { from, to } = end;
  for (let differences = trace.length - 1; differences >= 0; differences -= 1) {
    const reach = trace[differences] ?? new Int32Array(0);
    const k = from - to;
    const down =
      k === -differences ||
      (k !== differences && at(reach, end.centre + k - 1) < at(reach, end.centre + k + 1));
    const earlier = down ? k + 1 : k - 1;
    const earlierFrom = differences === 0 ? 0 : at(reach, end.centre + earlier);
    const earlierTo = differences === 0 ? 0 : earlierFrom - earlier;
    while (from > earlierFrom && to > earlierTo) {
      from -= 1;
      to -= 1;
      pairs.push([from, to]);
    }
    from = earlierFrom;
    to = earlierTo;
  }
  return pairs;
}

const at = (array: Int32Array, index: number): number => array[index] ?? 0;
