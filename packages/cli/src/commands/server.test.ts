/** The command as people start it: a process of its own, ended as processes end. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { createClient } from "@suture/contract";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
let folder: string;
const children: ChildProcess[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "suture-command-"));
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Started {
  readonly child: ChildProcess;
  readonly lines: readonly string[];
  readonly exit: Promise<number | null>;
}

/** Starts it and waits for a line that fits, or for its end. */
async function start(words: readonly string[], awaited: RegExp): Promise<Started> {
  const child = spawn(process.execPath, [main, "server", ...words], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.push(child);
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stderr as NodeJS.ReadableStream })) {
    lines.push(line);
    if (awaited.test(line)) break;
  }
  child.stderr?.resume();
  return { child, lines, exit };
}

const data = () => ["--data", join(folder, "data"), "--port", "0"];
const urlOf = ({ lines }: Started): string =>
  /listening at (http:\S+)/.exec(lines.join("\n"))?.[1] ?? "";

test("what was changed is there after the server was killed", async () => {
  const first = await start([...data(), "--demo-accounts"], /demo accounts/);
  const password = /first account: admin, password: (\S+)/.exec(first.lines.join("\n"))?.[1] ?? "";
  expect(password).toHaveLength(24);
  expect(statSync(join(folder, "data", "control.key")).mode & 0o777).toBe(0o600);
  const url = urlOf(first);
  const cookie = await signIn(url, { login: "admin", password });
  const admin = createClient({ server: url, headers: { cookie }, fetch });
  const { id } = await admin("createEnrolmentToken", {
    body: { name: "kept", tags: [], validHours: 1, usesMax: 1 },
  });
  first.child.kill("SIGKILL");
  await first.exit;

  const again = await start(data(), /listening at/);
  expect(again.lines.join("\n")).not.toContain("first account");
  const after = createClient({ server: urlOf(again), headers: { cookie }, fetch });
  expect(await after("enrolmentTokens")).toMatchObject([{ id, name: "kept" }]);
  again.child.kill("SIGTERM");
  expect(await again.exit).toBe(0);
});

async function signIn(url: string, body: object): Promise<string> {
  const response = await fetch(`${url}/v1/session`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return (response.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}

test.each<[string, readonly string[], RegExp]>([
  ["without a folder", [], /--data DIR is missing/],
  [
    "with accounts of known passwords for everybody",
    ["--host", "0.0.0.0", "--demo-accounts"],
    /127\.0\.0\.1/,
  ],
  ["with half a certificate", ["--tls-key", "/nowhere"], /belong together/],
  [
    "with a channel elsewhere and no root",
    ["--channel", "https://x.example"],
    /--root FILE is missing/,
  ],
])("%s it does not start", async (_, words, message) => {
  const common = words.length > 0 ? data() : [];
  const { exit, lines } = await start([...common, ...words], message);
  expect(lines.join("\n")).toMatch(message);
  expect(await exit).toBe(2);
});
