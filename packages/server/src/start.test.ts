/** A server from its data folder: what is there after it ended, however it ended. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { get } from "node:http";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createClient } from "@suture/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningServer, type StartOptions, startServer } from "./start.ts";

let folder: string;
let running: RunningServer | undefined;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "suture-server-"));
});
afterAll(async () => {
  await running?.close();
  rmSync(folder, { recursive: true });
});

const start = async (more: Partial<StartOptions> = {}): Promise<RunningServer> =>
  await startServer({
    dataFolder: join(folder, "data"),
    host: "127.0.0.1",
    port: 0,
    version: "1.2.3",
    now: () => new Date(),
    random: (length) => crypto.getRandomValues(new Uint8Array(length)),
    readSecret: async (path) => (existsSync(path) ? readFileSync(path) : undefined),
    writeSecret: async (path, bytes) => writeFileSync(path, bytes, { mode: 0o600, flag: "wx" }),
    report: (error) => console.error(error),
    ...more,
  });

/** As it is written: fetch would resolve the dots itself. */
const rawStatus = (path: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const { hostname, port } = new URL(running?.url ?? "");
    const request = get({ hostname, port, path, agent: false }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    request.once("error", reject);
  });

test("the first start makes a key and an admin, and serves console and channel", async () => {
  const consoleFolder = join(folder, "console");
  const channelFolder = join(folder, "channel");
  for (const [path, text] of [
    [join(consoleFolder, "index.html"), "<p>console</p>"],
    [join(consoleFolder, "assets", "a-1f.js"), "1"],
    [join(channelFolder, "metadata", "timestamp.json"), "{}"],
  ] as const) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
  running = await start({ consoleFolder, channelFolder });
  expect(running.adminPassword).toMatch(/^[\w-]{24}$/);
  expect(statSync(join(folder, "data", "control.key")).mode & 0o777).toBe(0o600);
  const load = async (path: string): Promise<Response> => await fetch(`${running?.url}${path}`);

  const page = await load("/devices/some-page");
  expect(await page.text()).toBe("<p>console</p>");
  expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
  expect((await load("/assets/a-1f.js")).headers.get("cache-control")).toContain("immutable");
  expect((await load("/assets/gone.js")).status).toBe(404);
  expect(await (await load("/channel/metadata/timestamp.json")).json()).toEqual({});
  for (const dots of ["..", "%2e%2e", "..%2f..", "%252e%252e"]) {
    expect(await rawStatus(`/channel/${dots}/data/control.key`), dots).toBeGreaterThanOrEqual(400);
  }
  expect(await (await load("/v1/nothing")).json()).toMatchObject({ code: "not-found" });
  expect(await (await load("/v1/health")).json()).toEqual({
    version: "1.2.3",
    database: "pglite",
  });
});

test("a second server on the same folder is refused", async () => {
  await expect(start()).rejects.toThrow("another server uses");
});

test("a token sends no cookie, and what it made is there after the next start", async () => {
  const url = running?.url ?? "";
  const session = await fetch(`${url}/v1/session`, {
    method: "POST",
    headers: { "content-type": "application/json", origin: url },
    body: JSON.stringify({ login: "admin", password: running?.adminPassword }),
  });
  const [cookie = ""] = (session.headers.get("set-cookie") ?? "").split(";");
  expect(session.headers.get("set-cookie")).toContain("HttpOnly; SameSite=Strict");
  const admin = createClient({ server: url, headers: { cookie }, fetch });
  const draft = { name: "program", roles: ["admin" as const], validDays: 1 };
  const { token } = await admin("createApiToken", { body: draft });
  const key = readFileSync(join(folder, "data", "control.key"));
  await running?.close();

  running = await start();
  expect(running.adminPassword).toBeUndefined();
  expect(readFileSync(join(folder, "data", "control.key"))).toEqual(key);
  const headers = { authorization: `Bearer ${token}` };
  const program = createClient({ server: running.url, headers, fetch });
  expect(await program("me")).toMatchObject({ kind: "token", login: "admin", name: "program" });
  const [kept] = await program("apiTokens");
  expect(kept).toMatchObject({ name: "program" });
  expect(kept).toHaveProperty("lastUsedAt");
});
