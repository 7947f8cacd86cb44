/** A server of its own for a test, with people and devices that ask it. */
import { createHash, createPrivateKey, generateKeyPairSync, randomBytes, sign } from "node:crypto";
import { TypeBoxValidatorCompiler } from "@fastify/type-provider-typebox";
import {
  type Answer,
  type DeviceFacts,
  type Request,
  ROUTES,
  Role,
  type Route,
  type RouteName,
  routePath,
  signRequest,
} from "@suture/contract";
import type { FastifyInstance, LightMyRequestResponse } from "fastify";
import { createApp } from "./app.ts";
import { controlKeyOf } from "./control-key.ts";
import type { Parts } from "./parts.ts";
import { hashPassword } from "./secrets.ts";
import type { Store } from "./store/store.ts";

export const PASSWORD = "correct horse battery";
const CONTROL_KEY = controlKeyOf(new Uint8Array(32).fill(7));
/** Of little cost, for tests sign in often. */
const passwordHash = hashPassword(PASSWORD, (length) => new Uint8Array(length), {
  N: 16,
  r: 1,
  p: 1,
});

export interface Clock {
  readonly now: () => Date;
  readonly forward: (ms: number) => void;
}

export function clockAt(start: string): Clock {
  let ms = Date.parse(start);
  return {
    now: () => new Date(ms),
    forward: (by) => {
      ms += by;
    },
  };
}

export interface TestApp {
  readonly app: FastifyInstance;
  readonly clock: Clock;
  readonly store: Store;
  /** What the server otherwise does by itself: everything that is due. */
  readonly tick: () => Promise<void>;
  /** Asks a route, with headers; nothing is checked. */
  readonly ask: Ask;
  /** A person with these roles, signed in: asks routes and gives what they answer. */
  readonly person: (roles: readonly Role[], login?: string) => Promise<Caller>;
  readonly enrol: (options?: EnrolOptions) => Promise<TestDevice>;
}

export type Ask = <Name extends RouteName>(
  name: Name,
  request?: Request<Name>,
  headers?: Readonly<Record<string, string>>,
) => Promise<LightMyRequestResponse>;

/** Calls a route by name; a status other than 2xx throws with the problem's code. */
export type Caller = (<Name extends RouteName>(
  name: Name,
  request?: Request<Name>,
) => Promise<Answer<Name>>) & { readonly cookie: string };

export interface EnrolOptions {
  readonly hostname?: string;
  readonly ringId?: string;
  readonly tags?: string[];
}

export interface TestDevice {
  readonly id: string;
  readonly hostname: string;
  /** What the server said signs assignments: raw, base64url. */
  readonly controlKey: string;
  readonly ask: Ask;
  readonly call: Caller;
  /** All facts, as a first check-in tells them. */
  readonly tell: (
    facts: Partial<DeviceFacts>,
    more?: Partial<NonNullable<Request<"checkIn">["body"]>>,
  ) => Promise<Answer<"checkIn">>;
}

