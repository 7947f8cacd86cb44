/** Reports over the fleet. */
import {
  type ComplianceCounts,
  type ComplianceReport,
  ComplianceState,
  DeviceUpdateState,
  type ExposureWindow,
  type UpdateReport,
} from "@suture/contract";
import { cvesOfCatalog } from "../domain/compliance-report.ts";
import type { CatalogUpdate } from "../domain/quality-updates.ts";
import { HAS_IT } from "../domain/rollout-facts.ts";
import {
  complianceSums,
  type ExposureSum,
  exposureSums,
  type UpdateSum,
  updateSums,
} from "../store/reports.ts";
import type { Database } from "../store/store.ts";

const DAYS_SHOWN = 90;

/** Everything of the compliance report. */
export async function complianceReport(database: Database, now: Date): Promise<ComplianceReport> {
  const counts = countsOf(await complianceSums(database));
  const rows = await database.selectFrom("updates").select("entry").orderBy("position").execute();
  const updates: CatalogUpdate[] = rows.map(({ entry }) => entry);
  const exposures = await exposureSums(database);
  const sums = await updateSums(database);
  const days = await database
    .selectFrom("compliance_days")
    .select(["day", "counts"])
    .where("day", "<", dayOf(now))
    .orderBy("day", "desc")
    .limit(DAYS_SHOWN - 1)
    .execute();
  return {
    at: now.toISOString(),
    devices: totalOf(counts),
    counts,
    cves: cveLines(updates, exposures.cves),
    updates: updates.map((update) => updateLine(update, sums)),
    exposure: exposures.all.exposure,
    restartsAvoided: restartsAvoidedOf(sums),
    days: [...days.reverse(), { day: dayOf(now), counts }],
  };
}

export const dayOf = (moment: Date): string => moment.toISOString().slice(0, 10);

export const totalOf = (counts: ComplianceCounts): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0);

/** All states are there. */
export function countsOf(sums: ReadonlyMap<ComplianceState, number>): ComplianceCounts {
  const entries = Object.values(ComplianceState).map((state) => [state, sums.get(state) ?? 0]);
  return Object.fromEntries(entries) as ComplianceCounts;
}

function cveLines(
  updates: readonly CatalogUpdate[],
  exposures: ReadonlyMap<string, ExposureSum>,
): ComplianceReport["cves"] {
  const none: ExposureSum = { concerned: 0, exposure: { open: 0 } };
  return [...cvesOfCatalog(updates)]
    .map(([cve, { severity, released }]) => {
      const { concerned, exposure } = exposures.get(cve) ?? none;
      return {
        ...{ cve, severity, released, concerned, exposure },
        protected: concerned - exposure.open,
      };
    })
    .sort((a, b) => b.exposure.open - a.exposure.open || (a.cve < b.cve ? -1 : 1));
}

function updateLine(
  { target, id, released, cves }: CatalogUpdate,
  sums: readonly UpdateSum[],
): UpdateReport {
  const counts: UpdateReport["counts"] = {};
  let concerned = 0;
  for (const sum of sums) {
    if (sum.target !== target) continue;
    counts[sum.state] = (counts[sum.state] ?? 0) + sum.count;
    if (sum.state !== DeviceUpdateState.notApplicable) concerned += sum.count;
  }
  return { target, id, released, cves, concerned, counts };
}

/** As domain/compliance-report.ts counts them. */
const restartsAvoidedOf = (sums: readonly UpdateSum[]): number =>
  sums.reduce(
    (count, sum) =>
      sum.target.endsWith(".hotpatch") && sum.protected && HAS_IT.has(sum.state)
        ? count + sum.count
        : count,
    0,
  );

/** The part of the overview that goes through all rows. */
export interface FleetSums {
  readonly counts: ComplianceCounts;
  readonly exposure: ExposureWindow;
  readonly restartsAvoided: number;
}

export async function fleetSums(database: Database): Promise<FleetSums> {
  const { all } = await exposureSums(database);
  return {
    counts: countsOf(await complianceSums(database)),
    exposure: all.exposure,
    restartsAvoided: restartsAvoidedOf(await updateSums(database)),
  };
}

export interface Reports {
  readonly compliance: (now: Date) => Promise<ComplianceReport>;
  readonly sums: (now: Date) => Promise<FleetSums>;
}

/** Both, as whoever asks gets them. */
export const createReports = (database: Database): Reports => ({
  compliance: createReportCache(
    async (now) => await complianceReport(database, now),
    ({ devices }) => devices,
  ),
  sums: createReportCache(
    async () => await fleetSums(database),
    ({ counts }) => totalOf(counts),
  ),
});

/** Keeps the counts of the day; the last ones of a day stay. */
export async function keepDay(database: Database, now: Date): Promise<void> {
  const counts = JSON.stringify(countsOf(await complianceSums(database)));
  await database
    .insertInto("compliance_days")
    .values({ day: dayOf(now), counts })
    .onConflict((conflict) => conflict.column("day").doUpdateSet({ counts }))
    .execute();
}

/** Fleets beyond this size are not summed up again for each reader. */
const devicesAtOnce = 5000;
const freshMs = 10_000;

/**
 * A report that takes long is made in the background: whoever asks gets the last one, and one that
 * is older than ten seconds is made anew meanwhile. Small fleets always get it as it is.
 */
function createReportCache<Report>(
  make: (now: Date) => Promise<Report>,
  sizeOf: (report: Report) => number,
): (now: Date) => Promise<Report> {
  let kept: { readonly report: Report; readonly at: number } | undefined;
  let making: Promise<Report> | undefined;
  const remake = async (now: Date): Promise<Report> => {
    const report = await make(now);
    kept = { report, at: now.getTime() };
    return report;
  };
  return async (now) => {
    const isLarge = kept !== undefined && sizeOf(kept.report) > devicesAtOnce;
    if (!isLarge) return await remake(now);
    if (now.getTime() - (kept?.at ?? 0) > freshMs) {
      making ??= remake(now).finally(() => {
        making = undefined;
      });
      // It fails for whoever asks next, if it still does then.
      making.catch(() => undefined);
    }
    return kept?.report ?? (await remake(now));
  };
}
