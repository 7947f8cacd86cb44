/** Every route as every role, as nobody, as a device: generated from the contract's table. */
import {
  type Permission,
  permissionsOf,
  ROUTES,
  Role,
  type Route,
  type RouteName,
} from "@suture/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Ask, openTestApp, type TestApp, type TestDevice } from "./app-fixture.ts";
import { openPGliteStore } from "./store/store.ts";

let server: TestApp;
let device: TestDevice;
const cookies = new Map<string, string>();

beforeAll(async () => {
  server = await openTestApp(await openPGliteStore());
  device = await server.enrol({ hostname: "device" });
  for (const role of Object.values(Role)) {
    cookies.set(role, (await server.person([role])).cookie);
  }
});
afterAll(async () => {
  await server.app.close();
  await server.store.close();
});

const NOBODY_ID = "00000000-0000-4000-8000-000000000000";

/** A request that passes the schemas of no route by chance: only access is asked here. */
async function statusOf(name: RouteName, ask: Ask, headers = {}) {
  const route: Route = ROUTES[name];
  const params = route.params && { id: NOBODY_ID };
  const body = route.body && { not: "what it takes" };
  const request = { params, body } as Parameters<Ask>[1];
  const response = await ask(name, request, headers);
  const isJson = /^application\/json(?:;|$)/.test(String(response.headers["content-type"]));
  const { code = "" } = isJson ? (response.json() as { code?: string }) : {};
  return { status: response.statusCode, code };
}

const REFUSED: readonly string[] = ["not-signed-in", "not-permitted", "signature-invalid"];
const names = Object.keys(ROUTES) as RouteName[];
/** Its answer never ends. */
const streams: readonly RouteName[] = ["changes"];

describe.each(names)("%s", (name) => {
  const { access }: Route = ROUTES[name];

  test("nobody", async () => {
    const { code } = await statusOf(name, server.ask);
    if (access.who === "anybody") expect(REFUSED).not.toContain(code);
    else expect(code).toBe(access.who === "device" ? "signature-invalid" : "not-signed-in");
  });

  test("a token that is nobody's, beside a good session", async () => {
    if (access.who === "anybody" || access.who === "device") return;
    const headers = { cookie: cookies.get(Role.admin), authorization: `Bearer ${"x".repeat(43)}` };
    expect(await statusOf(name, server.ask, headers)).toMatchObject({ code: "not-signed-in" });
  });

  test("a device", async () => {
    const { code } = await statusOf(name, device.ask);
    const isItsOwn = access.who === "device" || access.who === "anybody";
    if (isItsOwn) expect(REFUSED).not.toContain(code);
    else expect(code).toBe("not-signed-in");
  });

  test.each(Object.values(Role))("%s", async (role) => {
    const isAllowed = mayAsk(name, role);
    // Somebody who may not is told so before the body is looked at.
    if (isAllowed && streams.includes(name)) return;
    if (isAllowed && name === "signOut") return;
    const headers = { cookie: cookies.get(role) };
    const { code } = await statusOf(name, server.ask, headers);
    if (isAllowed) expect(REFUSED).not.toContain(code);
    else expect(code).toBe(access.who === "device" ? "signature-invalid" : "not-permitted");
  });
});

function mayAsk(name: RouteName, role: Role): boolean {
  const { access }: Route = ROUTES[name];
  if (access.who === "permission") return permissionsOf([role]).has(access.permission);
  return access.who !== "device";
}

test("each permission is had by some role, and by not all", () => {
  const permissions = new Set(
    Object.values<Route>(ROUTES).flatMap(({ access }): Permission[] =>
      access.who === "permission" ? [access.permission] : [],
    ),
  );
  for (const permission of permissions) {
    const roles = Object.values(Role).filter((role) => permissionsOf([role]).has(permission));
    expect(roles.length, permission).toBeGreaterThan(0);
    if (permission !== "read-fleet") expect(roles.length, permission).toBeLessThan(6);
  }
});