export async function openTestApp(store: Store, parts: Partial<Parts> = {}): Promise<TestApp> {
  const clock = clockAt("2026-11-22T10:00:00.000Z");
  const app = await createApp({
    store,
    now: clock.now,
    random: (length) => new Uint8Array(randomBytes(length)),
    controlKey: CONTROL_KEY,
    version: "0.0.0",
    channelUrl: "/channel/",
    tickMs: 0,
    // Faults of the server show in the output of the test.
    logger: { level: "error" },
    ...parts,
  });
  await app.ready();
  const ask = askerOf(app, () => ({}));
  const person = async (roles: readonly Role[], login = roles.join(".")): Promise<Caller> => {
    await store.database
      .insertInto("accounts")
      .values({
        id: crypto.randomUUID(),
        login,
        name: login,
        roles: [...roles],
        password_hash: await passwordHash,
        created_at: clock.now(),
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    const response = await ask("signIn", { body: { login, password: PASSWORD } });
    const cookie = String(response.headers["set-cookie"]).split(";")[0] ?? "";
    return Object.assign(callerOf(askerOf(app, () => ({ cookie }))), { cookie });
  };
  const enrol = async (options: EnrolOptions = {}): Promise<TestDevice> => {
    const { hostname = `host-${randomBytes(4).toString("hex")}`, ringId, tags = [] } = options;
    const admin = await person([Role.admin]);
    const body = { name: "test", tags, validHours: 1, usesMax: 1, ...(ringId && { ringId }) };
    const { token } = await admin("createEnrolmentToken", { body });
    return await enrolWith({ app, clock, ask }, { token, hostname });
  };
  const tick = async (): Promise<void> => await app.tick();
  return { app, clock, store, tick, ask, person, enrol };
}

async function enrolWith(
  { app, clock, ask }: Pick<TestApp, "app" | "clock" | "ask">,
  { token, hostname }: { readonly token: string; readonly hostname: string },
): Promise<TestDevice> {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const { x = "" } = publicKey.export({ format: "jwk" });
  const response = await ask("enrol", { body: { token, publicKey: x, hostname } });
  const { deviceId: id, controlKey } = answerOf(response) as Answer<"enrol">;
  const pem = privateKey.export({ format: "pem", type: "pkcs8" });
  const asDevice = askerOf(app, (method, url, body) =>
    signedHeaders({ method, url, body, keyId: id, created: clock.now().getTime() / 1000, pem }),
  );
  const call = Object.assign(callerOf(asDevice), { cookie: "" });
  let serial = 0;
  return {
    id,
    hostname,
    controlKey,
    ask: asDevice,
    call,
    tell: async (facts, more = {}) => {
      serial += 1;
      const body = {
        serial,
        since: 0,
        facts: { ...FACTS, hostname, ...facts },
        progress: [],
        events: [],
        assignmentSerial: 0,
        ...more,
      };
      return await call("checkIn", { body });
    },
  };
}

export const FACTS: DeviceFacts = {
  hostname: "host",
  system: "Debian GNU/Linux 12 (bookworm)",
  kernel: "6.1.0",
  processor: "x86-64",
  agentVersion: "0.1.0",
  readiness: "ready",
  findings: [],
  components: [],
};

interface ToSign {
  readonly method: string;
  readonly url: string;
  readonly body: string | undefined;
  readonly keyId: string;
  readonly created: number;
  readonly pem: string | Buffer;
}

/** Headers of a device's request. */
export function signedHeaders(request: ToSign): Record<string, string> {
  const { method, url, body, keyId, created, pem } = request;
  const [path = "", query] = url.split("?", 2);
  const key = createPrivateKey(pem);
  const bodyDigest = body && createHash("sha256").update(body).digest("base64");
  const headers = signRequest(
    { method, path, query: `?${query ?? ""}`, ...(bodyDigest && { bodyDigest }) },
    { created: Math.floor(created), nonce: randomBytes(16).toString("base64url"), keyId },
    (base) => sign(null, Buffer.from(base), key).toString("base64"),
  );
  return { ...headers };
}

type HeadersOf = (
  method: string,
  url: string,
  body: string | undefined,
) => Readonly<Record<string, string>>;

function askerOf(app: FastifyInstance, headersOf: HeadersOf): Ask {
  return async (name, request = {}, headers = {}) => {
    const route: Route = ROUTES[name];
    const { params, query, body } = request as Record<string, Record<string, unknown>>;
    const url = routePath(route.path, params, query);
    const payload = body === undefined ? undefined : JSON.stringify(body);
    return await app.inject({
      method: route.method,
      url,
      headers: {
        ...(payload !== undefined && { "content-type": "application/json" }),
        ...headersOf(route.method, url, payload),
        ...headers,
      },
      ...(payload !== undefined && { payload }),
    });
  };
}

function callerOf(ask: Ask) {
  return async <Name extends RouteName>(
    name: Name,
    request?: Request<Name>,
  ): Promise<Answer<Name>> => {
    const answer = answerOf(await ask(name, request));
    checkAnswer(name, answer);
    return answer as Answer<Name>;
  };
}

const checks = new Map<RouteName, (value: unknown) => unknown>();

/** Whether the server keeps to the contract in what it answers. */
function checkAnswer(name: RouteName, answer: unknown): void {
  const { answer: schema }: Route = ROUTES[name];
  if (schema === undefined) return;
  const check = checks.get(name) ?? TypeBoxValidatorCompiler({ schema, httpPart: "body" } as never);
  checks.set(name, check as (value: unknown) => unknown);
  const result = check(answer as never) as { readonly error?: unknown };
  if (result.error !== undefined) {
    throw new Error(`the answer of ${name} is not as the contract says: ${JSON.stringify(result)}`);
  }
}

function answerOf(response: LightMyRequestResponse): unknown {
  if (response.statusCode >= 300) {
    const { code, detail } = response.json() as { code: string; detail: string };
    throw new Error(`${code}: ${detail}`);
  }
  return response.body === "" ? undefined : response.json();
}
