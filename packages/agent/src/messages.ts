/** The requests and answers of the local socket, as types. Who may send which: protocol.ts. */
import type {
  ComplianceState,
  ComponentFacts,
  DeviceEvent,
  DeviceFacts,
  ReadinessFinding,
  TargetProgress,
} from "@suture/contract";
import type { Catalog, QualityUpdate } from "@suture/release";
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
