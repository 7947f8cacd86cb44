/** On this machine's own processes; readelf, dpkg and ps are the oracles. */
import { execFileSync, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { openWorkshop } from "../../../../test/live/victim.ts";
import { readBuildId } from "./build-id.ts";
import { runCommand } from "./command-runner.ts";
import { componentsOf } from "./components.ts";
import { createPackageIndex, parseOwners } from "./packages.ts";
import { parseCodeMappings, parseStat, parseUnit } from "./process-files.ts";
import { createScanner } from "./scan.ts";

const workshop = openWorkshop();
let program: string;
beforeAll(() => {
  program = workshop.compileVictim("answers", ["-pthread"]);
});
afterEach(() => workshop.endVictims());
afterAll(() => workshop.close());

const readelfBuildId = (path: string): string | undefined =>
  /Build ID: ([0-9a-f]+)/.exec(
    spawnSync("readelf", ["-n", path], { encoding: "utf8" }).stdout,
  )?.[1];
const time = 0;
const now = () => time;

test("a process, its files and their Build-IDs", async () => {
  const victim = await workshop.start(program, ["1"]);
  const found = createScanner({ now })
    .scan()
    .find(({ pid }) => pid === victim.pid);
  expect(found).toMatchObject({ executable: program, parent: process.pid, command: "answers" });
  const files = Object.fromEntries(found?.files.map((file) => [file.path, file.buildId]) ?? []);
  expect(Object.keys(files).length).toBeGreaterThanOrEqual(3);
  for (const [path, buildId] of Object.entries(files)) expect(readelfBuildId(path)).toBe(buildId);
  expect(found?.files.some(({ outdated }) => outdated)).toBe(false);
});

test("a file that was replaced is outdated, and has the Build-ID of what runs", async () => {
  const other = join(workshop.folder, "replaced");
  copyFileSync(program, other);
  const victim = await workshop.start(other, ["1"]);
  const scanner = createScanner({ now, processFolder: workshop.folder });
  const fileNow = () => {
    const process = scanner.scan().find(({ pid }) => pid === victim.pid);
    return process?.files.find(({ path }) => path === other);
  };
  const before = fileNow();
  expect(before?.outdated).toBe(false);
  renameSync(workshop.compile("newer", "int main(void) { return 1; }"), other);
  // Its mappings are old, and nothing about the process has changed: it is seen a little later.
  rmSync(join(workshop.folder, "newer"), { force: true });
  const fresh = createScanner({ now })
    .scan()
    .find(({ pid }) => pid === victim.pid);
  const after = fresh?.files.find(({ path }) => path === other);
  expect(after).toEqual({ path: other, buildId: before?.buildId, outdated: true });
});

test("an exec is another process under the same id", async () => {
  const victim = await workshop.start("/bin/sh", [
    "-c",
    `echo ready; read line; exec ${program} 1`,
  ]);
  const scanner = createScanner({ now });
  const find = () => scanner.scan().find(({ pid }) => pid === victim.pid);
  expect(find()?.executable).not.toBe(program);
  victim.send("go\n");
  await victim.nextLine(/^ready/);
  expect(find()?.executable).toBe(program);
});

test("only the folder that it is to look at", async () => {
  const victim = await workshop.start(program, ["1"]);
  const found = createScanner({ now, processFolder: workshop.folder }).scan();
  expect(found.map(({ pid }) => pid)).toEqual([victim.pid]);
  expect(createScanner({ now, processFolder: "/nowhere" }).scan()).toEqual([]);
});

test("components bring processes of one file together", async () => {
  const first = await workshop.start(program, ["1"]);
  const second = await workshop.start(program, ["1"]);
  const processes = createScanner({ now, processFolder: workshop.folder }).scan();
  const component = componentsOf(processes).find(({ file }) => file === program);
  expect(component?.buildId).toBe(readelfBuildId(program));
  expect(component?.processes.map(({ process }) => process.pid)).toEqual([first.pid, second.pid]);
});

test("a scan of all processes that are known costs little", () => {
  const scanner = createScanner({ now: () => performance.now() });
  const { length } = scanner.scan();
  const before = process.cpuUsage();
  for (let count = 0; count < 20; count++) scanner.scan();
  const { user, system } = process.cpuUsage(before);
  // A generous bound: it is about 50 microseconds a process.
  expect((user + system) / 20 / length).toBeLessThan(1000);
});

test.skipIf(!existsSync("/var/lib/dpkg/status"))("packages are those that dpkg names", async () => {
  const index = createPackageIndex(runCommand);
  const libc = execFileSync("sh", ["-c", "ldd /bin/sh | grep -o '/[^ ]*libc.so[^ ]*'"], {
    encoding: "utf8",
  }).trim();
  const paths = [libc, "/usr/bin/dpkg", "/bin/sh", program, "/gone/file"];
  await index.learn(paths);
  const version = (name: string): string =>
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query fills it in.
    execFileSync("dpkg-query", ["--show", "--showformat=${Version}", name], { encoding: "utf8" });
  expect(index.packageOf("/usr/bin/dpkg")).toEqual({ package: "dpkg", version: version("dpkg") });
  expect(index.packageOf(libc)).toEqual({ package: "libc6", version: version("libc6") });
  expect(index.packageOf(program)).toBeUndefined();
  expect(index.packageOf("/gone/file")).toBeUndefined();
});

test("what dpkg says of owners, diversions and files that it does not know", () => {
  const output = [
    "libc6:amd64: /lib/x86_64-linux-gnu/libc.so.6",
    "diversion by dash from: /bin/sh",
    "dash, bash: /usr/share/doc",
    "dpkg-query: no path found matching pattern /gone",
  ].join("\n");
  expect([...parseOwners(output)]).toEqual([
    ["/lib/x86_64-linux-gnu/libc.so.6", "libc6:amd64"],
    ["/usr/share/doc", "dash"],
  ]);
});

test("a process may call itself anything", () => {
  const text = "7 (a) R (b\n) S 1 2 3 4 5 0 0 0 0 0 10 5 0 0 20 0 1 0 99 4096 3 0 11 22 33 0";
  expect(parseStat(text)).toMatchObject({
    ...{ pid: 7, command: "a) R (b\n", state: "S", parent: 1, started: 99 },
    ...{ processorTicks: 15, memoryBytes: 4096, residentPages: 3, image: "11-22-33" },
  });
});

test("any text is a process or none, mappings or none", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (head, tail) => {
      parseStat(`${head}(${tail})`);
      parseStat(head);
      expect(parseCodeMappings(`${head}\n${tail}`)).toEqual([]);
    }),
  );
});

