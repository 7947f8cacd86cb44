/**
 * Whether a device is protected, component by component, and why not where it is not.
 *
 * **What a component should have** is the newest hotpatch for its Build-ID that is not withdrawn;
 * or the newest baseline, where there is one after its own. A component that has the newest hotpatch
 * and no open CVE stays up to date although a newer baseline is out: it takes the baseline with its
 * planned restart, and until then nothing that is known can harm it. As soon as the baseline fixes
 * something that the hotpatch does not, or a rollout offers it, the baseline counts.
 *
 * **Which CVEs are open** is asked apart from that, because a withdrawn hotpatch leaves its CVEs
 * behind: all that any update for this build or any later baseline fixes, or leaves out, and that
 * what is applied does not fix. A hotpatch fixes what it lists and what the hotpatches fix that it
 * supersedes, unless it says that it leaves it out.
 *
 * **In which state** a component is that lacks something comes from the rollout that brings it. A
 * device that waits for its ring in a rollout that runs is in progress; without a rollout it is
 * not up to date. Of a device it is the worst of its components'.
 */
import {
  type ComplianceState as Compliance,
  ComplianceState,
  type ComponentCompliance,
  type ComponentFacts,
  DeviceUpdateState,
  HotpatchSetting,
  Readiness,
  type ReadinessFinding,
  RolloutState,
} from "@suture/contract";
import type { DeviceRollout } from "./assignment.ts";
import {
  type CatalogIndex,
  type CatalogUpdate,
  type ComponentUpdates,
  isHotpatch,
  updatesFor,
} from "./quality-updates.ts";

const C = ComplianceState;
const S = DeviceUpdateState;

/** What is worst comes first, in lists and when a device's state is told from its components. */
export const COMPLIANCE_RANK: Readonly<Record<Compliance, number>> = {
  [C.notUpToDate]: 0,
  [C.notReady]: 1,
  [C.restartPending]: 2,
  [C.paused]: 3,
  [C.inProgress]: 4,
  [C.hotpatched]: 5,
  [C.restarted]: 6,
};

export const isUpToDate = (state: Compliance): boolean =>
  state === C.hotpatched || state === C.restarted;

export interface DeviceSituation {
  readonly readiness: Readiness;
  readonly findings: readonly ReadinessFinding[];
  readonly components: readonly ComponentFacts[];
  /** Those that the device is in, with what it told of itself. */
  readonly rollouts: readonly (DeviceRollout & { readonly detail?: string })[];
  /** Of the policy that holds. */
  readonly hotpatch: HotpatchSetting;
  readonly fleetPaused: boolean;
}

export interface DeviceCompliance {
  readonly compliance: Compliance;
  readonly reason?: string;
  /** Those that run; what has no process left is gone. */
  readonly components: readonly ComponentCompliance[];
  /** In their order. */
  readonly openCves: readonly string[];
  /** Fixed in every component that had them. */
  readonly fixedCves: readonly string[];
  /** Updates of the channel for what runs there, and whether it has them or something newer. */
  readonly updates: readonly { readonly target: string; readonly protected: boolean }[];
}

/** How the device stands against the catalog. */
export function complianceOf(situation: DeviceSituation, index: CatalogIndex): DeviceCompliance {
  const running = situation.components.filter(({ processes }) => processes > 0);
  const judged = running.map((component) => judge(component, situation, index));
  const components = judged.map(({ component }) => component);
  const open = new Set(components.flatMap(({ openCves }) => openCves));
  const fixed = new Set(components.flatMap(({ fixedCves }) => fixedCves));
  return {
    ...stateOfDevice(situation, judged),
    components,
    openCves: [...open].sort(),
    fixedCves: [...fixed].filter((cve) => !open.has(cve)).sort(),
    updates: updatesOf(judged),
  };
}

interface Judged {
  readonly component: ComponentCompliance;
  readonly isKnown: boolean;
  readonly updates: readonly { readonly target: string; readonly protected: boolean }[];
}

function stateOfDevice(
  situation: DeviceSituation,
  judged: readonly Judged[],
): Pick<DeviceCompliance, "compliance" | "reason"> {
  const known = judged.filter(({ isKnown }) => isKnown).map(({ component }) => component);
  const worst = known.reduce<ComponentCompliance | undefined>(
    (a, b) =>
      a !== undefined && COMPLIANCE_RANK[a.compliance] <= COMPLIANCE_RANK[b.compliance] ? a : b,
    undefined,
  );
  if (situation.readiness !== Readiness.ready && (!worst || !isUpToDate(worst.compliance))) {
    return { compliance: C.notReady, reason: notReadyText(situation) };
  }
  if (worst === undefined) {
    return { compliance: C.restarted, reason: "No update of the channel is for what runs here." };
  }
  const { compliance, reason } = worst;
  return { compliance, ...(reason !== undefined && { reason: `${nameOf(worst)}: ${reason}` }) };
}

