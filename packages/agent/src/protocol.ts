/**
 * The local socket between the halves of the agent: who may ask the executor for what, and when.
 *
 * The executor runs as root, and whoever asks may be an attacker who owns the network half. So
 * each request stands in one table with its senders (by the user id that the kernel tells,
 * SO_PEERCRED) and its phases; what is not in the table does not exist, and every field is parsed
 * before anything looks at it. Nothing that a network half sends is believed: files of the channel
 * are verified from the pinned root, assignments by the control plane's key. At worst it withholds.
 *
 * A frame is `{"request": NAME, ...fields}`; the answer `{"answer": {...}}` or
 * `{"error": {"code", "message", "next"}}`. One request at a time a connection, answered in order.
 * The first request of a connection is `hello`.
 */
import type {
  ComplianceState,
  ComponentFacts,
  DeviceEvent,
  DeviceFacts,
  ReadinessFinding,
  TargetProgress,
} from "@suture/contract";
import type { Catalog, QualityUpdate } from "@suture/release";
import { AgentError } from "./errors.ts";
import {
  below,
  booleanOf,
  type Fields,
  integerOf,
  matching,
  objectOf,
  type Place,
  targetPattern,
  textOf,
} from "./fields.ts";
import { assignmentBytesMax, eventsAnswerMax } from "./limits.ts";

/** Raised when a request changes so that the halves no longer understand each other. */
export const PROTOCOL_VERSION = 1;

/** Root may send what the network half may, too: it is root's machine. */
export const Sender = { network: "network", root: "root" } as const;
export type Sender = (typeof Sender)[keyof typeof Sender];

export const Phase = {
  /** Of a connection: nothing but `hello` yet. */
  greeting: "greeting",
  /** What a killed executor left is finished or undone. */
  starting: "starting",
  /** There is neither a policy nor a control plane. */
  unregistered: "unregistered",
  /** The policy file decides. */
  standAlone: "stand-alone",
  /** The control plane's assignments decide. */
  managed: "managed",
  stopping: "stopping",
} as const;
export type Phase = (typeof Phase)[keyof typeof Phase];

export interface HelloRequest {
  readonly protocol: number;
}
export interface HelloAnswer {
  readonly protocol: number;
  readonly version: string;
  readonly phase: Phase;
  readonly deviceId?: string;
  readonly serials: Serials;
}

/** Numbers that grow, and are kept over restarts of the executor except `change`. */
export interface Serials {
  /** Of the assignment in force; 0 where there is none. */
  readonly assignment: number;
  /** Of the newest event; 0 before the first. */
  readonly event: number;
  /** Grows whenever facts, progress or events differ; begins anew with each start. */
  readonly change: number;
}

export interface StateRequest {
  /** `serials.change` of the last answer: facts and progress come only if they differ. */
  readonly known?: number;
  /** How long to wait for a change, 0 to 55 seconds. */
  readonly waitSeconds?: number;
}
export interface StateAnswer {
  readonly phase: Phase;
  readonly serials: Serials;
  readonly channel: ChannelState;
  /** Absent when nothing changed since `known`. */
  readonly facts?: DeviceFacts;
  readonly progress?: readonly TargetProgress[];
}

/** What the executor's own release client thinks of the spool. */
export interface ChannelState {
  readonly versions?: Catalog["versions"];
  readonly verifiedAt?: string;
  readonly expires?: string;
  /** Why the last look was not believed; what was trusted before stays. */
  readonly problem?: { readonly code: string; readonly detail: string };
}

export interface AssignmentRequest {
  /** The bytes that are signed, as text. */
  readonly document: string;
  /** Ed25519, base64url. */
  readonly signature: string;
  /** The raw public key, base64url. Believed only if its SHA-256 is the one root gave. */
  readonly controlKey: string;
}
export interface AssignmentAnswer {
  readonly serial: number;
}

export interface EventsRequest {
  readonly after: number;
  /** 1 to 500; 100 by default. Events up to `after` need not be kept any longer. */
  readonly countMax?: number;
}
export interface EventsAnswer {
  readonly events: readonly DeviceEvent[];
  readonly last: number;
}

/** A component and why it is in the state it is in. */
export interface ComponentStatus extends ComponentFacts {
  readonly compliance: ComplianceState;
  /** A code of DECISION_REASONS (executor/decision-reasons.ts). */
  readonly reason: string;
  readonly detail: string;
  readonly next: string;
  readonly pids: readonly number[];
  /** The newest target that is allowed for it. */
  readonly target?: string;
}

export interface WatchStatus {
  readonly target: string;
  readonly hotpatch: string;
  readonly buildId: string;
  readonly pids: readonly number[];
  readonly since: string;
  readonly until: string;
}

export interface StatusAnswer {
  readonly phase: Phase;
  readonly deviceId?: string;
  readonly paused: boolean;
  readonly assignment?: { readonly serial: number; readonly expiresAt: string };
  readonly channel: ChannelState;
  readonly components: readonly ComponentStatus[];
  readonly watching: readonly WatchStatus[];
  readonly progress: readonly TargetProgress[];
  readonly serials: Serials;
}

