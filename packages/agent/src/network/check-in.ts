/**
 * What one check-in says: only what differs from what the server has.
 *
 * Pure. A check-in whose facts differ has a serial of its own; the answer with that serial says
 * that the server has them. An answer with any other serial says that it has something else, and
 * then all is told anew, relative to nothing (`since: 0`).
 */
import {
  type CheckIn,
  type CheckInAnswer,
  type ComponentFacts,
  canonicalJson,
  type DeviceEvent,
  type DeviceFacts,
  type TargetProgress,
} from "@suture/contract";
import type { KnownState } from "./known-state.ts";
import { checkInListMax, componentsMax } from "./limits.ts";

export interface DeviceNow {
  readonly facts: DeviceFacts;
  readonly progress: readonly TargetProgress[];
  /** Events after `KnownState.eventSerial`, in their order. */
  readonly events: readonly DeviceEvent[];
  readonly assignmentSerial: number;
}

export interface PlannedCheckIn {
  readonly body: CheckIn;
  /** The facts as the server has them once it has taken the body. */
  readonly facts: DeviceFacts;
  /** There is more to tell than one check-in takes. */
  readonly isPartial: boolean;
}

/** Builds the next check-in. Its serial must be kept before it is sent. */
export function planCheckIn(known: KnownState, now: DeviceNow): PlannedCheckIn {
  const facts = { ...now.facts, components: now.facts.components.slice(0, componentsMax) };
  const changes = factChanges(known, facts);
  const changed = changedProgress(known.progress, now.progress);
  const progress = changed.slice(0, checkInListMax);
  const events = now.events.slice(0, checkInListMax);
  const { assignmentSerial } = now;
  return {
    body: { ...changes, progress, events, assignmentSerial },
    facts,
    isPartial: progress.length < changed.length || events.length < now.events.length,
  };
}

/** Whether a check-in says anything that the server does not have. */
export const saysSomething = ({ body }: PlannedCheckIn): boolean =>
  body.facts !== undefined ||
  body.components !== undefined ||
  body.progress.length > 0 ||
  body.events.length > 0;

/** What the server knows after its answer. */
export function afterAnswer(
  known: KnownState,
  { body, facts }: PlannedCheckIn,
  answer: CheckInAnswer,
): KnownState {
  const { facts: _, ...rest } = known;
  const isTaken = answer.serial === body.serial;
  return {
    ...rest,
    serialLast: Math.max(known.serialLast, body.serial, isTaken ? 0 : answer.serial),
    // Never beyond what was sent: the server cannot make events vanish that it has not seen.
    eventSerial: Math.max(
      known.eventSerial,
      Math.min(answer.eventSerial, body.events.at(-1)?.serial ?? known.eventSerial),
    ),
    progress: isTaken ? mergedProgress(known.progress, body.progress) : [],
    ...(isTaken && { facts: { serial: body.serial, value: facts } }),
  };
}

type FactChanges = Pick<CheckIn, "serial" | "since" | "facts" | "components">;

function factChanges(known: KnownState, facts: DeviceFacts): FactChanges {
  const serial = known.serialLast + 1;
  if (known.facts === undefined) return { serial, since: 0, facts };
  const before = known.facts.value;
  const { components, ...head } = facts;
  const { components: componentsBefore, ...headBefore } = before;
  if (canonicalJson(head) !== canonicalJson(headBefore)) return { serial, since: 0, facts };
  const changed = changedComponents(componentsBefore, components);
  const since = known.facts.serial;
  if (changed.length === 0) return { serial: since, since };
  if (changed.length > componentsMax) return { serial, since: 0, facts };
  return { serial, since, components: changed };
}

const keyOf = ({ buildId, file }: ComponentFacts): string => `${buildId} ${file}`;

/** New and different ones, and those that are gone, with no processes. */
function changedComponents(
  before: readonly ComponentFacts[],
  after: readonly ComponentFacts[],
): ComponentFacts[] {
  const texts = new Map(before.map((component) => [keyOf(component), canonicalJson(component)]));
  const keys = new Set(after.map(keyOf));
  const gone = before.filter((component) => !keys.has(keyOf(component)));
  return [
    ...after.filter((component) => texts.get(keyOf(component)) !== canonicalJson(component)),
    ...gone.map(({ file, buildId }) => ({
      file,
      buildId,
      processes: 0,
      outdatedProcesses: 0,
      hotpatchedProcesses: 0,
    })),
  ];
}

function changedProgress(
  before: readonly TargetProgress[],
  after: readonly TargetProgress[],
): TargetProgress[] {
  const texts = new Map(before.map((progress) => [progress.target, canonicalJson(progress)]));
  return after.filter((progress) => texts.get(progress.target) !== canonicalJson(progress));
}

function mergedProgress(
  before: readonly TargetProgress[],
  sent: readonly TargetProgress[],
): TargetProgress[] {
  const targets = new Set(sent.map(({ target }) => target));
  return [...before.filter(({ target }) => !targets.has(target)), ...sent];
}
