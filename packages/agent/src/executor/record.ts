/**
 * What the executor remembers over its own death: the journal's entries, and the state they make.
 *
 * There are two kinds. An intent stands before anything is done to a process or a package. A note
 * says what came of it, and everything else that must not be forgotten, in one record: progress,
 * events, bars, watches. So an outcome and what follows from it are kept together or not at all.
 */
import type { DeviceEvent, HealthSignal, TargetProgress } from "@suture/contract";
import type { ProcessKey } from "../inventory/process-files.ts";
import { eventsKeptMax } from "../limits.ts";

interface ActOn {
  readonly target: string;
  readonly buildId: string;
  readonly file: string;
  readonly processes: readonly ProcessKey[];
}

export interface ApplyAct extends ActOn {
  readonly do: "apply";
  readonly hotpatch: string;
  readonly sequence: number;
  readonly sha256: string;
}

export interface RevertAct extends ActOn {
  readonly do: "revert";
  readonly hotpatch: string;
  readonly why: Why;
}

export interface UpdateAct extends ActOn {
  readonly do: "traditional-update";
  readonly package: string;
}

export interface RestartAct extends ActOn {
  readonly do: "restart";
}

export type Act = ApplyAct | RevertAct | UpdateAct | RestartAct;

export interface Why {
  /** `health-signal`, `ordered`, `removed-by-root`. */
  readonly code: string;
  readonly detail: string;
  readonly signal?: HealthSignal;
}

/** A target that is not to be applied again on this device. A higher sequence is another target. */
export interface Bar {
  readonly target: string;
  /** `health-signal` or `removed-by-root`. */
  readonly code: string;
  readonly detail: string;
  readonly signal?: HealthSignal;
  readonly at: string;
}

/** An act that came to nothing, and is tried again later. */
export interface Attempt {
  /** The target, or what updateAttemptOf makes of it. */
  readonly key: string;
  readonly code: string;
  readonly detail: string;
  readonly count: number;
  readonly at: string;
}

/** A hotpatch whose processes are watched. */
export interface Watch {
  readonly target: string;
  readonly hotpatch: string;
  readonly buildId: string;
  readonly file: string;
  readonly since: string;
  /** Seconds since the machine started: nobody sets this clock. */
  readonly sinceUptime: number;
  /** Of this start of the machine: a reboot takes the hotpatch away, and ends the watch. */
  readonly boot: string;
  readonly processes: readonly WatchedProcess[];
  readonly logs: readonly {
    readonly file: string;
    readonly inode: number;
    readonly size: number;
  }[];
}

export interface WatchedProcess extends ProcessKey {
  /** No other process of the component started it: its end is the service's. */
  readonly isLead: boolean;
  /** The systemd service that it belongs to. */
  readonly unit?: string;
  readonly residentBytes: number;
  /** Processor time a second before the hotpatch, in cores. */
  readonly processorShare: number;
}

export interface Intent {
  readonly kind: "intent";
  readonly number: number;
  readonly at: string;
  readonly act: Act;
}

export interface Note {
  readonly kind: "note";
  readonly at: string;
  /** The intent that this is the outcome of. */
  readonly ends?: number;
  readonly events?: readonly DeviceEvent[];
  readonly progress?: readonly TargetProgress[];
  readonly bar?: Bar;
  readonly unbar?: string;
  readonly attempt?: Attempt;
  /** The key of an attempt that succeeded, or that begins anew. */
  readonly forgetAttempt?: string;
  /** Begins a watch, or replaces the one of the same target. */
  readonly watch?: Watch;
  readonly watchOver?: string;
  /** The network half has the events up to this serial. */
  readonly acknowledged?: number;
}

export type JournalEntry = Intent | Note;

export interface AgentRecord {
  /** Begun, and nobody knows yet what came of it. */
  readonly open: ReadonlyMap<number, Intent>;
  readonly nextNumber: number;
  readonly events: readonly DeviceEvent[];
  readonly eventSerial: number;
  readonly progress: ReadonlyMap<string, TargetProgress>;
  readonly bars: ReadonlyMap<string, Bar>;
  readonly attempts: ReadonlyMap<string, Attempt>;
  readonly watches: ReadonlyMap<string, Watch>;
}

export const emptyRecord: AgentRecord = {
  open: new Map(),
  nextNumber: 1,
  events: [],
  eventSerial: 0,
  progress: new Map(),
  bars: new Map(),
  attempts: new Map(),
  watches: new Map(),
};

/** The state after one more entry. Does not change what it is given. */
export function withEntry(record: AgentRecord, entry: JournalEntry): AgentRecord {
  if (entry.kind === "intent") {
    return {
      ...record,
      open: new Map(record.open).set(entry.number, entry),
      nextNumber: Math.max(record.nextNumber, entry.number + 1),
    };
  }
  const { ends, events = [], progress = [], bar, unbar, attempt, forgetAttempt } = entry;
  const { watch, watchOver } = entry;
  const acknowledged = entry.acknowledged ?? 0;
  const kept =
    acknowledged > 0 ? record.events.filter((e) => e.serial > acknowledged) : record.events;
  return {
    open: without(record.open, ends),
    nextNumber: record.nextNumber,
    events: events.length > 0 ? [...kept, ...events].slice(-eventsKeptMax) : kept,
    eventSerial: events.at(-1)?.serial ?? record.eventSerial,
    progress: progress.reduce((map, item) => map.set(item.target, item), new Map(record.progress)),
    bars: bar === undefined ? without(record.bars, unbar) : put(record.bars, bar),
    attempts:
      attempt === undefined
        ? without(record.attempts, forgetAttempt)
        : new Map(record.attempts).set(attempt.key, attempt),
    watches: watch === undefined ? without(record.watches, watchOver) : put(record.watches, watch),
  };
}

const put = <Item extends { readonly target: string }>(
  map: ReadonlyMap<string, Item>,
  item: Item,
): ReadonlyMap<string, Item> => new Map(map).set(item.target, item);

function without<Key, Item>(map: ReadonlyMap<Key, Item>, key: Key | undefined) {
  if (key === undefined || !map.has(key)) return map;
  const copy = new Map(map);
  copy.delete(key);
  return copy;
}

/** The fewest entries that make the same state: what a journal is rewritten to. */
export function entriesOf(record: AgentRecord, at: string): JournalEntry[] {
  const notes = (parts: readonly Omit<Note, "kind" | "at">[]): Note[] =>
    parts.map((part) => ({ kind: "note", at, ...part }));
  const { events, eventSerial } = record;
  const last: DeviceEvent = { serial: eventSerial, at, kind: "started", detail: "" };
  return [
    // The last serial must not come again, also when its event is not kept any more.
    ...(events.length === 0 && eventSerial > 0
      ? notes([{ events: [last] }, { acknowledged: eventSerial }])
      : notes(events.map((event) => ({ events: [event] })))),
    ...notes([...record.progress.values()].map((item) => ({ progress: [item] }))),
    ...notes([...record.bars.values()].map((bar) => ({ bar }))),
    ...notes([...record.attempts.values()].map((attempt) => ({ attempt }))),
    ...notes([...record.watches.values()].map((watch) => ({ watch }))),
    ...record.open.values(),
  ];
}

/** The journal is root's own, and each line has its checksum: the kind alone is looked at. */
export function parseEntry(value: unknown): JournalEntry | undefined {
  if (typeof value !== "object" || value === null || !("kind" in value)) return undefined;
  return value.kind === "intent" || value.kind === "note" ? (value as JournalEntry) : undefined;
}
