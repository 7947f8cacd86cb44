/**
 * The unit files as they are shipped, run by systemd on a machine of its own: both halves within
 * their limits, a hotpatch in a service, a killed half, and the traditional update by apt.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { POLICY_DEFAULT, type PolicySettings } from "@suture/contract";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  createTestDevice,
  type TestDevice,
} from "../../packages/agent/src/executor/executor-fixture.ts";
import { machineProblem, type SystemdMachine, startSystemdMachine } from "./systemd-machine.ts";
import { until } from "./until.ts";

const problem = machineProblem();
if (problem !== undefined) {
  if (process.env.CI) throw new Error(problem);
  console.warn(`SKIPPED: the unit files are not run: ${problem}`);
}
const onSystemd = test.skipIf(problem !== undefined);

const WAIT_MS = 60_000;
const ALWAYS = [{ days: [0, 1, 2, 3, 4, 5, 6], begin: "00:00", end: "00:00" }];
const UNITS = fileURLToPath(new URL("../../packages/agent/src/systemd/", import.meta.url));

let device: TestDevice;
let machine: SystemdMachine;
let web: Server;
let address: string;

beforeAll(async () => {
  if (problem !== undefined) return;
  device = await createTestDevice();
  await device.addHotpatch(1, "int one(void) { return 11; }");
  await device.deliver();
  web = await serve(device.root);
  const { port } = web.address() as { port: number };
  address = `http://127.0.0.1:${port}`;
  machine = await startSystemdMachine(device.root);
  write(
    "/usr/bin/suture",
    "#!/bin/sh\nexec /opt/suture/node_modules/node/bin/node --single-threaded " +
      '/opt/suture/packages/cli/src/main.ts "$@"\n',
    0o755,
  );
  for (const unit of ["suture-agent", "suture-executor", "suture-update@"]) {
    const name = `${unit}.service`;
    write(`/lib/systemd/system/${name}`, readFileSync(join(UNITS, name), "utf8"));
  }
  await machine.run("systemd-sysusers", "/opt/suture/packages/agent/src/systemd/suture.sysusers");
  await machine.run("sh", "-c", "rm -rf /etc/apt/sources.list.d /etc/suture /var/lib/suture");
  write("/etc/apt/sources.list", `deb [trusted=yes] ${address}/archive ./\n`);
  pack("1.0", device.program);
  await machine.run("apt-get", "update");
  await machine.run("apt-get", "install", "--yes", "answers");
  await machine.run("systemctl", "daemon-reload");
  await machine.run("systemctl", "start", "answers");
  write("/etc/suture/agent.json", JSON.stringify({ channel: `${address}/channel/public` }));
  copyFileSync(device.folders.channelRoot, machine.path("/etc/suture/channel-root.json"));
  writePolicy({});
  await machine.run("systemctl", "start", "suture-executor", "suture-agent");
});
afterAll(async () => {
  await machine?.end();
  web?.close();
  await device?.close();
});

function write(inside: string, text: string, mode = 0o644): void {
  const path = machine.path(inside);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text, { mode });
}

const writePolicy = (change: Partial<PolicySettings>): void =>
  write("/etc/suture/policy.json", JSON.stringify({ ...POLICY_DEFAULT, ...change }));

async function serve(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    try {
      response.end(readFileSync(join(folder, new URL(`http://x${request.url}`).pathname)));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** A package with the program and its service, in the archive that the machine's apt asks. */
function pack(version: string, program: string): void {
  const [tree, archive] = [join(device.root, `answers-${version}`), join(device.root, "archive")];
  for (const folder of ["DEBIAN", "usr/bin", "lib/systemd/system"]) {
    mkdirSync(join(tree, folder), { recursive: true });
  }
  mkdirSync(archive, { recursive: true });
  const control = [
    ...["Package: answers", `Version: ${version}`, "Architecture: amd64"],
    ...["Maintainer: Nobody <nobody@example.org>", "Description: a test"],
  ].join("\n");
  writeFileSync(join(tree, "DEBIAN/control"), `${control}\n`);
  copyFileSync(program, join(tree, "usr/bin/answers"));
  writeFileSync(
    join(tree, "lib/systemd/system/answers.service"),
    "[Service]\nExecStartPre=/bin/sh -c 'test -p /run/answers.in || mkfifo /run/answers.in'\n" +
      "ExecStart=/bin/sh -c 'exec /usr/bin/answers 1 0<>/run/answers.in'\n" +
      "StandardOutput=append:/run/answers.out\n",
  );
  const name = `answers_${version}_amd64.deb`;
  execFileSync("dpkg-deb", ["--root-owner-group", "--build", tree, join(archive, name)], {
    stdio: "ignore",
  });
  const bytes = readFileSync(join(archive, name));
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  const entry = `${control}\nFilename: ./${name}\nSize: ${bytes.length}\nSHA256: ${sha256}\n\n`;
  writeFileSync(join(archive, "Packages"), entry);
}

