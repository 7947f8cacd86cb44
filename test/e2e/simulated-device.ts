/**
 * A device that is none: it speaks the protocol of the network half, with a key and signatures of
 * its own, and does at once in its own facts what an agent would do to processes.
 *
 * What the control plane answers is believed as an agent believes it: an assignment counts only
 * with the signature of the key that the enrolment token names, for this device, and never an
 * older one than the last.
 */
import {
  createHash,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  verify,
} from "node:crypto";
import type { Agent } from "node:http";
import type {
  Assignment,
  CheckIn,
  CheckInAnswer,
  ComponentFacts,
  DeviceFacts,
  EnrolmentAnswer,
  SignedAssignment,
  TargetProgress,
} from "@suture/contract";
import { ROUTES, routePath, signRequest } from "@suture/contract";
import { type JsonAnswer, requestJson } from "./json-request.ts";

export interface SimulatedDeviceOptions {
  /** `http://127.0.0.1:PORT` */
  readonly server: string;
  readonly token: string;
  readonly facts: DeviceFacts;
  /** Connections for check-ins; requests that are held have their own. */
  readonly connections: Agent;
  readonly heldConnections: Agent;
}

/** What the device tells whoever made it. */
export interface DeviceWatcher {
  readonly onAssignment?: (device: SimulatedDevice, assignment: Assignment) => void;
  readonly onProblem?: (device: SimulatedDevice, problem: Error) => void;
}

export interface SimulatedDevice {
  readonly id: string;
  readonly assignment: () => Assignment | undefined;
  /** The targets that it has applied. */
  readonly applied: () => readonly string[];
  /** Tells all of its facts. */
  readonly introduce: () => Promise<void>;
  /** A check-in as an agent makes it now and then; with `changed` one component differs. */
  readonly checkIn: (changed: boolean) => Promise<void>;
  /** Holds a request for assignments and does what they say, until the signal aborts. */
  readonly follow: (watcher: DeviceWatcher, signal: AbortSignal) => Promise<void>;
}

const RETRY_MS = 1000;
const HELD_TIMEOUT_MS = 65_000;
const REQUEST_TIMEOUT_MS = 30_000;
const WATCH_MS_MAX = 60_000;

/** Makes a key and enrols it. Throws when the server refuses. */
export async function enrolSimulatedDevice(
  options: SimulatedDeviceOptions,
): Promise<SimulatedDevice> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const { token, facts } = options;
  const body = { token, publicKey: raw.toString("base64url"), hostname: facts.hostname };
  const answer = await requestJson(options.server, {
    method: ROUTES.enrol.method,
    path: ROUTES.enrol.path,
    body: JSON.stringify(body),
    agent: options.connections,
    timeoutMs: REQUEST_TIMEOUT_MS,
  });
  const enrolment = good<EnrolmentAnswer>("enrol", answer);
  const { deviceId, controlKey } = enrolment;
  const controlKeyBytes = Buffer.from(controlKey, "base64url");
  if (createHash("sha256").update(controlKeyBytes).digest("hex") !== token.split(".")[2]) {
    throw new Error("the control key is not the one that the token names");
  }
  return createDevice(options, {
    ...{ deviceId, privateKey },
    controlKey: publicKeyOf(controlKeyBytes),
  });
}

interface Identity {
  readonly deviceId: string;
  readonly privateKey: KeyObject;
  readonly controlKey: KeyObject;
}