export interface ReadinessAnswer {
  readonly readiness: DeviceFacts["readiness"];
  readonly findings: readonly ReadinessFinding[];
}

export interface AvailableUpdate extends QualityUpdate {
  /** Whether something that it is for runs here. */
  readonly applicable: boolean;
  /** Whether policy or assignment allows it; where not, why. */
  readonly allowed: boolean;
  readonly reason?: string;
}
export interface AvailableRequest {
  /** Also what is for nothing that runs here. */
  readonly all: boolean;
}
export interface AvailableAnswer {
  readonly channel: ChannelState;
  readonly updates: readonly AvailableUpdate[];
}

export interface ApplyRequest {
  /** One target, or all that the policy allows. It does not wait for a window. */
  readonly target?: string;
  readonly dryRun: boolean;
}
export interface RemoveRequest {
  readonly target: string;
  readonly reason: string;
  readonly dryRun: boolean;
}
/** What was done, or would be, one line a component. */
export interface ActionReport {
  readonly action: string;
  readonly target?: string;
  readonly hotpatch?: string;
  readonly file: string;
  readonly buildId: string;
  readonly pids: readonly number[];
  /** `done`, `would-do`, or the code of a refusal. */
  readonly outcome: string;
  readonly detail: string;
  readonly next?: string;
  readonly pauseMicroseconds?: number;
}
export interface ActionsAnswer {
  readonly actions: readonly ActionReport[];
}

export interface HistoryRequest {
  /** The index after which to begin; -1 for the first. Without it: the last ones. */
  readonly after?: number;
  readonly countMax?: number;
}
export interface AuditRecord {
  readonly index: number;
  readonly at: string;
  /** `root`, `executor`, `control-plane`, `network half`. */
  readonly who: string;
  readonly what: string;
  readonly detail: Readonly<Record<string, unknown>>;
  /** Hash of the record before; 64 zeros for the first. */
  readonly previous: string;
  /** SHA-256 of the canonical JSON of all the fields above. */
  readonly hash: string;
}
export interface HistoryAnswer {
  readonly records: readonly AuditRecord[];
}
export interface AuditVerifyAnswer {
  readonly records: number;
  readonly head: string;
  /** The first record that is not what was written. */
  readonly problem?: { readonly index: number; readonly found: string };
}

export type Nothing = Readonly<Record<string, never>>;

/** Request and answer of each name. */
export interface RequestTypes {
  readonly hello: { request: HelloRequest; answer: HelloAnswer };
  readonly state: { request: StateRequest; answer: StateAnswer };
  readonly "channel-changed": { request: Nothing; answer: ChannelState };
  readonly assignment: { request: AssignmentRequest; answer: AssignmentAnswer };
  readonly events: { request: EventsRequest; answer: EventsAnswer };
  readonly status: { request: Nothing; answer: StatusAnswer };
  readonly readiness: { request: Nothing; answer: ReadinessAnswer };
  readonly available: { request: AvailableRequest; answer: AvailableAnswer };
  readonly apply: { request: ApplyRequest; answer: ActionsAnswer };
  readonly remove: { request: RemoveRequest; answer: ActionsAnswer };
  readonly history: { request: HistoryRequest; answer: HistoryAnswer };
  readonly "audit-verify": { request: Nothing; answer: AuditVerifyAnswer };
  readonly reload: { request: Nothing; answer: { readonly phase: Phase } };
  readonly stop: { request: Nothing; answer: Nothing };
}
export type RequestName = keyof RequestTypes;
export type RequestOf<Name extends RequestName> = RequestTypes[Name]["request"];
export type AnswerOf<Name extends RequestName> = RequestTypes[Name]["answer"];

export interface RequestRow<Name extends RequestName> {
  readonly senders: readonly Sender[];
  readonly phases: readonly Phase[];
  /** Throws AgentError `request-field`. */
  readonly parse: (fields: Fields) => RequestOf<Name>;
  /** How long whoever asks waits for the answer, in milliseconds. */
  readonly deadlineMs: number;
}

const { greeting, starting, unregistered, standAlone, managed, stopping } = Phase;
const both: readonly Sender[] = [Sender.network, Sender.root];
const rootOnly: readonly Sender[] = [Sender.root];
const always: readonly Phase[] = [starting, unregistered, standAlone, managed, stopping];
const working: readonly Phase[] = [unregistered, standAlone, managed];
const deciding: readonly Phase[] = [standAlone, managed];

const quickMs = 10_000;
/** A turn may apply to many processes, each with its own deadline, and run a package manager. */
const longMs = 15 * 60_000;
const waitSecondsMax = 55;

const row = <Name extends RequestName>(
  senders: readonly Sender[],
  phases: readonly Phase[],
  deadlineMs: number,
  parse: (fields: Fields) => RequestOf<Name>,
): RequestRow<Name> => ({ senders, phases, parse, deadlineMs });