const nameOf = ({ file, package: name }: ComponentFacts): string =>
  name ?? file.slice(file.lastIndexOf("/") + 1);

function notReadyText({ readiness, findings }: DeviceSituation): string {
  if (readiness === Readiness.notRegistered) return "The device has not told anything of itself.";
  const first = findings[0];
  if (first === undefined) return "The device is not ready.";
  return `Not ready: ${first.detail}; ${first.remediation}`;
}

/** Of several components, all must have it. */
function updatesOf(judged: readonly Judged[]): DeviceCompliance["updates"] {
  const all = new Map<string, boolean>();
  for (const { updates } of judged) {
    for (const update of updates) {
      all.set(update.target, update.protected && (all.get(update.target) ?? true));
    }
  }
  return [...all].map(([target, isProtected]) => ({ target, protected: isProtected }));
}

function judge(facts: ComponentFacts, situation: DeviceSituation, index: CatalogIndex): Judged {
  const updates = updatesFor(index, facts);
  const { baseline, newerBaselines, hotpatches } = updates;
  // Of the hundreds of files that run on a device, few are in the channel.
  if (baseline === undefined && hotpatches.length === 0) return unknownToChannel(facts);
  const appliedAt = placeOfApplied(facts, hotpatches);
  const cves = cvesOf(updates, hotpatches[appliedAt], index);
  const lacking = lackingOf(updates, appliedAt, { situation, hasOpenCves: cves.open.length > 0 });
  const isHotpatched = appliedAt >= 0;
  const state =
    lacking === undefined
      ? {
          compliance: isHotpatched ? C.hotpatched : C.restarted,
          ...(withdrawnText(hotpatches[appliedAt]) ?? plannedText(newerBaselines)),
        }
      : stateOfLacking(facts, lacking, situation);
  return {
    component: { ...facts, ...state, openCves: cves.open, fixedCves: cves.fixed },
    isKnown: true,
    updates: [
      ...hotpatches.map(({ target }, at) => ({ target, protected: at <= appliedAt })),
      ...(baseline === undefined ? [] : [{ target: baseline.target, protected: true }]),
      ...newerBaselines.map(({ target }) => ({ target, protected: false })),
    ],
  };
}

const unknownToChannel = (facts: ComponentFacts): Judged => ({
  component: { ...facts, compliance: C.restarted, openCves: [], fixedCves: [] },
  isKnown: false,
  updates: [],
});

/** Only what is in all processes counts. */
const placeOfApplied = (facts: ComponentFacts, hotpatches: readonly CatalogUpdate[]): number =>
  facts.hotpatch === undefined
    ? -1
    : hotpatches.findLastIndex(
        ({ id, sequence }) => id === facts.hotpatch || sequence === facts.hotpatchSequence,
      );

function cvesOf(
  { baseline, newerBaselines, hotpatches }: ComponentUpdates,
  applied: CatalogUpdate | undefined,
  index: CatalogIndex,
): { readonly open: string[]; readonly fixed: string[] } {
  const fixed = new Set(baseline?.cves ?? []);
  if (applied !== undefined) {
    const leftOut = new Set(applied.leftOut.flatMap(({ cves }) => cves));
    const superseded = applied.supersedes.flatMap(
      (target) => index.byTarget.get(target)?.cves ?? [],
    );
    for (const cve of superseded) if (!leftOut.has(cve)) fixed.add(cve);
    for (const cve of applied.cves) fixed.add(cve);
  }
  const known = [...hotpatches, ...newerBaselines].flatMap(({ cves, leftOut }) => [
    ...cves,
    ...leftOut.flatMap((part) => part.cves),
  ]);
  const open = new Set(known.filter((cve) => !fixed.has(cve)));
  return { open: [...open].sort(), fixed: [...fixed].sort() };
}

