/**
 * A control plane for tests: real HTTP, real signatures, and a memory of what it was told.
 *
 * It verifies requests with node:crypto and the header texts alone, counts what it keeps, and lies
 * on request.
 */
import { createHash, createPublicKey, generateKeyPairSync, sign, verify } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import {
  type Assignment,
  type CheckIn,
  canonicalJson,
  type DeviceEvent,
  type DeviceFacts,
  POLICY_DEFAULT,
  readClaim,
  type SignedAssignment,
  type TargetProgress,
} from "@suture/contract";

export interface KnownDevice {
  readonly publicKey: string;
  serial: number;
  eventSerial: number;
  facts?: DeviceFacts;
  readonly events: DeviceEvent[];
  readonly progress: Map<string, TargetProgress>;
  readonly checkIns: CheckIn[];
  assignment?: { readonly serial: number; readonly signed: SignedAssignment };
  assignmentInForce: number;
}

/** Answers a request itself, or leaves it to the server with undefined. */
export type Lie = (request: IncomingMessage, response: ServerResponse) => true | undefined;

export interface ControlPlane {
  readonly address: string;
  readonly token: string;
  readonly controlKey: string;
  readonly devices: Map<string, KnownDevice>;
  /** The only device. */
  readonly device: () => KnownDevice;
  /** Signs and offers an assignment; whoever waits for it gets it. */
  readonly assign: (change?: Partial<Assignment>) => SignedAssignment;
  readonly requests: string[];
  lie: Lie | undefined;
  nextCheckInSeconds: number;
  /** Added to the clock in the header `date` and in the check of signatures, in milliseconds. */
  clockAheadMs: number;
  /** Resolves once the condition holds; it is looked at after each request. */
  readonly until: (condition: () => boolean) => Promise<void>;
  readonly close: () => Promise<void>;
}

const holdMs = 2000;

