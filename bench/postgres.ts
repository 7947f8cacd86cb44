/** A PostgreSQL of the measurement's own, with the settings that it comes with. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { delimiter, join } from "node:path";
import { freePort } from "../test/e2e/free-port.ts";

export interface MeasuredPostgres {
  readonly url: string;
  readonly end: () => Promise<void>;
  readonly kill: () => void;
}

const START_TIMEOUT_MS = 60_000;
const DEBIAN_FOLDER = "/usr/lib/postgresql";
/** PostgreSQL refuses to run as root; nobody owns nothing else. */
const NOBODY = { uid: 65534, gid: 65534 };

/** The folder with `initdb` and `postgres`; undefined where there is none. */
export function postgresFolder(searchPath: string): string | undefined {
  const versions = existsSync(DEBIAN_FOLDER) ? readdirSync(DEBIAN_FOLDER).sort() : [];
  const places = [
    ...versions.reverse().map((version) => join(DEBIAN_FOLDER, version, "bin")),
    ...searchPath.split(delimiter),
  ];
  return places.find((folder) => existsSync(join(folder, "initdb")));
}

/** Makes a cluster below `folder` and starts it on a free port of the loopback address. */
export async function startPostgres(bin: string, folder: string): Promise<MeasuredPostgres> {
  const user = process.geteuid?.() === 0 ? NOBODY : {};
  const data = join(folder, "postgresql");
  // Its user has to reach its own folder below.
  chmodSync(folder, 0o711);
  mkdirSync(data, { mode: 0o700 });
  if ("uid" in user) chownSync(data, NOBODY.uid, NOBODY.gid);
  const options = ["-D", data, "-U", "suture", "-A", "trust", "--no-sync"];
  execFileSync(join(bin, "initdb"), options, { ...user, cwd: data, stdio: "ignore" });
  const port = await freePort();
  const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories="];
  const child = spawn(
    join(bin, "postgres"),
    ["-D", data, "-p", `${port}`, ...settings.flatMap((setting) => ["-c", setting])],
    { ...user, cwd: data, stdio: ["ignore", "ignore", "pipe"], detached: true },
  );
  await ready(child);
  return {
    url: `postgresql://suture@127.0.0.1:${port}/postgres`,
    // Its other processes notice that it is gone, and end.
    kill: () => void child.kill("SIGKILL"),
    async end() {
      if (child.exitCode !== null) return;
      const ended = once(child, "exit");
      // Fast shutdown: connections are closed, and what was committed is written.
      child.kill("SIGINT");
      await ended;
    },
  };
}

async function ready(child: ChildProcess): Promise<void> {
  const timer = setTimeout(() => child.kill("SIGKILL"), START_TIMEOUT_MS);
  let said = "";
  try {
    for await (const chunk of child.stderr ?? []) {
      said += String(chunk);
      if (said.includes("ready to accept connections")) {
        child.stderr?.on("data", () => undefined);
        return;
      }
    }
    throw new Error(`PostgreSQL did not start:\n${said}`);
  } finally {
    clearTimeout(timer);
  }
}