/** The update that the component should have and does not, or undefined. */
function lackingOf(
  { newerBaselines, hotpatches }: ComponentUpdates,
  appliedAt: number,
  { situation, hasOpenCves }: { situation: DeviceSituation; hasOpenCves: boolean },
): CatalogUpdate | undefined {
  const newest = hotpatches.findLastIndex(({ withdrawn }) => withdrawn === undefined);
  if (newest > appliedAt) return hotpatches[newest];
  const baseline = newerBaselines.at(-1);
  if (baseline === undefined) return undefined;
  const isOffered = situation.rollouts.some(
    ({ rollout, group, state }) =>
      rollout.target === baseline.target &&
      rollout.groups[group]?.beganAt !== undefined &&
      state !== S.waiting,
  );
  return hasOpenCves || isOffered ? baseline : undefined;
}

const plannedText = (newerBaselines: readonly CatalogUpdate[]): { reason?: string } => {
  const next = newerBaselines.at(-1);
  return next === undefined
    ? {}
    : { reason: `Baseline ${next.baseline} comes with the next planned restart.` };
};

function withdrawnText(applied: CatalogUpdate | undefined): { reason: string } | undefined {
  if (applied?.withdrawn === undefined) return undefined;
  return { reason: `Its hotpatch ${applied.id} was withdrawn: ${applied.withdrawn.reason}` };
}

type State = Pick<ComponentCompliance, "compliance" | "reason">;

function stateOfLacking(
  facts: ComponentFacts,
  update: CatalogUpdate,
  situation: DeviceSituation,
): State {
  if (situation.readiness !== Readiness.ready) {
    return { compliance: C.notReady, reason: notReadyText(situation) };
  }
  const entries = situation.rollouts.filter(({ rollout }) => rollout.target === update.target);
  if (facts.outdatedProcesses > 0 || entries.some(({ state }) => state === S.restartPending)) {
    return { compliance: C.restartPending, reason: "A newer file is installed; restart it." };
  }
  if (situation.fleetPaused) return { compliance: C.paused, reason: "Everything is paused." };
  const [first] = entries.map((entry) => stateOfEntry(entry)).sort(byRank);
  if (first !== undefined) return first;
  if (isHotpatch(update) && situation.hotpatch === HotpatchSetting.block) {
    return { compliance: C.notUpToDate, reason: "The policy blocks hotpatches." };
  }
  return { compliance: C.notUpToDate, reason: `No rollout brings ${update.id} to this device.` };
}

/** Of several rollouts of one update, the one that is furthest on. */
const byRank = (a: State, b: State): number =>
  COMPLIANCE_RANK[b.compliance] - COMPLIANCE_RANK[a.compliance];

type Entry = DeviceSituation["rollouts"][number];

function stateOfEntry({ rollout, group, state, detail }: Entry): State {
  const lacks = (reason: string): State => ({ compliance: C.notUpToDate, reason });
  switch (rollout.state) {
    case RolloutState.draft:
    case RolloutState.waitingForApproval:
      return lacks(`The rollout ${rollout.name} is not approved yet.`);
    case RolloutState.stopped:
      return lacks(`The rollout ${rollout.name} was stopped.`);
    case RolloutState.reverting:
    case RolloutState.reverted:
      return lacks(`The rollout ${rollout.name} was reverted.`);
    case RolloutState.paused:
    case RolloutState.halted:
      return { compliance: C.paused, reason: `The rollout ${rollout.name} is ${rollout.state}.` };
    case RolloutState.running:
    case RolloutState.completed:
      return stateOnDevice(state, rollout.groups[group]?.name ?? "its ring", detail);
  }
}

/** In a rollout that is in force. */
function stateOnDevice(state: DeviceUpdateState, ring: string, detail?: string): State {
  const told = detail === undefined ? "" : ` ${detail}`;
  switch (state) {
    case S.waiting:
      return { compliance: C.inProgress, reason: `Waits for ${ring}.` };
    case S.offered:
      return { compliance: C.inProgress, reason: "Offered; the device has not answered yet." };
    case S.applying:
    case S.applied:
    case S.succeeded:
      return { compliance: C.inProgress, reason: "Not in all processes yet." };
    case S.restartPending:
      return { compliance: C.restartPending, reason: `A restart is pending.${told}` };
    case S.refused:
      return { compliance: C.notUpToDate, reason: `The processes refused it.${told}` };
    case S.reverted:
      return { compliance: C.notUpToDate, reason: `A health signal reverted it.${told}` };
    case S.failed:
      return { compliance: C.notUpToDate, reason: `It failed.${told}` };
    case S.notApplicable:
    case S.restarted:
      return { compliance: C.notUpToDate, reason: "The device says that it does not need it." };
  }
}
