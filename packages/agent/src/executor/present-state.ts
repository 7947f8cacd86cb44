/** What the executor tells of itself, put together after each turn, and who waits for a change. */
import {
  type ComponentFacts,
  type DeviceFacts,
  LIST_MAX,
  type TargetProgress,
} from "@suture/contract";
import type { ComponentStatus, ReadinessAnswer } from "../messages.ts";
import type { Channel } from "./channel.ts";
import { componentFactsOf, componentStatusOf, deviceFactsOf, progressOf } from "./facts.ts";
import type { Machine } from "./machine.ts";
import type { OrdersKeeper } from "./orders-keeper.ts";
import { readinessOf } from "./readiness.ts";
import type { Recorder } from "./recorder.ts";
import type { SeenComponent } from "./surroundings.ts";
import type { TurnResult } from "./turn.ts";

export interface PresentState {
  readonly facts: DeviceFacts;
  readonly progress: readonly TargetProgress[];
  readonly components: readonly ComponentStatus[];
  readonly readiness: ReadinessAnswer;
  /** Build-IDs of everything that runs. */
  readonly buildIds: ReadonlySet<string>;
}

export interface StateKeeper {
  readonly present: () => PresentState;
  /** Grows whenever something that is told has changed. */
  readonly changeSerial: () => number;
  readonly take: (result: TurnResult | undefined) => void;
  /** Resolves when the serial is not `known` any more, the time is over, or nobody waits. */
  readonly changed: (known: number, waitMs: number, gone: AbortSignal) => Promise<void>;
  /** Lets go of all who wait. */
  readonly end: () => void;
}

export interface StateParts {
  readonly machine: Machine;
  readonly version: string;
  readonly channel: Channel;
  readonly orders: () => OrdersKeeper;
  readonly recorder: Recorder;
  readonly folder: string;
  readonly now: () => Date;
  readonly clock: () => number;
}

/**
 * Files that no update is for come and go with every command that somebody runs; that is told
 * again only after so long.
 */
const OTHERS_AGE_MS = 10 * 60_000;

export function createStateKeeper(parts: StateParts): StateKeeper {
  let others: { readonly list: readonly ComponentFacts[]; readonly at: number } | undefined;
  let present = presentOf(parts, undefined, [], []);
  let serial = 1;
  let told = "";
  let last: TurnResult | undefined;
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const resolve of [...waiting]) resolve();
  };
  return {
    present: () => present,
    changeSerial: () => serial,
    take: (result) => {
      last = result ?? last;
      const seen = last?.surroundings.components ?? [];
      const decided = new Set(last?.decisions.map(({ component }) => component.buildId));
      const relevant = seen.filter(({ buildId }) => decided.has(buildId));
      const isOld = others === undefined || parts.clock() - others.at > OTHERS_AGE_MS;
      if (isOld && seen.length > 0) {
        const list = seen.filter(({ buildId }) => !decided.has(buildId)).map(componentFactsOf);
        others = { list, at: parts.clock() };
      }
      const rest = others?.list.filter(({ buildId }) => !decided.has(buildId)) ?? [];
      present = presentOf(
        parts,
        last,
        [...relevant.map(componentFactsOf), ...rest],
        present.progress,
      );
      const { facts, progress } = present;
      // The many files of no interest are not put into words each time: their age tells.
      const few = { ...facts, components: facts.components.slice(0, relevant.length) };
      const { eventSerial } = parts.recorder.record();
      const text = JSON.stringify([few, progress, eventSerial, others?.at ?? 0]);
      if (text === told) return;
      told = text;
      serial += 1;
      wake();
    },
    changed: (known, waitMs, gone) => {
      if (known !== serial || waitMs === 0 || gone.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          gone.removeEventListener("abort", done);
          waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, waitMs);
        gone.addEventListener("abort", done);
        waiting.add(done);
      });
    },
    end: wake,
  };
}

function presentOf(
  parts: StateParts,
  result: TurnResult | undefined,
  components: readonly ComponentFacts[],
  told: readonly TargetProgress[],
): PresentState {
  const { machine, version, channel, orders, recorder } = parts;
  const { surroundings, decisions = [] } = result ?? {};
  const seen = surroundings?.components ?? [];
  const buildIds = new Set(seen.map(({ buildId }) => buildId));
  const readiness = readinessNow(parts, decisions.length > 0);
  const byId = new Map(seen.map((component) => [component.buildId, component]));
  const progress = progressOf({
    ...{ orders: orders().orders(), record: recorder.record(), decisions, buildIds },
    hasCatalog: channel.catalog() !== undefined && result !== undefined,
    now: parts.now(),
    told: new Map(told.map((item) => [item.target, item])),
  });
  return {
    facts: deviceFactsOf({
      machine,
      version,
      readiness,
      components: components.slice(0, LIST_MAX),
    }),
    progress,
    readiness,
    buildIds,
    components: decisions.flatMap((decision) => {
      const component: SeenComponent | undefined = byId.get(decision.component.buildId);
      return component === undefined ? [] : [componentStatusOf(component, decision)];
    }),
  };
}

function readinessNow(parts: StateParts, hasComponent: boolean): ReadinessAnswer {
  const { machine, channel, orders, recorder, folder, now } = parts;
  const assignment = orders().assignment();
  return readinessOf({
    platform: machine.platform,
    processor: machine.processor,
    ptraceScope: machine.ptraceScope(),
    freeBytes: machine.freeBytes(folder),
    isDiskFull: recorder.isDiskFull(),
    now: now(),
    orders: orders().orders(),
    issuedAt: assignment && new Date(assignment.issuedAt),
    channel: channel.state(),
    hasCatalog: channel.catalog() !== undefined,
    hasComponent,
  });
}
