/** Scores per class, and whether they are what is to be reached. */
import { expectedVerdict, scoreRow } from "./judge.ts";
import type { RowRecord } from "./records.ts";

/** The share of a, b and c rows that must be built. */
const builtShareMin = 0.95;

export interface Reach {
  /** Rows of class d or e that were built as if they were safe; must be none. */
  readonly unsafe: readonly RowRecord[];
  readonly patchable: number;
  readonly patchableBuilt: number;
  readonly harmless: number;
  readonly harmlessNothing: number;
  readonly built: number;
  readonly confirmed: number;
  /** Rows whose fault was shown before the hotpatch and not with it, and their packages. */
  readonly proven: number;
  readonly provenPackages: number;
}

export function reachOf(records: readonly RowRecord[]): Reach {
  const there = records.filter(({ verdict }) => verdict !== "gone");
  const expecting = (verdict: string) =>
    there.filter((record) => expectedVerdict(record.class) === verdict);
  const patchable = expecting("built");
  const harmless = expecting("nothing-to-do");
  const proven = there.filter(({ behaviour }) => behaviour === "proven");
  const built = there.filter(({ verdict }) => verdict === "built");
  return {
    unsafe: expecting("restart-needed").filter(({ verdict }) => verdict === "built"),
    patchable: patchable.length,
    patchableBuilt: patchable.filter(({ verdict }) => verdict === "built").length,
    harmless: harmless.length,
    harmlessNothing: harmless.filter(({ verdict }) => verdict === "nothing-to-do").length,
    built: built.length,
    confirmed: built.filter(({ applied, reverted }) => applied && reverted).length,
    proven: proven.length,
    provenPackages: new Set(proven.map((record) => record.package)).size,
  };
}

export function isReached(records: readonly RowRecord[]): boolean {
  const reach = reachOf(records);
  return (
    reach.unsafe.length === 0 &&
    reach.patchableBuilt >= reach.patchable * builtShareMin &&
    reach.harmlessNothing === reach.harmless &&
    reach.confirmed === reach.built
  );
}

/** A table with a line for each class, and the figures to be reached. */
export function formatScores(records: readonly RowRecord[]): string {
  const classes = [...new Set(records.map((record) => record.class))].sort();
  const verdicts = ["built", "restart-needed", "nothing-to-do", "failed", "gone"] as const;
  const head = ["class", "rows", ...verdicts, "wrong"].map((title) => title.padStart(15)).join("");
  const lines = classes.map((kind) => {
    const own = records.filter((record) => record.class === kind);
    const counts = verdicts.map((verdict) => own.filter((it) => it.verdict === verdict).length);
    const wrong = own.filter((record) => scoreRow(record, record.verdict) === "wrong").length;
    return [kind, own.length, ...counts, wrong].map((cell) => `${cell}`.padStart(15)).join("");
  });
  const reach = reachOf(records);
  const share = (part: number, of: number): string =>
    of === 0 ? "none" : `${part} of ${of} (${((100 * part) / of).toFixed(1)} %)`;
  return [
    ...[head, ...lines, ""],
    `d, e built as if safe:          ${reach.unsafe.length} (must be 0)`,
    `a, b, c built:                  ${share(reach.patchableBuilt, reach.patchable)} (at least 95 %)`,
    `f, h nothing to do:             ${share(reach.harmlessNothing, reach.harmless)} (all)`,
    `built, applied and reverted:    ${share(reach.confirmed, reach.built)} (all)`,
    `proven by behaviour:            ${reach.proven} in ${reach.provenPackages} packages (10 in 5 of the whole list)`,
    isReached(records) ? "reached" : "not reached",
    "",
  ].join("\n");
}
