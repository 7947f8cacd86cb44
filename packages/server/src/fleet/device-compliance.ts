/** A device's compliance as rows; only what differs from the rows that are there. */
import type { ComponentCompliance } from "@suture/contract";
import type { DeviceCompliance } from "../domain/compliance.ts";
import { COMPLIANCE_RANK } from "../domain/compliance.ts";
import { type CveFacts, exposedFrom, releasedAt } from "../domain/compliance-report.ts";
import type { ComplianceRow, CveChange } from "../store/device-compliance.ts";
import type { KnownComponent, SettlingDevice } from "../store/settling.ts";

export interface ComplianceParts {
  readonly cves: ReadonlyMap<string, CveFacts>;
  readonly now: Date;
}

/** Undefined where nothing differs. */
export function complianceRowOf(
  device: SettlingDevice,
  judged: DeviceCompliance,
  parts: ComplianceParts,
): ComplianceRow | undefined {
  const { compliance, reason = null, components, openCves } = judged;
  const updates = updateChanges(device, judged);
  const cves = cveChanges(device, judged, parts);
  const isSummary =
    device.compliance !== compliance ||
    device.reason !== reason ||
    !isSameList(device.open_cves, openCves);
  const isComponents = !isSameComponents(device.components, components);
  if (!isSummary && !isComponents && updates.length === 0 && cves.length === 0) return undefined;
  return {
    id: device.id,
    compliance,
    compliance_rank: COMPLIANCE_RANK[compliance],
    reason,
    open_cves: openCves,
    ...(isComponents && { components }),
    updates,
    cves,
  };
}

/** Facts are the same: what was found is all that may differ. */
const isSameComponents = (
  before: readonly KnownComponent[],
  after: readonly ComponentCompliance[],
): boolean =>
  before.length === after.length &&
  after.every((component, at) => {
    const { compliance, reason, openCves, fixedCves } = before[at] ?? {};
    return (
      compliance === component.compliance &&
      reason === component.reason &&
      isSameList(openCves ?? [], component.openCves) &&
      isSameList(fixedCves ?? [], component.fixedCves)
    );
  });

const isSameList = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((item, at) => item === b[at]);

function updateChanges({ id, updates }: SettlingDevice, judged: DeviceCompliance) {
  const before = new Map(updates.map((update) => [update.target, update.protected]));
  const after = new Map(judged.updates.map((update) => [update.target, update.protected]));
  const gone = [...before.keys()].filter((target) => !after.has(target));
  return [
    ...gone.map((target) => ({ device_id: id, target, concerned: false, protected: false })),
    ...[...after]
      .filter(([target, isProtected]) => before.get(target) !== isProtected)
      .map(([target, isProtected]) => ({
        device_id: id,
        target,
        concerned: true,
        protected: isProtected,
      })),
  ];
}

/** A CVE that neither is open nor was fixed any more was never told apart: its row goes. */
function cveChanges(
  { id, cves }: SettlingDevice,
  { openCves, fixedCves }: DeviceCompliance,
  parts: ComplianceParts,
): CveChange[] {
  const now = parts.now.getTime();
  const before = new Map(cves.map(({ cve, is_open }) => [cve, is_open]));
  const exposedAt = (cve: string): string => {
    const facts = parts.cves.get(cve);
    const moment = facts === undefined ? now : exposedFrom(releasedAt(facts), now);
    return new Date(moment).toISOString();
  };
  const opened = openCves.filter((cve) => before.get(cve) !== true);
  const closed = fixedCves.filter((cve) => before.get(cve) !== false);
  const known = new Set([...openCves, ...fixedCves]);
  const gone = [...before].filter(([cve, isOpen]) => isOpen && !known.has(cve));
  return [
    ...opened.map((cve) => ({
      device_id: id,
      cve,
      exposed_at: exposedAt(cve),
      protected_at: null,
      is_gone: false,
    })),
    ...closed.map((cve) => ({
      device_id: id,
      cve,
      exposed_at: exposedAt(cve),
      protected_at: parts.now.toISOString(),
      is_gone: false,
    })),
    ...gone.map(([cve]) => ({
      device_id: id,
      cve,
      exposed_at: null,
      protected_at: null,
      is_gone: true,
    })),
  ];
}
