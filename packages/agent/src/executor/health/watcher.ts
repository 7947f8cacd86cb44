/**
 * The health watch: after each hotpatch, for as long as the policy says, everything that could mean
 * that it does harm. Any signal takes it back live, and bars it on this device.
 *
 * What must outlive the executor (since when, the numbers before the hotpatch, where logs ended)
 * stands in the record's Watch. Samples are memory only: an executor that starts again begins with
 * new ones, and compares them with the same numbers from before.
 */
import type { HealthSignal, HealthWatch } from "@suture/contract";
import type { RunCommand } from "../../inventory/command-runner.ts";
import { isSameProcess, type RunningProcess } from "../../inventory/scan.ts";
import { type Machine, PAGE_BYTES, TICKS_PER_SECOND } from "../machine.ts";
import type { Watch, WatchedProcess } from "../record.ts";
import { createEndings, type Endings } from "./endings.ts";
import type { KernelLog } from "./kernel-log.ts";
import { endOfLog, type LogPlace, lookAtLog } from "./log-follower.ts";
import { createProbeRunner, type ProbeRunner } from "./probe.ts";
import { memoryProblem, processorProblem, type Sample, withSample } from "./samples.ts";

export interface HealthAlarm {
  readonly signal: HealthSignal;
  /** What was seen, with numbers. */
  readonly detail: string;
}

/** What became of one watch at one look. */
export type Finding =
  | { readonly watch: Watch; readonly is: "alarm"; readonly alarm: HealthAlarm }
  | { readonly watch: Watch; readonly is: "over" }
  /** The machine was started anew: nothing of the hotpatch is left. */
  | { readonly watch: Watch; readonly is: "rebooted" };

export interface WatcherParts {
  readonly machine: Machine;
  readonly run: RunCommand;
  readonly kernelLog: KernelLog;
  /** Milliseconds that only go forward. */
  readonly clock: () => number;
  /** Over how long processor time is measured, in milliseconds. */
  readonly processorWindowMs?: number;
}

export interface WatchedUpdate {
  readonly target: string;
  readonly hotpatch: string;
  readonly buildId: string;
  readonly file: string;
}

export interface Watcher {
  /** A watch as of now; with what was watched before, where it goes on with more processes. */
  readonly begin: (
    update: WatchedUpdate,
    processes: readonly RunningProcess[],
    health: HealthWatch,
    options: { readonly before: Watch | undefined; readonly now: Date },
  ) => Watch;
  /** What it means that some of the processes ended with the hotpatch before a watch began. */
  readonly judgeEnded: (
    ended: readonly RunningProcess[],
    processes: readonly RunningProcess[],
  ) => HealthAlarm | undefined;
  /** One look at all watches. `processes` are those that run now. */
  readonly look: (
    watches: Iterable<Watch>,
    processes: readonly RunningProcess[],
    health: HealthWatch,
  ) => Finding[];
}

/** In memory, of one watch. */
interface Observation {
  readonly samples: Map<number, readonly Sample[]>;
  /** Processes that a watched one has started: they have the hotpatch from their beginning. */
  readonly followers: Map<number, WatchedProcess>;
  readonly endings: Endings;
  readonly probe: ProbeRunner;
  readonly logs: Map<string, LogPlace>;
}

export function createWatcher(parts: WatcherParts): Watcher {
  const observations = new Map<string, Observation>();
  const observationOf = (watch: Watch): Observation => {
    const key = `${watch.target} ${watch.since}`;
    const known = observations.get(key);
    if (known !== undefined) return known;
    const made: Observation = {
      samples: new Map(),
      followers: new Map(),
      endings: createEndings(parts),
      probe: createProbeRunner(parts.run),
      logs: new Map(watch.logs.map((place) => [place.file, place])),
    };
    observations.set(key, made);
    return made;
  };
  const lookAt = (
    watch: Watch,
    processes: readonly RunningProcess[],
    health: HealthWatch,
  ): Finding | undefined => {
    const { machine } = parts;
    if (watch.boot !== machine.bootId) return { watch, is: "rebooted" };
    const observation = observationOf(watch);
    const alarm =
      endingAlarm(observation, watch, processes) ??
      numbersAlarm(parts, observation, { watch, processes, health }) ??
      logAlarm(observation, health) ??
      probeAlarm(parts, observation, health);
    if (alarm !== undefined) return { watch, is: "alarm", alarm };
    const seconds = machine.uptimeSeconds() - watch.sinceUptime;
    return seconds >= health.hours * 3600 ? { watch, is: "over" } : undefined;
  };
  return {
    begin: (update, processes, health, options) =>
      beginWatch(parts, update, processes, health, options),
    judgeEnded: (ended, processes) => judgeEnded(parts, ended, processes),
    look: (watches, processes, health) => {
      const kept = [...watches];
      const findings = kept.flatMap((watch) => lookAt(watch, processes, health) ?? []);
      const keys = new Set(kept.map(({ target, since }) => `${target} ${since}`));
      for (const key of observations.keys()) if (!keys.has(key)) observations.delete(key);
      return findings;
    },
  };
}

function beginWatch(
  { machine }: WatcherParts,
  { target, hotpatch, buildId, file }: WatchedUpdate,
  processes: readonly RunningProcess[],
  health: HealthWatch,
  { before, now }: { readonly before: Watch | undefined; readonly now: Date },
): Watch {
  const uptime = machine.uptimeSeconds();
  const isContinued = before !== undefined && before.boot === machine.bootId;
  const pids = new Set(processes.map(({ pid }) => pid));
  const own = processes.filter(isOfSystem);
  const fresh = own.map((process) => watchedAs(process, uptime, pids));
  const kept = isContinued ? before.processes.filter(({ pid }) => !pids.has(pid)) : [];
  // A process that has just begun says nothing of how much it will need: its elders do.
  const elderBytes = Math.max(0, ...kept.map(({ residentBytes }) => residentBytes));
  const logs = health.logPatterns?.map(({ file: log }) => endOfLog(log)) ?? [];
  return {
    ...{ target, hotpatch, buildId, file, boot: machine.bootId },
    since: isContinued ? before.since : now.toISOString(),
    sinceUptime: isContinued ? before.sinceUptime : uptime,
    processes: [
      ...kept,
      ...fresh.map((process) => ({
        ...process,
        residentBytes: Math.max(elderBytes, process.residentBytes),
      })),
    ],
    logs: isContinued ? before.logs : logs,
  };
}

