/** A release channel as its client gives it, for tests: a baseline of redis and its hotpatches. */
import type { Catalog, QualityUpdate } from "@suture/release";

export const BUILD_ID = "aa".repeat(8);
export const BASELINE = "redis/2026-10/baseline.json";
export const hotpatchTarget = (sequence: number): string =>
  `redis/2026-10/${BUILD_ID}.${sequence}.hotpatch`;

const COMPONENT = {
  file: "redis-server",
  buildId: BUILD_ID,
  package: "redis",
  version: "5:7.0.15-1",
} as const;

/** What a device that runs it tells. */
export const runningComponent = (
  changes: { hotpatch?: string; hotpatchSequence?: number } = {},
) => ({
  ...COMPONENT,
  file: "/usr/bin/redis-server",
  processes: 1,
  outdatedProcesses: 0,
  hotpatchedProcesses: changes.hotpatch === undefined ? 0 : 1,
  ...changes,
});

export function updateOfSequence(
  sequence: number,
  changes: Partial<QualityUpdate> = {},
): QualityUpdate {
  return {
    format: 1,
    product: "redis",
    target: sequence === 0 ? BASELINE : hotpatchTarget(sequence),
    length: 1000,
    sha256: sequence.toString(16).padStart(2, "0").repeat(32),
    kind: sequence === 0 ? "baseline" : "hotpatch",
    id: `redis-2026-10-${sequence}`,
    baseline: "2026-10",
    sequence,
    components: [COMPONENT],
    cves: sequence === 0 ? [] : [`CVE-2026-100${sequence}`, `CVE-2026-100${sequence + 1}`],
    severity: "important",
    supersedes: Array.from({ length: Math.max(0, sequence - 1) }, (_, at) =>
      hotpatchTarget(at + 1),
    ),
    restartNeeded: sequence === 0,
    leftOut: [],
    released: "2026-11-01",
    ...changes,
  };
}

export const catalogOf = (updates: readonly QualityUpdate[]): Catalog => ({
  versions: { root: 1, timestamp: 1, snapshot: 1, targets: 1 },
  expires: "2026-12-22T00:00:00Z",
  calendar: { format: 1, plannedMonths: [1, 4, 7, 10], entries: [] },
  products: [{ name: "redis" }],
  updates,
});
