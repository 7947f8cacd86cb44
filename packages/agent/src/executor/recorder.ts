/**
 * The executor's memory: journal and audit log, and the order in which they are written.
 *
 * Intent, act, audit record, note. An executor that is killed between act and note finds the
 * intent open, and asks the processes what came of it (recovery.ts). Where the disk is full after
 * an act, its note waits in memory and is written before anything else; before an act it is the
 * intent that fails, and nothing is done.
 */
import { join } from "node:path";
import type { DeviceEvent } from "@suture/contract";
import { AgentError } from "../errors.ts";
import { printable } from "../fields.ts";
import { journalBytesMax } from "../limits.ts";
import { type AuditEntry, type AuditLog, openAuditLog } from "./audit-log.ts";
import { openJournal } from "./journal.ts";
import {
  type Act,
  type AgentRecord,
  emptyRecord,
  entriesOf,
  type JournalEntry,
  type Note,
  parseEntry,
  withEntry,
} from "./record.ts";

/** An event without what the recorder gives it. */
export type EventDraft = Omit<DeviceEvent, "serial" | "at">;

export interface NoteDraft extends Omit<Note, "kind" | "at" | "events"> {
  readonly events?: readonly EventDraft[];
  readonly audit?: readonly AuditEntry[];
}

export interface Recorder {
  readonly record: () => AgentRecord;
  /**
   * Makes an intent durable and gives its number. Throws AgentError `disk-full`, but not for a
   * revert: what does harm is taken back on a full disk, too.
   */
  readonly begin: (act: Act) => number;
  /** Keeps a note; where the disk is full it waits, and `isDiskFull` says so. */
  readonly note: (draft: NoteDraft) => void;
  /** Tries to write what waits. */
  readonly flush: () => void;
  readonly isDiskFull: () => boolean;
  readonly audit: Pick<AuditLog, "head" | "read" | "verify">;
  /** The journal was damaged, and put here. */
  readonly setAside?: string;
  readonly close: () => void;
}

export interface RecorderOptions {
  readonly folder: string;
  readonly now: () => Date;
  readonly faultPoint?: (name: string) => void;
}

/** Opens journal and audit log in the folder. */
export function openRecorder({ folder, now, faultPoint = () => {} }: RecorderOptions): Recorder {
  const opened = openJournal<JournalEntry>({
    path: join(folder, "journal"),
    parse: parseEntry,
    faultPoint,
  });
  const { journal } = opened;
  const audit = openAuditLog(join(folder, "audit.log"));
  let record = opened.entries.reduce(withEntry, emptyRecord);
  let waitingEntries: readonly JournalEntry[] = [];
  let waitingAudit: readonly { entry: AuditEntry; at: Date }[] = [];
  /** Throws AgentError `disk-full`; what was written is not written again. */
  const flushOrThrow = (): void => {
    while (waitingAudit[0] !== undefined) {
      audit.append(waitingAudit[0].entry, waitingAudit[0].at);
      waitingAudit = waitingAudit.slice(1);
      faultPoint("audit-written");
    }
    if (waitingEntries.length > 0) journal.append(...waitingEntries);
    waitingEntries = [];
    if (journal.size() > journalBytesMax) journal.rewrite(entriesOf(record, now().toISOString()));
  };
  const flush = (): void => {
    try {
      flushOrThrow();
    } catch (error) {
      if (!isDiskFullError(error)) throw error;
    }
  };
  return {
    record: () => record,
    begin: (act) => {
      const number = record.nextNumber;
      const intent = { kind: "intent", number, at: now().toISOString(), act } as const;
      if (act.do === "revert") {
        waitingEntries = [...waitingEntries, intent];
        flush();
      } else {
        flushOrThrow();
        journal.append(intent);
      }
      record = withEntry(record, intent);
      faultPoint("intent");
      return number;
    },
    note: ({ audit: entries = [], events = [], ...draft }) => {
      const at = now();
      const numbered = events.map((event, index) => ({
        ...event,
        detail: printable(event.detail),
        serial: record.eventSerial + 1 + index,
        at: at.toISOString(),
      }));
      const note: Note = {
        kind: "note",
        at: at.toISOString(),
        ...draft,
        ...(numbered.length > 0 && { events: numbered }),
      };
      record = withEntry(record, note);
      waitingEntries = [...waitingEntries, note];
      waitingAudit = [...waitingAudit, ...entries.map((entry) => ({ entry, at }))];
      flush();
      faultPoint("noted");
    },
    flush,
    isDiskFull: () => waitingEntries.length > 0 || waitingAudit.length > 0,
    audit,
    ...(opened.setAside !== undefined && { setAside: opened.setAside }),
    close: () => {
      flush();
      journal.close();
      audit.close();
    },
  };
}

const isDiskFullError = (error: unknown): boolean =>
  error instanceof AgentError && error.code === "disk-full";
