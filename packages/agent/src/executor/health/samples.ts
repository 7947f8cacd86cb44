/**
 * What memory and processor time of one process say: pure functions over samples.
 *
 * Before the hotpatch there is one number each, taken in the moment before it: resident memory, and
 * the share of a processor since the process began. After it a sample comes every few seconds.
 */
import type { HealthWatch } from "@suture/contract";

export interface Sample {
  /** Milliseconds on a clock that only goes forward. */
  readonly at: number;
  readonly residentBytes: number;
  /** Processor time of the process since it began, in seconds. */
  readonly processorSeconds: number;
}

export interface Before {
  readonly residentBytes: number;
  readonly processorShare: number;
}

/** What a small process grows by anyway when it begins to work. */
const GROWTH_MIN_BYTES = 4 * 1024 * 1024;
/** Shares below it are noise: a process that slept and works a little. */
const SHARE_MIN = 0.05;
/** Over how long processor time is looked at. */
const SHARE_WINDOW_MS = 60_000;
const SLOPE_MINUTES_DEFAULT = 60;
const MIB = 1024 * 1024;
const SAMPLES_MAX = 256;

/** The samples with one more, at most 256: where there are more, every second of the older goes. */
export function withSample(samples: readonly Sample[], sample: Sample): readonly Sample[] {
  const all = [...samples, sample];
  if (all.length <= SAMPLES_MAX) return all;
  const half = SAMPLES_MAX / 2;
  return [...all.slice(0, half).filter((_, index) => index % 2 === 0), ...all.slice(half)];
}

/** Whether resident memory is more than the policy lets it be; a sentence with the numbers. */
export function memoryProblem(
  before: Before,
  samples: readonly Sample[],
  { memoryRatioMax, memorySlopeMax, memorySlopeMinutes = SLOPE_MINUTES_DEFAULT }: HealthWatch,
): string | undefined {
  const last = samples.at(-1);
  if (last === undefined) return undefined;
  const { residentBytes } = last;
  const grown = residentBytes - before.residentBytes;
  const isLarge = residentBytes > before.residentBytes * (memoryRatioMax ?? Infinity);
  if (isLarge && grown >= GROWTH_MIN_BYTES) {
    const ratio = (residentBytes / before.residentBytes).toFixed(1);
    return `${mebibytes(residentBytes)} resident, ${ratio} times the ${mebibytes(before.residentBytes)} before`;
  }
  if (memorySlopeMax === undefined) return undefined;
  const slope = steadyGrowth(samples, memorySlopeMinutes * 60_000);
  if (slope === undefined || slope <= memorySlopeMax) return undefined;
  return `resident memory grows by ${slope.toFixed(1)} MiB an hour for ${memorySlopeMinutes} minutes`;
}

/**
 * MiB an hour over the last `spanMs`; undefined where there are not samples for so long, or the
 * growth is not steady: each quarter of the time must be above the one before, so that one step,
 * such as a cache that fills, is no leak.
 */
function steadyGrowth(samples: readonly Sample[], spanMs: number): number | undefined {
  const last = samples.at(-1);
  const first = samples.findLast(({ at }) => last !== undefined && at <= last.at - spanMs);
  if (first === undefined || last === undefined) return undefined;
  const inside = samples.filter(({ at }) => at >= first.at);
  const quarterMs = (last.at - first.at) / 4;
  const means = [0, 1, 2, 3].map((quarter) => {
    const begin = first.at + quarter * quarterMs;
    const some = inside.filter(({ at }) => at >= begin && at <= begin + quarterMs);
    return some.reduce((sum, { residentBytes }) => sum + residentBytes, 0) / some.length;
  });
  // A quarter without a sample has no mean, and NaN is above nothing.
  const isSteady = means.every((mean, index) => index === 0 || mean > (means[index - 1] ?? mean));
  if (!isSteady) return undefined;
  const hours = (last.at - first.at) / 3600_000;
  return (last.residentBytes - first.residentBytes) / MIB / hours;
}

/** Whether it takes more processor time than the policy lets it; a sentence with the numbers. */
export function processorProblem(
  before: Before,
  samples: readonly Sample[],
  { processorRatioMax }: HealthWatch,
  windowMs = SHARE_WINDOW_MS,
): string | undefined {
  const last = samples.at(-1);
  const first = samples.findLast(({ at }) => last !== undefined && at <= last.at - windowMs);
  if (first === undefined || last === undefined || processorRatioMax === undefined)
    return undefined;
  const seconds = (last.at - first.at) / 1000;
  const share = (last.processorSeconds - first.processorSeconds) / seconds;
  const limit = Math.max(SHARE_MIN, before.processorShare) * processorRatioMax;
  if (share <= limit) return undefined;
  return `${share.toFixed(2)} of a processor for ${Math.round(seconds)} s, ${before.processorShare.toFixed(2)} before`;
}

const mebibytes = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`;
