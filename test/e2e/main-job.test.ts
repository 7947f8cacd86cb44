import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const JOB = fileURLToPath(new URL("./main-job.ts", import.meta.url));

function play(...flags: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [JOB, ...flags], {
    encoding: "utf8",
    timeout: 1_500_000,
  });
  return { status, said: stdout + stderr };
}

const hasArchive = /redis-server \|.*\n.*redis-server \|/.test(
  spawnSync("apt-cache", ["madison", "redis-server"], { encoding: "utf8" }).stdout ?? "",
);
const isRoot = process.geteuid?.() === 0;

test("one process is patched on a small server of our own", { timeout: 300_000 }, () => {
  const { status, said } = play("--engine-only", "--victim");
  expect(said).toContain("claims were true");
  expect(status).toBe(0);
});

test.skipIf(!isRoot)("the fleet's story on a small server of our own", { timeout: 600_000 }, () => {
  const { status, said } = play("--once", "--victim");
  expect(said).toContain("the signal was memory growth on this machine");
  expect(said).toContain("claims were true");
  expect(status).toBe(0);
});

test.skipIf(!hasArchive)(
  "the fleet's story on redis [needs the Debian archive]",
  { timeout: 1_600_000 },
  () => {
    const { status, said } = play("--once");
    expect(said).toMatch(/redis-server .*: process \d+/);
    expect(said).toContain("claims were true");
    expect(status).toBe(0);
  },
);

/** Commands of processes, and folders, that a job of this test has left. */
const leftovers = (folder: string): string[] => [
  ...readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandOf(pid))
    .filter((command) => command.includes(folder)),
  ...readdirSync(tmpdir()).filter((name) => folder.endsWith(name)),
];

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

test.skipIf(!isRoot)("Ctrl-C leaves nothing behind", { timeout: 600_000 }, async () => {
  const job = spawn(process.execPath, [JOB, "--victim"], { stdio: ["ignore", "pipe", "inherit"] });
  let said = "";
  for await (const chunk of job.stdout.setEncoding("utf8")) {
    said += String(chunk);
    // In the midst of it: server, agent and simulated devices run.
    if (said.includes("5. ")) break;
  }
  const folder = /channel: (\/\S+)\/channel;/.exec(said)?.[1] ?? "none";
  expect(leftovers(folder).length).toBeGreaterThan(3);
  const ended = new Promise((resolve) => job.once("exit", resolve));
  // From the terminal, and from npm.
  job.kill("SIGINT");
  job.kill("SIGINT");
  expect(await ended).toBe(130);
  expect(leftovers(folder)).toEqual([]);
});