export async function startControlPlane(): Promise<ControlPlane> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const raw = publicKey.export({ format: "der", type: "spki" }).subarray(-32);
  const digest = createHash("sha256").update(raw).digest("hex");
  const devices = new Map<string, KnownDevice>();
  const held = new Set<() => void>();
  const waiting = new Set<() => void>();
  const nonces = new Set<string>();
  const server = createServer((request, response) => {
    void answer(request, response).finally(() => {
      for (const look of [...waiting]) look();
    });
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    plane.requests.push(`${request.method} ${request.url}`);
    const nowMs = Date.now() + plane.clockAheadMs;
    response.sendDate = false;
    response.setHeader("date", new Date(nowMs).toUTCString());
    if (plane.lie?.(request, response)) return;
    const body = await bodyOf(request);
    const say = (status: number, value: object): void => {
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(value));
    };
    if (request.url === "/v1/enrol") return say(...enrol(body));
    const device = deviceOf(request, body, nowMs);
    if (device === undefined) {
      return say(401, { code: "signature-invalid", detail: "no", next: "n" });
    }
    if (request.url === "/v1/device/check-in") {
      const told = JSON.parse(body) as CheckIn;
      take(device, told);
      const offered = device.assignment;
      return say(200, {
        serial: device.serial,
        eventSerial: device.eventSerial,
        nextCheckInSeconds: plane.nextCheckInSeconds,
        ...(offered && offered.serial > told.assignmentSerial && { assignment: offered.signed }),
      });
    }
    const after = Number(new URL(request.url ?? "", plane.address).searchParams.get("after"));
    const newer = () => (device.assignment?.serial ?? 0) > after;
    if (!newer()) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, holdMs);
        const end = (): void => {
          clearTimeout(timer);
          resolve();
        };
        held.add(end);
        response.once("close", end);
      });
    }
    say(200, newer() ? { assignment: device.assignment?.signed } : {});
  };
  const enrol = (body: string): [number, object] => {
    const { token, publicKey: key } = JSON.parse(body) as Record<string, string>;
    if (token !== plane.token || key === undefined) {
      return [401, { code: "token-invalid", detail: "unknown token", next: "n" }];
    }
    const known = [...devices].find(([, device]) => device.publicKey === key);
    const deviceId = known?.[0] ?? crypto.randomUUID();
    if (!known) devices.set(deviceId, newDevice(key));
    return [200, { deviceId, controlKey: plane.controlKey, channelUrl: "/channel" }];
  };
  const deviceOf = (request: IncomingMessage, body: string, nowMs: number) => {
    const [path = "", query = ""] = (request.url ?? "").split("?", 2);
    const header = (name: string): string | undefined => request.headers[name]?.toString();
    const claim = readClaim(
      {
        method: request.method ?? "",
        path,
        query: `?${query}`,
        ...(body !== "" && { bodyDigest: createHash("sha256").update(body).digest("base64") }),
      },
      {
        signatureInput: header("signature-input"),
        signature: header("signature"),
        contentDigest: header("content-digest"),
      },
    );
    const device = devices.get(claim?.keyId ?? "");
    if (claim === undefined || device === undefined || nonces.has(claim.nonce)) return undefined;
    if (Math.abs(nowMs / 1000 - claim.created) > 300) return undefined;
    const der = Buffer.concat([
      Buffer.from("302a300506032b6570032100", "hex"),
      Buffer.from(device.publicKey, "base64url"),
    ]);
    const key = createPublicKey({ key: der, format: "der", type: "spki" });
    const signature = Buffer.from(claim.signature, "base64");
    if (!verify(null, Buffer.from(claim.base), key, signature)) return undefined;
    nonces.add(claim.nonce);
    return device;
  };
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  const device = (): KnownDevice => {
    const [only] = devices.values();
    if (only === undefined) throw new Error("no device has enrolled");
    return only;
  };
  const plane: ControlPlane = {
    address: `http://127.0.0.1:${port}`,
    token: `suture1.${"s".repeat(24)}.${digest}`,
    controlKey: raw.toString("base64url"),
    devices,
    device,
    requests: [],
    lie: undefined,
    nextCheckInSeconds: 3600,
    clockAheadMs: 0,
    assign(change = {}) {
      const [[deviceId, only] = []] = devices;
      if (deviceId === undefined || only === undefined) throw new Error("no device");
      const serial = change.serial ?? (only.assignment?.serial ?? 0) + 1;
      const assignment: Assignment = {
        format: 1,
        deviceId,
        serial,
        issuedAt: new Date().toISOString(),
        expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
        paused: false,
        apply: [],
        revert: [],
        policy: POLICY_DEFAULT,
        ...change,
      };
      const document = canonicalJson(assignment);
      const signature = sign(null, Buffer.from(document), privateKey).toString("base64url");
      only.assignment = { serial, signed: { document, signature } };
      for (const answerNow of [...held]) answerNow();
      held.clear();
      return only.assignment.signed;
    },
    until: (condition) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (!condition()) return;
          waiting.delete(look);
          resolve();
        };
        waiting.add(look);
        look();
      }),
    close: async () => {
      for (const answerNow of [...held]) answerNow();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return plane;
}

const newDevice = (publicKey: string): KnownDevice => ({
  publicKey,
  serial: 0,
  eventSerial: 0,
  events: [],
  progress: new Map(),
  checkIns: [],
  assignmentInForce: 0,
});

/** As the contract says; each event is counted as often as it is taken. */
function take(device: KnownDevice, told: CheckIn): void {
  device.checkIns.push(told);
  device.assignmentInForce = told.assignmentSerial;
  for (const event of told.events) {
    if (event.serial <= device.eventSerial) continue;
    device.events.push(event);
    device.eventSerial = event.serial;
  }
  for (const progress of told.progress) device.progress.set(progress.target, progress);
  if (told.facts !== undefined) {
    device.facts = told.facts;
    device.serial = told.serial;
  } else if (told.since === device.serial && device.facts !== undefined) {
    const gone = (c: { buildId: string; file: string }) =>
      told.components?.some((other) => other.buildId === c.buildId && other.file === c.file);
    const components = [
      ...device.facts.components.filter((component) => !gone(component)),
      ...(told.components ?? []).filter(({ processes }) => processes > 0),
    ];
    device.facts = { ...device.facts, components };
    device.serial = told.serial;
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString("utf8");
}
