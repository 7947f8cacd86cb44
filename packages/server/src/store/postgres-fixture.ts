/**
 * A PostgreSQL of its own for tests: a cluster in a temporary folder, on a Unix socket there.
 *
 * PostgreSQL does not run as root, so a test that does runs it as the user postgres or nobody.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import pg from "pg";

const run = promisify(execFile);

export interface PostgresFixture {
  /** Of a new, empty database. */
  readonly createDatabase: () => Promise<string>;
  readonly stop: () => Promise<void>;
}

/** The folder of `initdb` and `postgres`; undefined where there is none. */
export function postgresFolder(): string | undefined {
  const root = "/usr/lib/postgresql";
  if (!existsSync(root)) return undefined;
  const newest = readdirSync(root).sort((a, b) => Number(b) - Number(a));
  return newest.map((version) => join(root, version, "bin")).find((path) => existsSync(path));
}

export async function startPostgres(binaries: string): Promise<PostgresFixture> {
  const folder = mkdtempSync(join(tmpdir(), "suture-postgres-"));
  const user = await userOf();
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  const data = join(folder, "data");
  const options = { ...user, cwd: folder };
  await run(
    join(binaries, "initdb"),
    ["-D", data, "-A", "trust", "-U", "postgres", "--no-sync", "--no-locale", "-E", "UTF8"],
    options,
  );
  const server = spawn(
    join(binaries, "postgres"),
    [
      ...["-D", data, "-k", folder, "-c", "listen_addresses="],
      ...["-c", "fsync=off", "-c", "max_connections=100"],
    ],
    { ...options, stdio: "ignore" },
  );
  const url = (database: string): string =>
    `postgresql://postgres@localhost/${database}?host=${encodeURIComponent(folder)}`;
  try {
    await untilReady(server, url("postgres"));
  } catch (error) {
    server.kill("SIGKILL");
    throw error;
  }
  let count = 0;
  return {
    async createDatabase() {
      count += 1;
      const name = `test_${count}`;
      await query(url("postgres"), `create database ${name}`);
      return url(name);
    },
    async stop() {
      const exited = new Promise((resolve) => server.once("exit", resolve));
      // Immediate shutdown: nothing of it is kept.
      server.kill("SIGQUIT");
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function userOf(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.geteuid?.() !== 0) return undefined;
  for (const name of ["postgres", "nobody"]) {
    const ids = await Promise.all(["-u", "-g"].map((option) => run("id", [option, name]))).catch(
      () => undefined,
    );
    const [uid, gid] = ids?.map(({ stdout }) => Number(stdout)) ?? [];
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  throw new Error("neither postgres nor nobody is a user of this machine");
}

async function query(url: string, text: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(text);
  } finally {
    await client.end();
  }
}

const attemptsMax = 300;
const betweenMs = 100;

/** It tells nobody when it is ready: it is asked until it answers. */
async function untilReady(server: ChildProcess, url: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await query(url, "select 1");
    } catch (error) {
      if (server.exitCode !== null || attempt >= attemptsMax) throw error;
      await new Promise((resolve) => setTimeout(resolve, betweenMs));
    }
  }
}
