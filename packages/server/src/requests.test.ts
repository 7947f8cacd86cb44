/** Requests that are not as they should be: what the server makes of them. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { GATES_DEFAULT, type Problem, Role } from "@suture/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestApp, signedHeaders, type TestApp } from "./app-fixture.ts";
import { catalogOf, hotpatchTarget, updateOfSequence } from "./channel-fixture.ts";
import { openPGliteStore } from "./store/store.ts";

let server: TestApp;
beforeAll(async () => {
  server = await openTestApp(await openPGliteStore(), {
    readChannel: async () => catalogOf([updateOfSequence(0), updateOfSequence(1)]),
  });
});
afterAll(async () => {
  await server.app.close();
  await server.store.close();
});

const checkIn = { serial: 1, since: 0, progress: [], events: [], assignmentSerial: 0 };

describe("a device's signature", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const pem = privateKey.export({ format: "pem", type: "pkcs8" });
  const url = "/v1/device/check-in";
  let id = "";

  beforeAll(async () => {
    const admin = await server.person([Role.admin]);
    const draft = { name: "a", tags: [], validHours: 1, usesMax: 1 };
    const { token } = await admin("createEnrolmentToken", { body: draft });
    const { x = "" } = publicKey.export({ format: "jwk" });
    const body = { token, publicKey: x, hostname: "mallory" };
    const response = await server.ask("enrol", { body });
    id = (response.json() as { deviceId: string }).deviceId;
  });

  const headersFor = (change: Partial<Parameters<typeof signedHeaders>[0]> = {}) =>
    signedHeaders({
      method: "POST",
      url,
      body: JSON.stringify(checkIn),
      keyId: id,
      created: server.clock.now().getTime() / 1000,
      pem,
      ...change,
    });
  const codeOf = async (headers: Record<string, string>, body = JSON.stringify(checkIn)) => {
    const all = { "content-type": "application/json", ...headers };
    const response = await server.app.inject({ method: "POST", url, headers: all, payload: body });
    return (response.json() as Partial<Problem>).code ?? response.statusCode;
  };

  test("is accepted once", async () => {
    const headers = headersFor();
    expect(await codeOf(headers)).toBe(200);
    expect(await codeOf(headers)).toBe("signature-invalid");
  });

  test("is accepted once of many sent at the same time", async () => {
    const headers = headersFor();
    const codes = await Promise.all(Array.from({ length: 5 }, async () => await codeOf(headers)));
    expect(codes.filter((code) => code === 200)).toHaveLength(1);
  });

  const other = generateKeyPairSync("ed25519").privateKey;
  test.each<[string, () => Record<string, string>]>([
    ["of another key", () => headersFor({ pem: other.export({ format: "pem", type: "pkcs8" }) })],
    ["of another device", () => headersFor({ keyId: "00000000-0000-4000-8000-000000000000" })],
    ["of another path", () => headersFor({ url: "/v1/device/assignment" })],
    ["of another body", () => headersFor({ body: JSON.stringify({ ...checkIn, serial: 2 }) })],
    ["without a body", () => headersFor({ body: undefined })],
    [
      "of six minutes ago",
      () => headersFor({ created: server.clock.now().getTime() / 1000 - 360 }),
    ],
    [
      "of six minutes from now",
      () => headersFor({ created: server.clock.now().getTime() / 1000 + 360 }),
    ],
    ["missing", () => ({})],
  ])("%s is refused", async (_, headers) => {
    expect(await codeOf(headers())).toBe("signature-invalid");
  });

  test("is asked for before the body is looked at", async () => {
    expect(await codeOf({}, JSON.stringify({ nonsense: true }))).toBe("signature-invalid");
    const body = JSON.stringify({ ...checkIn, nonsense: true });
    expect(await codeOf(headersFor({ body }), body)).toBe("bad-request");
  });

  test("of a session is none: a person is no device", async () => {
    const { cookie } = await server.person([Role.admin]);
    expect(await codeOf({ cookie })).toBe("signature-invalid");
  });
});

describe("a body", () => {
  const post = async (payload: string, headers: Record<string, string> = {}) => {
    const all = { "content-type": "application/json", ...headers };
    const request = { method: "POST", url: "/v1/session", headers: all, payload } as const;
    return (await server.app.inject(request)).json() as Problem;
  };

  test.each<[string, string, string, Record<string, string>?]>([
    ["that is no JSON", "{", "bad-request"],
    ["that lacks a field", '{"login":"abc"}', "bad-request"],
    ["with a field too many", '{"login":"abc","password":"x","role":"admin"}', "bad-request"],
    [
      "that would reach the prototype",
      '{"login":"abc","password":"x","__proto__":{}}',
      "bad-request",
    ],
    ["that is too long", JSON.stringify({ login: "x".repeat(1_100_000) }), "too-large"],
    ["of another type", "login=abc", "bad-request", { "content-type": "text/plain" }],
    ["with a NUL", '{"login":"abc","password":"x\\u0000"}', "bad-request"],
    ["with half a character", '{"login":"abc","password":"\\uD83D"}', "bad-request"],
    ["with a whole one", '{"login":"abc","password":"\\uD83D\\uDE00"}', "wrong-password"],
  ])("%s", async (_, payload, code, headers) => {
    const problem = await post(payload, headers);
    expect(problem).toMatchObject({ code, requestId: expect.stringMatching(/^[\w-]{12}$/) });
    expect(problem.next).not.toBe("");
  });
});

describe("cursors", () => {
  test.each([
    ["x"],
    [Buffer.from("[1,2]").toString("base64url")],
    [Buffer.from('["a","not an id"]').toString("base64url")],
    [Buffer.from('["a\\u0000","00000000-0000-4000-8000-000000000000"]').toString("base64url")],
  ])("%s is not one of ours", async (cursor) => {
    const viewer = await server.person([Role.viewer]);
    for (const name of ["devices", "audit", "alerts", "rollouts"] as const) {
      const request = { query: { cursor } };
      const caller = name === "audit" ? await server.person([Role.auditor]) : viewer;
      await expect(caller(name, request), name).rejects.toThrow("bad-request");
    }
  });

  test("lead through all pages, once over each device", async () => {
    const hostnames = Array.from({ length: 7 }, (_, at) => `page-${at % 3}`);
    for (const hostname of hostnames) await server.enrol({ hostname });
    const viewer = await server.person([Role.viewer]);
    for (const sort of ["hostname", "last-seen", "compliance"] as const) {
      const seen: string[] = [];
      let cursor: string | undefined;
      do {
        const query = { search: "page-", limit: 2, sort, ...(cursor && { cursor }) };
        const page = await viewer("devices", { query });
        expect(page.total).toBe(7);
        seen.push(...page.items.map(({ id }) => id));
        cursor = page.next;
      } while (cursor !== undefined);
      expect(new Set(seen).size).toBe(7);
      expect(seen).toHaveLength(7);
    }
  });
});

describe("sign-in", () => {
  test("waits after ten failures", async () => {
    const body = { login: "guessed", password: "x" };
    for (let count = 0; count < 10; count += 1) {
      const response = await server.ask("signIn", { body });
      expect(response.statusCode).toBe(401);
    }
    const response = await server.ask("signIn", { body });
    expect(response.json()).toMatchObject({ code: "too-many-requests" });
    expect(Number(response.headers["retry-after"])).toBeGreaterThan(0);
    server.clock.forward(5 * 60_000);
    expect((await server.ask("signIn", { body })).statusCode).toBe(401);
  });

  test("of a disabled account fails, and its session ends", async () => {
    const leaver = await server.person([Role.viewer], "leaver");
    const admin = await server.person([Role.admin]);
    const accounts = await admin("accounts");
    const id = accounts.find(({ login }) => login === "leaver")?.id ?? "";
    await admin("changeAccount", { params: { id }, body: { disabled: true } });
    await expect(leaver("me")).rejects.toThrow("not-signed-in");
    await expect(server.person([Role.viewer], "leaver").then((call) => call("me"))).rejects.toThrow(
      "not-signed-in",
    );
  });

  test("ends after twelve hours without a request", async () => {
    const viewer = await server.person([Role.viewer], "sleeper");
    server.clock.forward(11 * 3_600_000);
    await viewer("me");
    server.clock.forward(11 * 3_600_000);
    await viewer("me");
    server.clock.forward(12 * 3_600_001);
    await expect(viewer("me")).rejects.toThrow("not-signed-in");
  });
});

describe("accounts", () => {
  test("author is never approver, and one admin stays", async () => {
    const admin = await server.person([Role.admin]);
    const draft = { login: "both", name: "Both", password: "a long password" };
    const roles = [Role.author, Role.approver];
    await expect(admin("createAccount", { body: { ...draft, roles } })).rejects.toThrow("conflict");
    const token = { name: "both", roles, validDays: 1 };
    await expect(admin("createApiToken", { body: token })).rejects.toThrow("conflict");
    const accounts = await admin("accounts");
    for (const account of accounts.filter(({ roles: had }) => had.includes(Role.admin))) {
      const request = { params: { id: account.id }, body: { roles: [Role.viewer] } };
      await expect(admin("changeAccount", request)).rejects.toThrow("no admin would be left");
    }
  });

  test("passwords and secrets are in no answer and in no record", async () => {
    const admin = await server.person([Role.admin]);
    const body = {
      login: "secret",
      name: "S",
      roles: [Role.viewer],
      password: "my secret password",
    };
    await admin("createAccount", { body });
    const { token } = await admin("createApiToken", {
      body: { name: "secret", roles: [Role.viewer], validDays: 1 },
    });
    const texts = [await admin("accounts"), await admin("apiTokens"), await admin("audit")];
    expect(JSON.stringify(texts)).not.toContain("my secret password");
    expect(JSON.stringify(texts)).not.toContain(token);
  });
});

describe("rollouts", () => {
  const draft = {
    name: "r",
    target: hotpatchTarget(1),
    ringIds: [],
    groupIds: [],
    gates: GATES_DEFAULT,
  };

  test("break-glass asks for the permission to expedite", async () => {
    const author = await server.person([Role.author]);
    await author("refreshCatalog");
    const expedite = { reason: "it is exploited" };
    const body = { ...draft, expedite };
    await expect(author("createRollout", { body })).rejects.toThrow("not-permitted");
    const both = await server.person([Role.author, Role.operator]);
    expect(await both("createRollout", { body })).toMatchObject({ expedited: true });
  });

  test("an update, ring or group that is not there is named", async () => {
    const author = await server.person([Role.author]);
    const nowhere = "00000000-0000-4000-8000-000000000000";
    for (const change of [
      { target: hotpatchTarget(9) },
      { ringIds: [nowhere] },
      { groupIds: [nowhere] },
    ]) {
      const request = { body: { ...draft, ...change } };
      await expect(author("createRollout", request)).rejects.toThrow(/not-found|conflict/);
    }
  });
});

test("a NUL in the URL is refused", async () => {
  const viewer = await server.person([Role.viewer]);
  await expect(viewer("devices", { query: { search: "\0" } })).rejects.toThrow("bad-request");
});

describe("a device that lies", () => {
  test("fills nothing with targets that nobody knows, nor with events", async () => {
    const device = await server.enrol({ hostname: "liar" });
    const at = server.clock.now().toISOString();
    const progress = [{ target: hotpatchTarget(77), state: "applied" as const, at }];
    const event = { at, kind: "started" as const, detail: "again" };
    for (const from of [0, 2000, 4000]) {
      const serials = Array.from({ length: 100 }, (_, index) => from + index + 1);
      const events = serials.map((serial) => ({ ...event, serial }));
      await device.tell({}, { progress, events });
    }
    const viewer = await server.person([Role.viewer]);
    const params = { id: device.id };
    expect((await viewer("device", { params })).progress).toEqual([]);
    expect((await viewer("deviceEvents", { params })).total).toBeLessThanOrEqual(200);
  });
});

test("pages hear which lists changed", async () => {
  const address = await server.app.listen({ host: "127.0.0.1", port: 0 });
  const { cookie } = await server.person([Role.viewer]);
  const controller = new AbortController();
  const response = await fetch(`${address}/v1/changes`, {
    headers: { cookie },
    signal: controller.signal,
  });
  expect(response.headers.get("content-type")).toBe("text/event-stream");
  expect(response.headers.get("content-security-policy")).toContain("default-src 'self'");
  const author = await server.person([Role.author]);
  const name = `group ${randomBytes(4).toString("hex")}`;
  await author("createGroup", { body: { name, deviceIds: [] } });
  let text = "";
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk).toString("utf8");
    if (text.includes("groups")) break;
  }
  expect(text).toContain("event: change");
  controller.abort();
});
