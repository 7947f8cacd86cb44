/** Durations for people. */

const UNITS: readonly (readonly [number, string])[] = [
  [86_400_000, "day"],
  [3_600_000, "hour"],
  [60_000, "minute"],
  [1000, "second"],
];

/** In the largest unit of which it is a whole number: `2 days`, `36 hours`, `18 seconds`. */
export function durationText(ms: number): string {
  const whole = Math.round(ms / 1000) * 1000;
  const [size, name] = UNITS.find(([unit]) => whole >= unit && whole % unit === 0) ?? [
    1000,
    "second",
  ];
  const count = whole / size;
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}
