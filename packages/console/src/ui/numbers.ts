/** Numbers, shares and moments as text. */

const whole = new Intl.NumberFormat("en");
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });

export const count = (value: number): string => whole.format(value);

/** `1 device`, `12 devices`. */
export const counted = (value: number, one: string, many = `${one}s`): string =>
  `${whole.format(value)} ${value === 1 ? one : many}`;

/** Rounded down, so that 100 % means all; a dash where there is nothing to share. */
export function share(part: number, all: number): string {
  if (all === 0) return "–";
  return `${fine.format(Math.floor((part / all) * 1000) / 10)} %`;
}

/** Hours in the unit that reads best; a dash where there are none. */
export function hours(value: number | undefined): string {
  if (value === undefined) return "–";
  if (value < 1) return `${fine.format(Math.max(value * 60, 0))} min`;
  return value < 72 ? `${fine.format(value)} h` : `${fine.format(value / 24)} days`;
}

export const microseconds = (value: number): string =>
  value < 1000 ? `${fine.format(value)} µs` : `${fine.format(value / 1000)} ms`;

const STEPS: readonly (readonly [seconds: number, unit: Intl.RelativeTimeFormatUnit])[] = [
  [31_536_000, "year"],
  [2_592_000, "month"],
  [86_400, "day"],
  [3600, "hour"],
  [60, "minute"],
];
const relative = new Intl.RelativeTimeFormat("en", { numeric: "always", style: "long" });

/** `3 minutes ago`, `in 2 days`; below a minute `just now` or `in less than a minute`. */
export function relativeTime(at: number, now: number): string {
  const seconds = (at - now) / 1000;
  const step = STEPS.find(([size]) => Math.abs(seconds) >= size);
  if (step === undefined) return seconds > 5 ? "in less than a minute" : "just now";
  return relative.format(Math.trunc(seconds / step[0]), step[1]);
}

const exact = new Intl.DateTimeFormat("en", {
  year: "numeric",
  month: "short",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
  timeZoneName: "short",
});
export const exactTime = (at: number): string => exact.format(at);

/** `2026-10` as `October 2026`, or short as `Oct 2026`. */
export const monthName = (text: string, month: "long" | "short" = "long"): string =>
  new Intl.DateTimeFormat("en", { year: "numeric", month, timeZone: "UTC" }).format(
    new Date(`${text}-01T00:00:00Z`),
  );