test("any bytes have a Build-ID or none", () => {
  const elf = fc.uint8Array({ minLength: 64, maxLength: 400 }).map((bytes) => {
    bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1]);
    bytes.set([64, 0, 0, 0, 0, 0, 0, 0], 32);
    bytes.set([56, 0, 2, 0], 54);
    return bytes;
  });
  fc.assert(
    fc.property(elf, (bytes) => {
      readBuildId((offset, size) => bytes.subarray(offset, offset + size));
    }),
  );
});

test.each([
  ["0::/system.slice/redis-server.service", "redis-server.service"],
  [
    "0::/system.slice/system-postgresql.slice/postgresql@15-main.service",
    "postgresql@15-main.service",
  ],
  ["12:pids:/x\n1:name=systemd:/system.slice/ssh.service/child", "ssh.service"],
  ["0::/user.slice/user-0.slice/session-1.scope", undefined],
  ["0::/user.slice/user-1000.slice/user@1000.service/app.slice/mine.service", undefined],
  ["0::/", undefined],
])("the unit of %j is %s", (cgroup, unit) => {
  expect(parseUnit(cgroup)).toBe(unit);
});

test("a program that runs too long is ended with all that it started", async () => {
  const outcome = await runCommand({
    command: ["/bin/sh", "-c", "echo begun; sleep 1000 & echo $!; wait"],
    timeoutMs: 300,
  });
  expect(outcome).toMatchObject({ timedOut: true, signal: "SIGKILL" });
  const [, child] = outcome.output.split("\n");
  expect(existsSync(`/proc/${child}/exe`)).toBe(false);
});
