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
import {
  type ApplyRequest,
  type AssignmentRequest,
  type AvailableRequest,
  type EventsRequest,
  type HelloRequest,
  type HistoryRequest,
  type Nothing,
  Phase,
  type RemoveRequest,
  type RequestName,
  type RequestOf,
  type StateRequest,
} from "./messages.ts";

export * from "./messages.ts";

/** Raised when a request changes so that the halves no longer understand each other. */
export const PROTOCOL_VERSION = 1;

/** Root may send what the network half may, too: it is root's machine. */
export const Sender = { network: "network", root: "root" } as const;
export type Sender = (typeof Sender)[keyof typeof Sender];

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
