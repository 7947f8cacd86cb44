import { createPublicKey, verify } from "node:crypto";
import { type Assignment, Role } from "@suture/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestApp, type TestApp } from "./app-fixture.ts";
import { openPGliteStore } from "./store/store.ts";

let server: TestApp;
beforeAll(async () => {
  server = await openTestApp(await openPGliteStore());
});
afterAll(async () => {
  await server.app.close();
  await server.store.close();
});

describe("people", () => {
  test("sign in, ask who they are, and sign out", async () => {
    const viewer = await server.person([Role.viewer], "vera");
    expect(await viewer("me")).toMatchObject({ login: "vera", permissions: ["read-fleet"] });
    await viewer("signOut");
    await expect(viewer("me")).rejects.toThrow("not-signed-in");
  });

  test("a wrong password and a login that nobody has are one answer", async () => {
    await server.person([Role.viewer], "walter");
    const wrong = { password: "not the password" };
    for (const login of ["walter", "nobody-at-all"]) {
      const response = await server.ask("signIn", { body: { login, ...wrong } });
      expect(response.statusCode).toBe(401);
      expect(response.json()).toMatchObject({ code: "wrong-password" });
    }
  });

  test("a page of another site is refused", async () => {
    const headers = { origin: "https://evil.example" };
    const body = { login: "walter", password: "x" };
    const response = await server.ask("signIn", { body }, headers);
    expect(response.json()).toMatchObject({ code: "wrong-origin" });
  });
});

describe("devices", () => {
  test("enrol, check in, and get a signed assignment", async () => {
    const device = await server.enrol({ hostname: "db-1", tags: ["production"] });
    const answer = await device.tell({ readiness: "ready" });
    expect(answer).toMatchObject({ serial: 1, eventSerial: 0 });
    const { document = "", signature = "" } = answer.assignment ?? {};
    const assignment = JSON.parse(document) as Assignment;
    expect(assignment).toMatchObject({ deviceId: device.id, serial: 1, paused: false });
    const viewer = await server.person([Role.viewer]);
    expect(await viewer("device", { params: { id: device.id } })).toMatchObject({
      hostname: "db-1",
      tags: ["production"],
      readiness: "ready",
      connected: true,
    });
    const key = createPublicKey({
      key: { kty: "OKP", crv: "Ed25519", x: device.controlKey },
      format: "jwk",
    });
    const bytes = Buffer.from(signature, "base64url");
    expect(verify(null, Buffer.from(document), key, bytes)).toBe(true);
  });

  test("changes only: facts are merged, and asked for where they do not fit", async () => {
    const device = await server.enrol();
    const component = {
      file: "/usr/bin/redis-server",
      buildId: "0011223344556677",
      processes: 1,
      outdatedProcesses: 0,
      hotpatchedProcesses: 0,
    };
    await device.tell({ components: [component] });
    const rest = { progress: [], events: [], assignmentSerial: 1 };
    const next = { ...rest, serial: 2, since: 1, components: [{ ...component, processes: 3 }] };
    expect(await device.call("checkIn", { body: next })).toMatchObject({ serial: 2 });
    const lost = { ...rest, serial: 9, since: 8 };
    expect(await device.call("checkIn", { body: lost })).toMatchObject({ serial: 2 });
    const viewer = await server.person([Role.viewer]);
    const { components } = await viewer("device", { params: { id: device.id } });
    expect(components).toMatchObject([{ processes: 3 }]);
  });

  test("a token is good for as many devices as it says", async () => {
    const admin = await server.person([Role.admin]);
    const draft = { name: "one", tags: [], validHours: 1, usesMax: 1 };
    const { token } = await admin("createEnrolmentToken", { body: draft });
    const keys = ["A".repeat(42).concat("A"), "B".repeat(42).concat("A")];
    const answers = await Promise.all(
      keys.map((publicKey) => server.ask("enrol", { body: { token, publicKey, hostname: "a" } })),
    );
    expect(answers.map(({ statusCode }) => statusCode).sort()).toEqual([200, 401]);
  });

  test("a device that was removed is refused", async () => {
    const device = await server.enrol();
    await device.tell({});
    const admin = await server.person([Role.admin]);
    await admin("removeDevice", { params: { id: device.id } });
    await expect(device.tell({})).rejects.toThrow("signature-invalid");
  });
});
