/** For tests of `suture admin`: a server on PGlite with a port of its own, and people's tokens. */
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient, type Role } from "@suture/contract";
import type { Catalog, QualityUpdate } from "@suture/release";
import { DEMO_PASSWORD, startServer } from "@suture/server";
import { runCli } from "../cli.ts";
import { COMMANDS } from "../commands.ts";
import type { Outcome } from "../outcome.ts";
import { releaseContext } from "./release-fixture.ts";

const BUILD_ID = "aa".repeat(20);
export const TARGET = `redis/2026-10/${BUILD_ID}.1.hotpatch`;

const COMPONENT = { file: "redis-server", buildId: BUILD_ID, package: "redis", version: "7" };
const BASE = {
  format: 1,
  product: "redis",
  length: 1000,
  baseline: "2026-10",
  components: [COMPONENT],
  severity: "important",
  supersedes: [],
  leftOut: [],
  // Far ahead: a rollout waits for the deferral of its ring.
  released: "2099-11-01",
} as const;
const UPDATES: readonly QualityUpdate[] = [
  {
    ...BASE,
    target: "redis/2026-10/baseline.json",
    sha256: "00".repeat(32),
    kind: "baseline",
    id: "redis-2026-10",
    sequence: 0,
    cves: [],
    restartNeeded: true,
  },
  {
    ...BASE,
    target: TARGET,
    sha256: "11".repeat(32),
    kind: "hotpatch",
    id: "redis-2026-10-1",
    sequence: 1,
    cves: ["CVE-2026-1001"],
    restartNeeded: false,
  },
];
const CATALOG: Catalog = {
  versions: { root: 1, timestamp: 1, snapshot: 1, targets: 1 },
  expires: "2099-12-22T00:00:00Z",
  calendar: { format: 1, plannedMonths: [1, 4, 7, 10], entries: [] },
  products: [{ name: "redis" }],
  updates: UPDATES,
};

export interface AdminWorld {
  readonly folder: string;
  readonly url: string;
  /** Runs `suture admin …` with the token of a role. */
  readonly as: (role: Role, words: readonly string[]) => Promise<Outcome>;
  /** Runs a command line as it is. */
  readonly run: (words: readonly string[], env?: Record<string, string>) => Promise<Outcome>;
  readonly tokenFile: (role: Role) => string;
  /** Enrols a device with a token of `suture admin token new`; gives its id. */
  readonly enrol: (token: string, hostname: string) => Promise<string>;
  readonly close: () => Promise<void>;
}

export async function openAdminWorld(): Promise<AdminWorld> {
  const folder = await mkdtemp(join(tmpdir(), "suture-admin-"));
  const server = await startServer({
    dataFolder: join(folder, "data"),
    host: "127.0.0.1",
    port: 0,
    version: "0.0.0",
    now: () => new Date(),
    random: (length) => new Uint8Array(randomBytes(length)),
    readSecret: async () => undefined,
    writeSecret: async () => undefined,
    readChannel: async () => CATALOG,
    adminPassword: DEMO_PASSWORD,
    demoAccounts: true,
    report: (error) => process.stderr.write(`${String(error)}\n`),
    logger: { level: "error" },
  });
  const { url } = server;
  const tokenFile = (role: Role): string => join(folder, `${role}.token`);
  // A token acts as the account that made it: the approver's is another person's.
  const people = [
    { login: "admin", roles: ["viewer", "author", "operator", "admin", "auditor"] },
    { login: "demo-admin", roles: ["approver"] },
  ] as const;
  for (const { login, roles } of people) {
    const call = createClient({
      server: url,
      headers: { cookie: await signIn(url, login) },
      fetch,
    });
    for (const role of roles) {
      const body = { name: role, roles: [role], validDays: 1 };
      const { token } = await call("createApiToken", { body });
      await writeFile(tokenFile(role), `${token}\n`, { mode: 0o600 });
    }
  }
  const context = releaseContext({ now: () => new Date(), askSecret: async () => "" });
  const run: AdminWorld["run"] = (words, env = {}) => runCli(words, COMMANDS, { ...context, env });
  return {
    folder,
    url,
    tokenFile,
    run,
    as: (role, words) =>
      run(["admin", ...words], { SUTURE_SERVER: url, SUTURE_TOKEN_FILE: tokenFile(role) }),
    async enrol(token, hostname) {
      const { x: publicKey = "" } = generateKeyPairSync("ed25519").publicKey.export({
        format: "jwk",
      });
      const call = createClient({ server: url, fetch });
      return (await call("enrol", { body: { token, publicKey, hostname } })).deviceId;
    },
    async close() {
      await server.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function signIn(url: string, login: string): Promise<string> {
  const response = await fetch(`${url}/v1/session`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ login, password: DEMO_PASSWORD }),
  });
  return (response.headers.get("set-cookie") ?? "").split(";")[0] ?? "";
}
