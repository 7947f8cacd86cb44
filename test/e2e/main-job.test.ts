import { spawnSync } from "node:child_process";
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

test("the main job shows everything on a small server of our own", { timeout: 300_000 }, () => {
  const { status, said } = play("--victim");
  expect(said).toContain("claims were true");
  expect(status).toBe(0);
});

test.skipIf(!hasArchive)(
  "the main job shows everything on redis [needs the Debian archive]",
  { timeout: 1_600_000 },
  () => {
    const { status, said } = play();
    expect(said).toMatch(/redis-server .*: process \d+/);
    expect(said).toContain("claims were true");
    expect(status).toBe(0);
  },
);
