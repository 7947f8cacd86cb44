/** A machine of its own that systemd runs, over a throw-away copy of this one's file system. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { until } from "./until.ts";

export interface SystemdMachine {
  /** Runs a command in it, and gives its output. Throws with that output where it fails. */
  readonly run: (...command: readonly string[]) => Promise<string>;
  /** Where one of its files is for us; processes of this machine see it while it runs. */
  readonly path: (inside: string) => string;
  readonly end: () => Promise<void>;
}

const BOOT_TIMEOUT_MS = 30_000;
const END_TIMEOUT_MS = 10_000;
const CHECKOUT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** What is missing for one; undefined where nothing is. */
export function machineProblem(): string | undefined {
  if (process.geteuid?.() !== 0) return "it needs root";
  if (!existsSync("/lib/systemd/systemd")) return "there is no systemd (apt-get install systemd)";
  // Where namespaces may be made, and a cgroup hierarchy and an overlay mounted.
  const mounts = "mount -t cgroup2 none /mnt && mount -t tmpfs none /mnt";
  const tried = spawnSync("unshare", ["--mount", "--pid", "--fork", "sh", "-c", mounts]);
  return tried.status === 0 ? undefined : `namespaces or mounts: ${tried.stderr}`;
}

/** Boots it; `folder` is its own. The checkout that runs this is its /opt/suture. */
export async function startSystemdMachine(folder: string): Promise<SystemdMachine> {
  const place = join(folder, "machine");
  mkdirSync(place, { recursive: true });
  const cgroup = `suture-test-${process.pid}`;
  const script = fileURLToPath(new URL("systemd-machine.sh", import.meta.url));
  const words = ["--pid", "--fork", "--kill-child", "--mount", "--mount-proc"];
  const outer = spawn("unshare", [...words, "sh", "-e", script, place, CHECKOUT, cgroup], {
    stdio: ["ignore", "inherit", "inherit"],
  });
  const ended = once(outer, "exit");
  const init = () => readFileSync(`/proc/${outer.pid}/task/${outer.pid}/children`, "utf8").trim();
  const enter = async (command: readonly string[]) => {
    const words = ["-t", init(), "-p", "-m", "-r", "-w", "--", ...command];
    const child = spawn("nsenter", words, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LC_ALL: "C.UTF-8" },
    });
    const closed = once(child, "close");
    const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
    const [status] = await closed;
    return { status, stdout, stderr };
  };
  const end = async (): Promise<void> => {
    outer.kill("SIGKILL");
    await ended;
    await removeCgroups(cgroup);
  };
  try {
    await until("systemd runs", BOOT_TIMEOUT_MS, async () => {
      if (outer.exitCode !== null) throw new Error("systemd did not start");
      const { stdout } = await enter(["systemctl", "is-system-running"]);
      const state = stdout.trim();
      return state === "running" || state === "degraded" ? state : undefined;
    });
  } catch (error) {
    await end();
    throw error;
  }
  return {
    run: async (...command) => {
      const { status, stdout, stderr } = await enter(command);
      if (status !== 0) throw new Error(`${command.join(" ")}: ${status}\n${stdout}${stderr}`);
      return stdout;
    },
    path: (inside) => `/proc/${init()}/root${inside}`,
    end,
  };
}

/** The hierarchy is the machine's, whoever mounts it, and keeps what nobody removes. */
async function removeCgroups(name: string): Promise<void> {
  const find = `find "/mnt/${name}" -depth -type d -exec rmdir {} +`;
  const remove = `mount -t cgroup2 none /mnt && { [ ! -d "/mnt/${name}" ] || ${find}; }`;
  // Its last processes are still ending.
  await until("the machine's cgroups are gone", END_TIMEOUT_MS, async () => {
    const { status } = spawnSync("unshare", ["--mount", "sh", "-c", remove], { stdio: "ignore" });
    return status === 0 ? true : undefined;
  });
}
