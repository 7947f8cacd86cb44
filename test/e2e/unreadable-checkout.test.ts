/** An agent whose code only root may read, as a checkout in root's home: its halves run all the same. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { createTestDevice } from "../../packages/agent/src/executor/executor-fixture.ts";
import { halvesOf } from "./enrolled-machine.ts";
import { until } from "./until.ts";

const canRun = process.geteuid?.() === 0;
if (!canRun) {
  if (process.env.CI) throw new Error("root is needed for an agent");
  console.warn("SKIPPED: root is needed for an agent");
}

const NOBODY = 65534;
const WAIT_MS = 60_000;
const CHECKOUT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const MAIN = "/mnt/suture/packages/cli/src/main.ts";
/** In mounts of its own: a folder for root alone, and the checkout in it. */
const HIDE = `mount -t tmpfs -o mode=700 none /mnt
mkdir /mnt/suture
mount --rbind "$0" /mnt/suture
exec "$@"`;

test.runIf(canRun)("the network half becomes its user with its code loaded", async () => {
  const device = await createTestDevice();
  chmodSync(device.root, 0o711);
  device.writePolicy();
  writeFileSync(
    device.folders.settings,
    JSON.stringify({ channel: join(device.root, "channel/public") }),
  );
  mkdirSync(join(device.root, "none"));
  const agent = spawn(
    "unshare",
    [
      ...["--mount", "sh", "-ec", HIDE, CHECKOUT, process.execPath, MAIN, "agent", "run"],
      ...["--root", device.root, "--user", `${NOBODY}:${NOBODY}`, "--start-within", "0"],
      ...["--processes", join(device.root, "none")],
    ],
    { stdio: ["ignore", "inherit", "inherit"] },
  );
  const ended = once(agent, "exit");
  try {
    const copied = join(device.folders.spool, "metadata/timestamp.json");
    await until("the channel is copied", WAIT_MS, async () => existsSync(copied) || undefined);
    const users = new Map(halvesOf(agent.pid ?? 0).map(({ half, uid }) => [half, uid]));
    expect(users).toEqual(
      new Map([
        ["executor", 0],
        ["network", NOBODY],
      ]),
    );
  } finally {
    agent.kill("SIGTERM");
    await ended;
    await device.close();
  }
});