function createDevice(options: SimulatedDeviceOptions, identity: Identity): SimulatedDevice {
  const { deviceId } = identity;
  const connection = createConnection(options, identity);
  const machine = createMachine(options.facts);
  let assignment: Assignment | undefined;

  const tell = async (more: Partial<CheckIn>): Promise<CheckInAnswer> => {
    const changes = more.facts ?? more.components;
    const since = more.facts ? 0 : machine.serial;
    if (changes) machine.serial += 1;
    const checkIn: CheckIn = {
      ...{ serial: machine.serial, since, progress: [], events: [] },
      ...{ assignmentSerial: assignment?.serial ?? 0, ...more },
    };
    const answer = await connection.checkIn(checkIn);
    // The server has other facts than the device thinks: it gets all of them.
    if (answer.serial !== machine.serial && more.facts === undefined) {
      return await tell({ ...more, components: [], facts: machine.facts() });
    }
    return answer;
  };
  const accept = (signed: SignedAssignment): Assignment => {
    assignment = believe(signed, identity, assignment?.serial ?? 0);
    return assignment;
  };
  const device: SimulatedDevice = {
    id: deviceId,
    assignment: () => assignment,
    applied: () => machine.applied(),
    async introduce() {
      await tell({ facts: machine.facts() });
    },
    async checkIn(changed) {
      await tell(changed ? { components: machine.change() } : {});
    },
    async follow({ onAssignment, onProblem }, signal) {
      while (!signal.aborted) {
        try {
          const signed = await connection.hold(assignment?.serial ?? 0, signal);
          if (signed === undefined) continue;
          const accepted = accept(signed);
          onAssignment?.(device, accepted);
          await obey(machine, accepted, tell);
        } catch (error) {
          if (signal.aborted) return;
          onProblem?.(device, error instanceof Error ? error : new Error(String(error)));
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
        }
      }
    },
  };
  return device;
}

type Tell = (more: Partial<CheckIn>) => Promise<unknown>;

/** Does what the assignment says, and tells it. */
async function obey(machine: Machine, assignment: Assignment, tell: Tell): Promise<void> {
  if (assignment.paused) return void (await tell({}));
  const { begun, done, components } = machine.act(assignment);
  // An agent says that it begins, so that whoever looks sees it at work.
  if (begun.length > 0) await tell({ progress: begun });
  await tell({ progress: done, ...(components.length > 0 && { components }) });
  if (begun.length > 0) await endWatch(machine, assignment, tell);
}

/** The health watch of what was applied is over; one of hours is not waited for. */
async function endWatch(machine: Machine, { policy }: Assignment, tell: Tell): Promise<void> {
  const watchMs = policy.health.hours * 3_600_000;
  if (watchMs > WATCH_MS_MAX) return;
  await new Promise((resolve) => setTimeout(resolve, watchMs));
  await tell({ progress: machine.applied().map((target) => progressOf(target, "succeeded")) });
}

const progressOf = (target: string, state: TargetProgress["state"]): TargetProgress => ({
  ...{ target, state, at: new Date().toISOString() },
  ...(state === "applied" && { pauseMicroseconds: 60, processes: 1 }),
});

type Machine = ReturnType<typeof createMachine>;

const targetPattern = /^[^/]+\/[^/]+\/(?<buildId>[0-9a-f]+)\.(?<sequence>[0-9]+)\.hotpatch$/;

/** What runs on the device that is none, and what is applied to it. */
function createMachine(facts: DeviceFacts) {
  const components = new Map(facts.components.map((component) => [component.buildId, component]));
  const applied = new Map<string, { readonly target: string; readonly sequence: number }>();
  let turn = 0;
  const put = (buildId: string, sequence: number | undefined): ComponentFacts[] => {
    const found = components.get(buildId);
    if (found === undefined) return [];
    const { hotpatch: _, hotpatchSequence: __, ...rest } = found;
    const next: ComponentFacts =
      sequence === undefined
        ? { ...rest, hotpatchedProcesses: 0 }
        : {
            ...rest,
            hotpatch: `${buildId.slice(0, 12)}-${sequence}`,
            hotpatchSequence: sequence,
            hotpatchedProcesses: rest.processes,
          };
    components.set(buildId, next);
    return [next];
  };
  return {
    serial: 0,
    facts: (): DeviceFacts => ({ ...facts, components: [...components.values()] }),
    applied: () => [...applied.values()].map(({ target }) => target),
    /** One process more or less of one component. */
    change(): ComponentFacts[] {
      const [first] = components.values();
      if (first === undefined) return [];
      turn += 1;
      const next = { ...first, processes: 1 + (turn % 2) };
      components.set(first.buildId, next);
      return [next];
    },
    act({ apply, revert }: Assignment) {
      const begun: TargetProgress[] = [];
      const done: TargetProgress[] = [];
      const changed: ComponentFacts[] = [];
      for (const { target } of revert) {
        const { buildId = "" } = targetPattern.exec(target)?.groups ?? {};
        if (applied.get(buildId)?.target !== target) continue;
        applied.delete(buildId);
        changed.push(...put(buildId, undefined));
        done.push(progressOf(target, "reverted"));
      }
      for (const { target } of apply) {
        const { buildId = "", sequence = "0" } = targetPattern.exec(target)?.groups ?? {};
        const number = Number(sequence);
        if (!components.has(buildId)) done.push(progressOf(target, "not-applicable"));
        else if ((applied.get(buildId)?.sequence ?? 0) < number) {
          applied.set(buildId, { target, sequence: number });
          changed.push(...put(buildId, number));
          begun.push(progressOf(target, "applying"));
          done.push(progressOf(target, "applied"));
        }
      }
      return { begun, done, components: changed };
    },
  };
}

