/** What this device tells of itself: facts, and how far it is with each target. */
import {
  type ComponentFacts,
  type DeviceFacts,
  DeviceUpdateState,
  LIST_MAX,
  type TargetProgress,
} from "@suture/contract";
import type { ComponentStatus, ReadinessAnswer } from "../messages.ts";
import type { Orders } from "../policy/orders.ts";
import { DECISION_REASONS } from "./decision-reasons.ts";
import type { Machine } from "./machine.ts";
import type { AgentRecord } from "./record.ts";
import type { Decision } from "./situation.ts";
import { buildIdOf, type SeenComponent } from "./surroundings.ts";

/** The newest hotpatch counts for a component only if it is in all of its processes. */
export function componentFactsOf({
  buildId,
  file,
  processes,
  applied,
  installed,
}: SeenComponent): ComponentFacts {
  const all = processes.map(({ process }) => applied.get(process.pid));
  const [first] = all;
  const isInAll = first !== undefined && all.every((patch) => patch?.id === first.id);
  const outdated = processes.filter((process) => process.outdated).length;
  return {
    file: file.slice(0, 1000),
    buildId,
    // What is installed now is not what an old file's processes run.
    ...(installed && outdated === 0 && installed),
    ...(installed && outdated > 0 && { package: installed.package }),
    processes: processes.length,
    outdatedProcesses: outdated,
    ...(isInAll && { hotpatch: first.id, hotpatchSequence: first.sequence }),
    hotpatchedProcesses: all.filter((patch) => patch !== undefined).length,
  };
}

export interface FactsParts {
  readonly machine: Machine;
  readonly version: string;
  readonly readiness: ReadinessAnswer;
  readonly components: readonly ComponentFacts[];
}

export function deviceFactsOf({
  machine,
  version,
  readiness,
  components,
}: FactsParts): DeviceFacts {
  return {
    hostname: machine.hostname().slice(0, 100),
    system: machine.system.slice(0, 200),
    kernel: machine.kernel.slice(0, 200),
    processor: machine.processor,
    agentVersion: version,
    readiness: readiness.readiness,
    findings: [...readiness.findings],
    components: components.slice(0, LIST_MAX),
  };
}

export function componentStatusOf(component: SeenComponent, decision: Decision): ComponentStatus {
  const { meaning, next } = DECISION_REASONS[decision.reason];
  return {
    ...componentFactsOf(component),
    compliance: decision.compliance,
    reason: decision.reason,
    detail: meaning,
    next,
    pids: component.processes.map(({ process }) => process.pid),
    ...(decision.update && { target: decision.update.target }),
  };
}

export interface ProgressParts {
  readonly orders: Orders;
  readonly record: Pick<AgentRecord, "progress">;
  readonly decisions: readonly Decision[];
  readonly buildIds: ReadonlySet<string>;
  /** A channel was verified: without it nobody knows what a target is for. */
  readonly hasCatalog: boolean;
  readonly now: Date;
  /** What was told last, so that the moment of a state stays as long as the state does. */
  readonly told: ReadonlyMap<string, TargetProgress>;
}

/** Of everything that was ever begun here, and of everything that is assigned. */
export function progressOf(parts: ProgressParts): TargetProgress[] {
  const { orders, record, told } = parts;
  const found = new Map(record.progress);
  const assigned = orders.allowed === "all" ? [] : [...orders.allowed.keys()];
  for (const target of assigned) {
    if (found.has(target)) continue;
    const progress = assignedProgress(parts, target);
    const before = told.get(target);
    const isSame = before?.state === progress.state && before.code === progress.code;
    found.set(target, isSame ? before : progress);
  }
  return [...found.values()];
}

/** A target that nothing was done for yet. */
function assignedProgress(
  { decisions, buildIds, now, hasCatalog }: ProgressParts,
  target: string,
): TargetProgress {
  const at = now.toISOString();
  const decision = decisions.find(({ update }) => update?.target === target);
  const buildId = buildIdOf(target);
  if (decision === undefined) {
    const isElsewhere = buildId === undefined ? hasCatalog : !buildIds.has(buildId);
    if (isElsewhere) return { target, state: DeviceUpdateState.notApplicable, at };
    const code = hasCatalog ? "superseded" : "channel-missing";
    const state = hasCatalog ? DeviceUpdateState.notApplicable : DeviceUpdateState.offered;
    return { target, state, code, at };
  }
  switch (decision.reason) {
    case "newest-applied":
    case "applied-not-offered":
      return { target, state: DeviceUpdateState.applied, at };
    case "newest-installed":
      return { target, state: DeviceUpdateState.restarted, at };
    default: {
      const { reason: code } = decision;
      return {
        target,
        state: DeviceUpdateState.offered,
        code,
        detail: DECISION_REASONS[code].meaning,
        at,
      };
    }
  }
}