/** What the service says now. */
async function answer(): Promise<string> {
  const said = () =>
    readFileSync(machine.path("/run/answers.out"), "utf8").split("\n").slice(0, -1);
  const before = said().length;
  writeFileSync(machine.path("/run/answers.in"), "x\n");
  return await until("an answer", WAIT_MS, async () =>
    said()
      .slice(before)
      .find((line) => /^one/.test(line)),
  );
}

interface Status {
  readonly components: readonly { readonly hotpatchedProcesses: number; readonly reason: string }[];
  readonly progress: readonly { readonly state: string; readonly detail?: string }[];
}

/** What `suture status` shows of the agent, once it listens. */
const untilStatus = async (what: string, isSo: (status: Status) => boolean): Promise<Status> =>
  await until(what, WAIT_MS, async () => {
    const shown = await machine.run("suture", "status", "--json");
    const { agent } = JSON.parse(shown) as { agent?: Status };
    return agent !== undefined && isSo(agent) ? agent : undefined;
  });

const hasIt = ({ components: [only] }: Status): boolean =>
  only?.hotpatchedProcesses === 1 && only.reason === "newest-applied";

const mainPid = async (unit: string): Promise<string> =>
  (await machine.run("systemctl", "show", "--value", "--property=MainPID", unit)).trim();

onSystemd("both halves work within the limits of their units", async () => {
  expect(await answer()).toBe("one 1 two 2 three 3");
  await untilStatus("the hotpatch is in the service", hasIt);
  expect(await answer()).toBe("one 11 two 2 three 3");
  const userOf = async (unit: string) =>
    (await machine.run("ps", "-o", "user=", "-p", await mainPid(unit))).trim();
  expect([await userOf("suture-executor"), await userOf("suture-agent")]).toEqual([
    "root",
    "suture",
  ]);
  const networkOf = async (pid: string) => await machine.run("readlink", `/proc/${pid}/ns/net`);
  expect(await networkOf(await mainPid("suture-executor"))).not.toBe(await networkOf("1"));
  expect(await networkOf(await mainPid("suture-agent"))).toBe(await networkOf("1"));
  const readiness = JSON.parse(await machine.run("suture", "readiness", "--json")) as object;
  expect(readiness).toMatchObject({ readiness: "ready" });
});

onSystemd("a killed executor is started again, and the hotpatch stays", async () => {
  const before = await mainPid("suture-executor");
  await machine.run("kill", "-9", before);
  await until("another executor", WAIT_MS, async () => {
    const now = await mainPid("suture-executor");
    return now !== "0" && now !== before ? now : undefined;
  });
  expect(await answer()).toBe("one 11 two 2 three 3");
  await untilStatus("it knows what it finds", hasIt);
});

onSystemd("the traditional update has the network that the executor has not", async () => {
  const newer = device.workshop.compileVictim(
    "answers",
    ["-pthread", "-Wl,--build-id=uuid"],
    "newer",
  );
  pack("2.0", newer);
  await machine.run("apt-get", "update");
  const service = await mainPid("answers");
  await device.addHotpatch(2, "int one(void) { return 111; }");
  await device.deliver();
  writePolicy({ hotpatch: "block", windows: ALWAYS });
  await machine.run("systemctl", "restart", "suture-executor");
  const { progress } = await untilStatus("it is updated", ({ progress }) =>
    progress.some(({ state }) => state === "restarted" || state === "failed"),
  );
  expect(progress.find(({ state }) => state === "restarted") ?? progress).toMatchObject({
    detail: "answers was updated and restarted",
  });
  expect(await machine.run("dpkg-query", "--status", "answers")).toContain("Version: 2.0\n");
  expect(await mainPid("answers")).not.toBe(service);
  expect(await answer()).toBe("one 1 two 2 three 3");
});
