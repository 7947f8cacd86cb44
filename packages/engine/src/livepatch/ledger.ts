/**
 * The record of a hotpatch in the process itself.
 *
 * It stands in the first pages of the hotpatch's memory, readable to all, so that `status` and
 * `revert` need no file of ours, and a process that was forked carries its own. It is written
 * before anything is switched, and its state word says how far the work has come:
 *
 *      0  "SUTURE" 0 1
 *      8  state, 32 bits, little endian
 *     12  size of the body, 32 bits
 *     16  the body: JSON, UTF-8
 *
 * A command that was killed leaves `switching` or `reverting`; the next one undoes or finishes
 * from what is written here. The bytes come from the memory of a process that may be hostile:
 * every field is checked again, and what is written by its word goes to that process alone.
 */
import { type VirtualAddr, virtualAddr } from "../bytes/address.ts";
import { FormatError } from "../bytes/format-error.ts";
import { SAVE_AREA } from "../link/callback-runner.ts";
import { CALLBACKS_MAX, FUNCTIONS_MAX, LEDGER_SIZE_MAX, VARIABLES_MAX } from "./limits.ts";
import { CALLBACK_TIMES, type Callback } from "./patch-description.ts";

export const LedgerState = {
  prepared: 1,
  switching: 2,
  applied: 3,
  reverting: 4,
} as const;
export type LedgerState = keyof typeof LedgerState;

export interface Ledger {
  readonly id: string;
  readonly sequence: number;
  readonly buildId: string;
  readonly module: string;
  /** The whole mapping, this record included. */
  readonly start: VirtualAddr;
  readonly size: number;
  /** The new code. */
  readonly text: Range;
  /** Its unwind table. */
  readonly ehFrame: Range;
  /** Its constants and variables: what a newer hotpatch keeps. Size 0 where it has no variables. */
  readonly data: Range;
  /** The variables that it uses and that the module does not have. */
  readonly variables: readonly LedgerVariable[];
  /** Memory of superseded hotpatches that holds some of these variables. */
  readonly keeps: readonly Range[];
  readonly callbacks: LedgerCallbacks | null;
  /** Where the code of injected calls was put. */
  readonly spareRooms: readonly Range[];
  /** The hotpatch that this one replaces, removed after the switch. */
  readonly supersedes: string | null;
  readonly entries: readonly LedgerEntry[];
}

export interface Range {
  readonly address: VirtualAddr;
  readonly size: number;
}

/** What runs in the process when the hotpatch is applied or reverted (callback-run.ts). */
export interface LedgerCallbacks {
  /** The code that calls them. */
  readonly runner: VirtualAddr;
  /** Their stack, and the save area behind it. */
  readonly area: Range;
  readonly list: readonly (Callback & { readonly address: VirtualAddr })[];
}

/** A variable that a hotpatch brought (variables.ts). */
export interface LedgerVariable {
  readonly name: string;
  readonly address: VirtualAddr;
  readonly size: number;
  /** SHA-256 of what it started as, lower-case hexadecimal. */
  readonly initial: string;
  /** True when it started with an address in the hotpatch's own code. */
  readonly pointsToCode: boolean;
}

/** The bytes at one function's entry. All three have the same length, 1 to 16. */
export interface LedgerEntry {
  readonly name: string;
  readonly address: VirtualAddr;
  /** As the module's file has it. */
  readonly original: Uint8Array;
  /** As it was before this hotpatch: the original, or the jump of the one it supersedes. */
  readonly before: Uint8Array;
  /** As this hotpatch wants it. */
  readonly after: Uint8Array;
}

export const LEDGER_HEADER_SIZE = 16;
export const LEDGER_STATE_OFFSET = 8;
/** One for creating the file and one for mapping it. */
const SPARE_ROOMS_MAX = 2;
/** One of each earlier hotpatch of a baseline. */
const KEEPS_MAX = 1024;
const USER_SPACE_END = 2 ** 47;
const MAGIC = Uint8Array.from([0x53, 0x55, 0x54, 0x55, 0x52, 0x45, 0, 1]);

/** The record's bytes. */
export function encodeLedger(ledger: Ledger, state: LedgerState): Uint8Array {
  const body = new TextEncoder().encode(
    JSON.stringify({
      ...ledger,
      entries: ledger.entries.map((entry) => ({
        name: entry.name,
        address: entry.address,
        original: toHex(entry.original),
        before: toHex(entry.before),
        after: toHex(entry.after),
      })),
    }),
  );
  const bytes = new Uint8Array(LEDGER_HEADER_SIZE + body.length);
  bytes.set(MAGIC, 0);
  bytes.set(encodeState(state), LEDGER_STATE_OFFSET);
  new DataView(bytes.buffer).setUint32(12, body.length, true);
  bytes.set(body, LEDGER_HEADER_SIZE);
  return bytes;
}

export function encodeState(state: LedgerState): Uint8Array {
  return Uint8Array.from([LedgerState[state], 0, 0, 0]);
}

/** Whether the bytes begin a record at all, perhaps one of another version. */
export const isLedgerMarked = (bytes: Uint8Array): boolean =>
  bytes.length >= LEDGER_HEADER_SIZE && MAGIC.every((byte, index) => bytes[index] === byte);

