/** Quality updates as tests need them: redis, Build-ID `aa…` in baseline 2026-10. */
import type { CatalogUpdate } from "./quality-updates.ts";

const digit = (sequence: number): string => (sequence % 16).toString(16);

export function updateOf(
  changes: Partial<CatalogUpdate> & { readonly sequence: number },
): CatalogUpdate {
  const { sequence, baseline = "2026-10", product = "redis" } = changes;
  const components = changes.components ?? [
    {
      file: "/usr/bin/redis-server",
      buildId: "aa".repeat(8),
      package: "redis",
      version: "7.0.15-1",
    },
  ];
  const file = sequence === 0 ? "baseline.json" : `${components[0]?.buildId}.${sequence}.hotpatch`;
  return {
    target: `${product}/${baseline}/${file}`,
    sha256: digit(sequence).repeat(64),
    product,
    kind: sequence === 0 ? "baseline" : "hotpatch",
    id: `${product}-${baseline}-${sequence}`,
    baseline,
    components,
    cves: [],
    severity: "important",
    supersedes: [],
    restartNeeded: sequence === 0,
    leftOut: [],
    released: "2026-10-13",
    ...changes,
  };
}