export const REQUESTS: { readonly [Name in RequestName]: RequestRow<Name> } = {
  hello: row<"hello">(both, [greeting], quickMs, parseHello),
  state: row<"state">(both, working, quickMs + waitSecondsMax * 1000, parseState),
  "channel-changed": row<"channel-changed">(both, working, longMs, nothing),
  assignment: row<"assignment">([Sender.network], [managed], longMs, parseAssignment),
  events: row<"events">(both, working, quickMs, parseEvents),
  status: row<"status">(rootOnly, always, quickMs, nothing),
  readiness: row<"readiness">(rootOnly, working, quickMs, nothing),
  available: row<"available">(rootOnly, working, quickMs, parseAvailable),
  apply: row<"apply">(rootOnly, deciding, longMs, parseApply),
  remove: row<"remove">(rootOnly, working, longMs, parseRemove),
  history: row<"history">(rootOnly, always, quickMs, parseHistory),
  "audit-verify": row<"audit-verify">(rootOnly, always, quickMs, nothing),
  reload: row<"reload">(rootOnly, working, quickMs, nothing),
  stop: row<"stop">(rootOnly, [starting, ...working], longMs, nothing),
};

/** The name of a frame's request. Throws AgentError `request-unknown`. */
export function requestNameOf({ request }: Fields): RequestName {
  if (!isRequestName(request)) {
    const found = typeof request === "string" ? request.slice(0, 80) : typeof request;
    throw new AgentError("request-unknown", "request", found.replace(/[^\x20-\x7e]/g, "?"));
  }
  return request;
}

const isRequestName = (name: unknown): name is RequestName =>
  typeof name === "string" && Object.hasOwn(REQUESTS, name);

const top: Place = { code: "request-field", field: "" };
const at = (name: string): Place => below(top, name);

/** Fields of a request: what is not listed is refused, and `request` itself is no field. */
function fieldsOf(
  { request: _, ...fields }: Fields,
  required: readonly string[],
  optional: readonly string[] = [],
): Fields {
  return objectOf(fields, top, { required, optional });
}

function nothing(fields: Fields): Nothing {
  fieldsOf(fields, []);
  return {};
}

function parseHello(fields: Fields): HelloRequest {
  const { protocol } = fieldsOf(fields, ["protocol"]);
  return { protocol: integerOf(protocol, at("protocol"), { min: 1, max: 1_000_000 }) };
}

const serialRange = { min: 0, max: Number.MAX_SAFE_INTEGER };

function parseState(fields: Fields): StateRequest {
  const { known, waitSeconds } = fieldsOf(fields, [], ["known", "waitSeconds"]);
  return {
    ...(known !== undefined && { known: integerOf(known, at("known"), serialRange) }),
    ...(waitSeconds !== undefined && {
      waitSeconds: integerOf(waitSeconds, at("waitSeconds"), { min: 0, max: waitSecondsMax }),
    }),
  };
}

function parseAssignment(fields: Fields): AssignmentRequest {
  const { document, signature, controlKey } = fieldsOf(fields, [
    "document",
    "signature",
    "controlKey",
  ]);
  if (typeof document !== "string" || !document.startsWith("{")) {
    throw new AgentError("request-field", "document", "expected canonical JSON of an object");
  }
  if (document.length > assignmentBytesMax) {
    throw new AgentError("request-field", "document", `${document.length} characters`);
  }
  return {
    document,
    signature: matching(signature, at("signature"), /^[A-Za-z0-9_-]{86}$/),
    controlKey: matching(controlKey, at("controlKey"), /^[A-Za-z0-9_-]{43}$/),
  };
}

function parseEvents(fields: Fields): EventsRequest {
  const { after, countMax } = fieldsOf(fields, ["after"], ["countMax"]);
  return {
    after: integerOf(after, at("after"), serialRange),
    ...(countMax !== undefined && {
      countMax: integerOf(countMax, at("countMax"), { min: 1, max: eventsAnswerMax }),
    }),
  };
}

function parseAvailable(fields: Fields): AvailableRequest {
  const { all } = fieldsOf(fields, ["all"]);
  return { all: booleanOf(all, at("all")) };
}

function parseApply(fields: Fields): ApplyRequest {
  const { target, dryRun } = fieldsOf(fields, ["dryRun"], ["target"]);
  return {
    dryRun: booleanOf(dryRun, at("dryRun")),
    ...(target !== undefined && { target: matching(target, at("target"), targetPattern) }),
  };
}

function parseRemove(fields: Fields): RemoveRequest {
  const { target, reason, dryRun } = fieldsOf(fields, ["target", "reason", "dryRun"]);
  return {
    target: matching(target, at("target"), targetPattern),
    reason: textOf(reason, at("reason")),
    dryRun: booleanOf(dryRun, at("dryRun")),
  };
}

function parseHistory(fields: Fields): HistoryRequest {
  const { after, countMax } = fieldsOf(fields, [], ["after", "countMax"]);
  return {
    ...(after !== undefined && {
      after: integerOf(after, at("after"), { ...serialRange, min: -1 }),
    }),
    ...(countMax !== undefined && {
      countMax: integerOf(countMax, at("countMax"), { min: 1, max: eventsAnswerMax }),
    }),
  };
}