/** The size of the body that a header announces. Throws FormatError for no ledger. */
export function parseLedgerHeader(bytes: Uint8Array): { state: LedgerState; bodySize: number } {
  if (!isLedgerMarked(bytes)) {
    throw wrong(0, "the ledger's magic number", "other bytes");
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const number = view.getUint32(LEDGER_STATE_OFFSET, true);
  const state = (Object.keys(LedgerState) as LedgerState[]).find(
    (name) => LedgerState[name] === number,
  );
  if (state === undefined) throw wrong(LEDGER_STATE_OFFSET, "a state", String(number));
  const bodySize = view.getUint32(12, true);
  if (bodySize > LEDGER_SIZE_MAX) throw wrong(12, `at most ${LEDGER_SIZE_MAX}`, String(bodySize));
  return { state, bodySize };
}

/** Parses the body. Throws FormatError for anything that encodeLedger did not write. */
export function parseLedgerBody(bytes: Uint8Array): Ledger {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw wrong(LEDGER_HEADER_SIZE, "JSON in UTF-8", String(error));
  }
  const body = record(value, "body");
  const entries = body.entries;
  if (!Array.isArray(entries) || entries.length > FUNCTIONS_MAX) {
    throw wrong(LEDGER_HEADER_SIZE, "a list of entries", typeof entries);
  }
  return {
    id: text(body.id, "id"),
    sequence: count(body.sequence, "sequence"),
    buildId: text(body.buildId, "buildId"),
    module: text(body.module, "module"),
    start: virtualAddr(count(body.start, "start")),
    size: count(body.size, "size"),
    text: range(body.text, "text"),
    ehFrame: range(body.ehFrame, "ehFrame"),
    data: range(body.data, "data"),
    variables: variables(body.variables),
    keeps: ranges(body.keeps, "keeps", KEEPS_MAX),
    callbacks: body.callbacks === null ? null : callbacks(body.callbacks),
    spareRooms: ranges(body.spareRooms, "spareRooms", SPARE_ROOMS_MAX),
    supersedes: body.supersedes === null ? null : text(body.supersedes, "supersedes"),
    entries: entries.map(parseEntry),
  };
}

function parseEntry(value: unknown, index: number): LedgerEntry {
  const where = `entries[${index}]`;
  const entry = record(value, where);
  const original = hex(entry.original, where);
  const before = hex(entry.before, where);
  const after = hex(entry.after, where);
  if (before.length !== original.length || after.length !== original.length) {
    throw wrong(LEDGER_HEADER_SIZE, `${where}: three equal lengths`, "different ones");
  }
  return {
    name: text(entry.name, where),
    address: virtualAddr(count(entry.address, where)),
    original,
    before,
    after,
  };
}

function record(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) {
    throw wrong(LEDGER_HEADER_SIZE, `${where}: an object`, typeof value);
  }
  return value as Readonly<Record<string, unknown>>;
}

function range(value: unknown, where: string): Range {
  const entry = record(value, where);
  return { address: virtualAddr(count(entry.address, where)), size: count(entry.size, where) };
}

function callbacks(value: unknown): LedgerCallbacks {
  const entry = record(value, "callbacks");
  const { list } = entry;
  if (!Array.isArray(list) || list.length > CALLBACKS_MAX) {
    throw wrong(LEDGER_HEADER_SIZE, "a list of callbacks", typeof list);
  }
  return {
    runner: virtualAddr(count(entry.runner, "runner")),
    area: callbackArea(entry.area),
    list: list.map((item: unknown, index) => {
      const where = `callbacks[${index}]`;
      const callback = record(item, where);
      const when = CALLBACK_TIMES.find((time) => time === callback.when);
      if (when === undefined) throw wrong(LEDGER_HEADER_SIZE, where, String(callback.when));
      const symbol = text(callback.symbol, where);
      const unit = text(callback.unit, where);
      return { when, symbol, unit, address: virtualAddr(count(callback.address, where)) };
    }),
  };
}

function callbackArea(value: unknown): Range {
  const area = range(value, "area");
  if (area.size >= SAVE_AREA.size && area.address + area.size < USER_SPACE_END) return area;
  throw wrong(LEDGER_HEADER_SIZE, "room for a save area", `${area.size} at ${area.address}`);
}

function variables(value: unknown): readonly LedgerVariable[] {
  if (!Array.isArray(value) || value.length > VARIABLES_MAX) {
    throw wrong(LEDGER_HEADER_SIZE, "a list of variables", typeof value);
  }
  return value.map((entry: unknown, index) => {
    const where = `variables[${index}]`;
    const { name, initial, pointsToCode } = record(entry, where);
    return {
      ...range(entry, where),
      name: text(name, where),
      initial: text(initial, where),
      pointsToCode: pointsToCode === true,
    };
  });
}

function ranges(value: unknown, where: string, countMax: number): readonly Range[] {
  if (!Array.isArray(value) || value.length > countMax) {
    throw wrong(LEDGER_HEADER_SIZE, `${where}: a list of ranges`, typeof value);
  }
  return value.map((entry: unknown) => range(entry, where));
}

function text(value: unknown, where: string): string {
  if (typeof value !== "string" || value.length > 4096) {
    throw wrong(LEDGER_HEADER_SIZE, `${where}: text`, typeof value);
  }
  return value;
}

function count(value: unknown, where: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw wrong(LEDGER_HEADER_SIZE, `${where}: a whole number`, String(value));
  }
  return value;
}

function hex(value: unknown, where: string): Uint8Array {
  if (typeof value !== "string" || !/^([0-9a-f]{2}){1,16}$/.test(value)) {
    throw wrong(LEDGER_HEADER_SIZE, `${where}: 1 to 16 bytes in hexadecimal`, String(value));
  }
  return Uint8Array.from(Buffer.from(value, "hex"));
}

export const toHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

const wrong = (offset: number, expected: string, found: string): FormatError =>
  new FormatError({ what: "ledger", offset, expected, found });