/** The two requests of a device, signed. */
function createConnection(options: SimulatedDeviceOptions, { deviceId, privateKey }: Identity) {
  const headersOf = (method: string, target: string, body: string | undefined) => {
    const [path = "", query = ""] = target.split("?", 2);
    const bodyDigest = body && createHash("sha256").update(body).digest("base64");
    const parts = { method, path, query: `?${query}`, ...(bodyDigest && { bodyDigest }) };
    const nonce = randomBytes(18).toString("base64url");
    const created = Math.floor(Date.now() / 1000);
    return signRequest(parts, { created, nonce, keyId: deviceId }, (base) =>
      sign(null, Buffer.from(base), privateKey).toString("base64"),
    );
  };
  return {
    async checkIn(checkIn: CheckIn): Promise<CheckInAnswer> {
      const { method, path } = ROUTES.checkIn;
      const body = JSON.stringify(checkIn);
      const answer = await requestJson(options.server, {
        ...{ method, path, body, headers: headersOf(method, path, body) },
        ...{ agent: options.connections, timeoutMs: REQUEST_TIMEOUT_MS },
      });
      return good<CheckInAnswer>("check-in", answer);
    },
    async hold(after: number, signal: AbortSignal): Promise<SignedAssignment | undefined> {
      const { method } = ROUTES.awaitAssignment;
      const path = routePath(ROUTES.awaitAssignment.path, {}, { after });
      const answer = await requestJson(options.server, {
        ...{ method, path, headers: headersOf(method, path, undefined), signal },
        ...{ agent: options.heldConnections, timeoutMs: HELD_TIMEOUT_MS },
      });
      return good<{ assignment?: SignedAssignment }>("assignment", answer).assignment;
    },
  };
}

/** Throws when the assignment is not this device's, not newer, or not the control plane's. */
function believe(signed: SignedAssignment, identity: Identity, serial: number): Assignment {
  const signature = Buffer.from(signed.signature, "base64url");
  if (!verify(null, Buffer.from(signed.document), identity.controlKey, signature)) {
    throw new Error("an assignment with a wrong signature");
  }
  const assignment = JSON.parse(signed.document) as Assignment;
  if (assignment.deviceId !== identity.deviceId || assignment.serial <= serial) {
    throw new Error(`assignment ${assignment.serial} is for another device, or an old one`);
  }
  return assignment;
}

function good<Value>(what: string, { status, value }: JsonAnswer): Value {
  if (status === 200) return value as Value;
  throw new Error(`${what}: status ${status}: ${JSON.stringify(value)?.slice(0, 300)}`);
}

/** The fixed beginning of an Ed25519 public key in DER (RFC 8410, 4). */
const DER_PREFIX = Buffer.from("302a300506032b6570032100", "hex");

const publicKeyOf = (raw: Uint8Array): KeyObject =>
  createPublicKey({ key: Buffer.concat([DER_PREFIX, raw]), format: "der", type: "spki" });
