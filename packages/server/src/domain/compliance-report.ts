/** Reports over the fleet: per CVE, per update, exposure, restarts avoided. */
import {
  type ComplianceCounts,
  ComplianceState,
  type CveCompliance,
  DeviceUpdateState,
  type ExposureWindow,
  Severity,
  type StateCounts,
  type UpdateReport,
} from "@suture/contract";
import { type CatalogUpdate, isHotpatch, momentOfDay } from "./quality-updates.ts";

const HOUR = 3_600_000;

/** One device and one CVE that it was exposed to. */
export interface Exposure {
  /** When the fix was released, or when the device was first seen with the fault, if later. */
  readonly exposedAt: number;
  /** Absent while it is exposed. */
  readonly protectedAt?: number;
}

/** From when a device counts as exposed: nobody could have protected it before. */
export const exposedFrom = (fixReleasedAt: number, firstSeenAt: number): number =>
  Math.max(fixReleasedAt, firstSeenAt);

/**
 * Median and 90th percentile of the hours from exposure to protection (nearest rank), over the
 * devices that are protected. Those that are not are in `open`, and in neither of the two: look at
 * all three. A protection before the release of the fix counts as 0 hours.
 */
export function exposureWindow(exposures: Iterable<Exposure>): ExposureWindow {
  const hours: number[] = [];
  let open = 0;
  for (const { exposedAt, protectedAt } of exposures) {
    if (protectedAt === undefined) open++;
    else hours.push(Math.max(0, protectedAt - exposedAt) / HOUR);
  }
  hours.sort((a, b) => a - b);
  const rank = (share: number): number | undefined =>
    hours[Math.max(0, Math.ceil(share * hours.length) - 1)];
  const [medianHours, p90Hours] = [rank(0.5), rank(0.9)];
  if (medianHours === undefined || p90Hours === undefined) return { open };
  return { medianHours, p90Hours, open };
}

export interface CveFacts {
  /** The worst that an update gives it. */
  readonly severity: Severity;
  /** The day of the first update that fixes it, withdrawn ones left out where there is another. */
  readonly released: string;
}

const SEVERITIES: readonly Severity[] = [
  Severity.low,
  Severity.moderate,
  Severity.important,
  Severity.critical,
];

/** All CVEs that updates of the channel fix. */
export function cvesOfCatalog(updates: readonly CatalogUpdate[]): ReadonlyMap<string, CveFacts> {
  const valid = updates.filter(({ withdrawn }) => withdrawn === undefined);
  const withdrawn = updates.filter((update) => update.withdrawn !== undefined);
  const cves = new Map<string, CveFacts>();
  for (const list of [valid, withdrawn]) {
    const before = new Set(cves.keys());
    for (const update of list) {
      for (const cve of update.cves) {
        if (!before.has(cve)) cves.set(cve, merge(cves.get(cve), update));
      }
    }
  }
  return cves;
}

function merge(facts: CveFacts | undefined, { severity, released }: CatalogUpdate): CveFacts {
  if (facts === undefined) return { severity, released };
  const isWorse = SEVERITIES.indexOf(severity) > SEVERITIES.indexOf(facts.severity);
  return {
    severity: isWorse ? severity : facts.severity,
    released: released < facts.released ? released : facts.released,
  };
}

/** One line of the compliance report. `exposures` has one entry for each device concerned. */
export function cveCompliance(
  cve: string,
  { severity, released }: CveFacts,
  exposures: readonly Exposure[],
): CveCompliance {
  const exposure = exposureWindow(exposures);
  return {
    cve,
    severity,
    released,
    concerned: exposures.length,
    protected: exposures.length - exposure.open,
    exposure,
  };
}

/** When the fix of a CVE was released, in milliseconds since 1970. */
export const releasedAt = ({ released }: CveFacts): number => momentOfDay(released);

/** The hotpatch quality update report: how the devices concerned stand with one update. */
export function updateReport(
  { target, id, released, cves }: CatalogUpdate,
  states: Iterable<DeviceUpdateState>,
): UpdateReport {
  const counts: StateCounts = {};
  let concerned = 0;
  for (const state of states) {
    counts[state] = (counts[state] ?? 0) + 1;
    if (state !== DeviceUpdateState.notApplicable) concerned++;
  }
  return { target, id, released, cves, concerned, counts };
}

/** How many devices are in each state; all states are there. */
export function complianceCounts(states: Iterable<ComplianceState>): ComplianceCounts {
  const counts: ComplianceCounts = {
    [ComplianceState.hotpatched]: 0,
    [ComplianceState.restarted]: 0,
    [ComplianceState.inProgress]: 0,
    [ComplianceState.paused]: 0,
    [ComplianceState.restartPending]: 0,
    [ComplianceState.notUpToDate]: 0,
    [ComplianceState.notReady]: 0,
  };
  for (const state of states) counts[state]++;
  return counts;
}

const IN_FORCE: ReadonlySet<DeviceUpdateState> = new Set([
  DeviceUpdateState.applied,
  DeviceUpdateState.succeeded,
]);

export interface UpdateOnDevice {
  readonly update: CatalogUpdate;
  readonly state: DeviceUpdateState;
  /** The device has it or a newer hotpatch that took its place. */
  readonly protected: boolean;
}

/**
 * Restarts that did not have to be: each hotpatch that is or was in force on a device instead of an
 * update that needs one. A hotpatch that was superseded counts, for each of them would have been a
 * restart; one that ended in a restart does not.
 */
export function restartsAvoided(entries: Iterable<UpdateOnDevice>): number {
  let count = 0;
  for (const { update, state, protected: isProtected } of entries) {
    if (isHotpatch(update) && isProtected && IN_FORCE.has(state)) count++;
  }
  return count;
}