/**
 * A person's own process says nothing: whoever may start one could end it, or let it grow, and so
 * take a fix from the whole machine. Services and system users count (login.defs(5), UID_MIN).
 */
const isOfSystem = ({ uid, unit }: RunningProcess): boolean =>
  unit !== undefined || uid < UID_MIN || uid === NOBODY;
const UID_MIN = 1000;
const NOBODY = 65534;

function watchedAs(
  process: RunningProcess,
  uptime: number,
  component: ReadonlySet<number>,
): WatchedProcess {
  const { pid, started, image, parent, unit } = process;
  const age = Math.max(1, uptime - started / TICKS_PER_SECOND);
  return {
    ...{ pid, started, image, isLead: !component.has(parent) },
    ...(unit !== undefined && { unit }),
    residentBytes: process.residentPages * PAGE_BYTES,
    processorShare: process.processorTicks / TICKS_PER_SECOND / age,
  };
}

/**
 * A service whose first process ends in the very moment in which it gets a hotpatch counts as
 * harmed, whatever its supervisor says: to try it on the next one costs more than the hotpatch.
 */
function judgeEnded(
  { kernelLog }: WatcherParts,
  ended: readonly RunningProcess[],
  processes: readonly RunningProcess[],
): HealthAlarm | undefined {
  const pids = new Set(processes.map(({ pid }) => pid));
  for (const { pid, parent } of ended.filter(isOfSystem)) {
    const fault = kernelLog.faultOf(pid);
    if (fault === undefined && pids.has(parent)) continue;
    const detail = fault ?? `process ${pid} ended as soon as it had the hotpatch`;
    return { signal: "crash", detail };
  }
  return undefined;
}

function endingAlarm(
  { endings, followers }: Observation,
  watch: Watch,
  processes: readonly RunningProcess[],
): HealthAlarm | undefined {
  const running = new Map(processes.map((process) => [process.pid, process]));
  const watched = [...watch.processes, ...followers.values()];
  const parents = new Set(watched.map(({ pid }) => pid));
  const patched = new Set(watch.processes.map(({ pid }) => pid));
  for (const known of watched) {
    const now = running.get(known.pid);
    // After an exec it is another program: it ended without harm.
    const isThere = now !== undefined && now.started === known.started;
    if (isThere) continue;
    const alarm = endings.judge(known, () =>
      processes.find(
        (process) =>
          process.started > known.started &&
          !patched.has(process.pid) &&
          !parents.has(process.parent) &&
          process.files.some(({ buildId }) => buildId === watch.buildId),
      ),
    );
    if (alarm !== undefined) return alarm;
  }
  return undefined;
}

interface Looking {
  readonly watch: Watch;
  readonly processes: readonly RunningProcess[];
  readonly health: HealthWatch;
}

function numbersAlarm(
  { clock, processorWindowMs }: WatcherParts,
  { samples, followers }: Observation,
  { watch, processes, health }: Looking,
): HealthAlarm | undefined {
  const at = clock();
  const known = new Map(watch.processes.map((process) => [process.pid, process]));
  for (const process of processes) {
    if (!isOfSystem(process)) continue;
    if (!process.files.some(({ buildId }) => buildId === watch.buildId)) continue;
    const before = known.get(process.pid) ?? followers.get(process.pid);
    const residentBytes = process.residentPages * PAGE_BYTES;
    if (before === undefined || !isSameProcess(before, process)) {
      // Its own first sample is all there is to compare with.
      const { pid, started, image } = process;
      const share = { residentBytes, processorShare: Number.POSITIVE_INFINITY };
      followers.set(pid, { pid, started, image, isLead: false, ...share });
      continue;
    }
    const processorSeconds = process.processorTicks / TICKS_PER_SECOND;
    const list = withSample(samples.get(process.pid) ?? [], {
      at,
      residentBytes,
      processorSeconds,
    });
    samples.set(process.pid, list);
    const name = `process ${process.pid} (${process.command})`;
    const memory = memoryProblem(before, list, health);
    if (memory !== undefined) return { signal: "memory-growth", detail: `${name}: ${memory}` };
    const processor = processorProblem(before, list, health, processorWindowMs);
    if (processor !== undefined)
      return { signal: "processor-time", detail: `${name}: ${processor}` };
  }
  return undefined;
}

function logAlarm(
  { logs }: Observation,
  { logPatterns = [] }: HealthWatch,
): HealthAlarm | undefined {
  for (const { file, pattern } of logPatterns) {
    const place = logs.get(file) ?? endOfLog(file);
    const found = lookAtLog(place, pattern);
    logs.set(file, found.place);
    if (found.match !== undefined) {
      return { signal: "log-pattern", detail: `${file}: ${found.match.slice(0, 500)}` };
    }
  }
  return undefined;
}

function probeAlarm(
  { clock }: WatcherParts,
  { probe: runner }: Observation,
  { probe }: HealthWatch,
): HealthAlarm | undefined {
  if (probe === undefined) return undefined;
  const detail = runner.tick(probe, clock());
  return detail === undefined ? undefined : { signal: "probe", detail };
}
