import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type BuildRootParts, createBuildRoot, privateMounts } from "./build-root.ts";
import { mountPoints, removeTree } from "./remove-tree.ts";
import { runCommand } from "./run-command.ts";

const isRoot = process.getuid?.() === 0;
if (!isRoot) console.warn("SKIPPED: file system roots are entered by root only");

/** The machine's own programs are enough of a root; an overlay keeps them as they are. */
const programs = ["bin", "sbin", "lib", "lib64", "usr"];

let folder = "";
let work = "";
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "suture roots-")));
  work = join(folder, "the work");
  for (const name of [
    "mnt",
    "base/proc",
    "base/dev",
    "base/tmp",
    "base/etc",
    "pkg/upper",
    "pkg/work",
  ]) {
    mkdirSync(join(folder, name), { recursive: true });
  }
  mkdirSync(work);
  writeFileSync(join(folder, "base/etc/marker"), "of the base");
  for (const name of programs) {
    if (name === "usr") mkdirSync(join(folder, "base/usr"));
    else symlinkSync(`usr/${name}`, join(folder, "base", name));
  }
});
afterEach(() => rmSync(folder, { recursive: true }));

const open = (parts: Partial<BuildRootParts> = {}) =>
  createBuildRoot({
    folder,
    layers: ["base"],
    changes: "discard",
    binds: [
      { from: "/usr", to: "/usr" },
      { from: work, to: work },
    ],
    ...parts,
  });

const run = (script: string, parts: Partial<BuildRootParts> = {}) =>
  runCommand(["/bin/sh", "-c", script], {
    cwd: work,
    env: { PATH: "/usr/bin:/bin:/usr/sbin" },
    buildRoot: open(parts),
  });

const mounts = () => mountPoints(readFileSync("/proc/self/mountinfo", "utf8"));

describe.skipIf(!isRoot && process.env.CI === undefined)("a build root", () => {
  test("keeps what is written in a bound folder and nothing else", async () => {
    const script = "pwd; cat /etc/marker; echo x >/etc/marker; echo y >result; echo z >/new";
    expect(await run(script)).toMatchObject({
      code: 0,
      stdout: `${work}\nof the base`,
      stderr: "",
    });
    expect(readFileSync(join(work, "result"), "utf8")).toBe("y\n");
    expect(readFileSync(join(folder, "base/etc/marker"), "utf8")).toBe("of the base");
    expect(existsSync(join(folder, "base/new"))).toBe(false);
    expect((await run("cat /etc/marker")).stdout).toBe("of the base");
    expect(existsSync("/new")).toBe(false);
  });

  test("passes exit codes, arguments and variables on", async () => {
    const words = ["a b", "", "$x", "'"];
    const argv = ["/bin/sh", "-c", 'printf "<%s>" "$@" "$X"; exit 7', "sh", ...words];
    const options = { cwd: "/", env: { PATH: "/usr/bin", X: "1" }, buildRoot: open() };
    expect(await runCommand(argv, options)).toMatchObject({
      code: 7,
      stdout: `${words.map((word) => `<${word}>`).join("")}<1>`,
    });
  });

  test("has processes, devices, a host name and a network of its own", async () => {
    const script = `ls -d /proc/[0-9]* | wc -l; test -c /dev/null && test -w /dev/shm && echo x >/dev/null && uname -n
tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '`;
    const { stdout } = await run(script);
    const [processes, name, ...interfaces] = stdout.trim().split("\n");
    expect(Number(processes)).toBeLessThan(6);
    expect([name, interfaces]).toEqual(["suture", ["lo"]]);
  });

  test("lays layers over each other, and a folder at a second path", async () => {
    const keep = { changes: { keep: "pkg/upper" } };
    expect(await run("rm /etc/marker; echo added >/etc/added", keep)).toMatchObject({ code: 0 });
    const layers = { layers: ["pkg/upper", "base"] };
    const binds = [
      { from: "/usr", to: "/usr" },
      { from: work, to: work },
      { from: work, to: "/build/somewhere else" },
    ];
    const script = "ls /etc; echo here >'/build/somewhere else/file'";
    expect((await run(script, { ...layers, binds })).stdout).toBe("added\n");
    expect(readFileSync(join(work, "file"), "utf8")).toBe("here\n");
    expect(readFileSync(join(folder, "base/etc/marker"), "utf8")).toBe("of the base");
  });

  test("works without overlays in a copy, which keeps what is written", async () => {
    const none = { changes: "none" as const };
    expect(await run("echo y >/etc/kept", none)).toMatchObject({ code: 0 });
    expect(readFileSync(join(folder, "base/etc/kept"), "utf8")).toBe("y\n");
  });

  test("runs several commands at once", async () => {
    const scripts = Array.from(
      { length: 8 },
      (_, index) => `echo ${index} >/etc/own && cat /etc/own`,
    );
    const results = await Promise.all(scripts.map((script) => run(script)));
    expect(results.map(({ stdout }) => stdout)).toEqual(scripts.map((_, index) => `${index}\n`));
  });

  test("ends with the program that entered it, however that ends, and leaves no mount", async () => {
    const before = mounts();
    const argv = open().enter(["/bin/sh", "-c", "echo ready; sleep 1000"], { cwd: work });
    // A process of its own enters and is killed: the command must not outlive it.
    const code = `const child = require("node:child_process").spawn(process.argv[1], process.argv.slice(2));
child.stdout.once("data", () => process.stdout.write(String(child.pid) + "\\n"));`;
    const holder = spawn(process.execPath, ["-e", code, ...argv]);
    const [first] = await once(holder.stdout, "data");
    const pid = Number(String(first));
    expect(mounts()).toEqual(before);
    const inside = childrenOf(pid);
    expect(inside.length).toBeGreaterThan(0);
    holder.kill("SIGKILL");
    await once(holder, "close");
    // The kernel kills them; how soon they are gone is its own affair, within the test's time.
    while ([pid, ...inside].some(isAlive)) await new Promise((resolve) => setImmediate(resolve));
    expect(mounts()).toEqual(before);
    await removeTree(join(folder, "base"));
    expect(existsSync(join(folder, "base"))).toBe(false);
  });

  test("ends at its timeout with all that it started", async () => {
    const argv = ["/bin/sh", "-c", "trap '' TERM; echo $$ >started; sleep 1000 & sleep 1000"];
    const result = await runCommand(argv, { cwd: work, buildRoot: open(), timeoutMs: 1500 });
    expect(result.code).toBeUndefined();
    expect(existsSync(join(work, "started"))).toBe(true);
    const left = spawnSync("grep", ["-lsa", work, ...processFiles()], { encoding: "utf8" });
    expect(left.stdout).toBe("");
  });

  test("mounts of a program that runs on the machine itself are its own", async () => {
    const before = mounts();
    const script = `mount -t tmpfs none '${work}' && grep -c '${folder}' /proc/self/mountinfo | head -1; pwd`;
    const result = await runCommand(["sh", "-c", script], { cwd: "/", buildRoot: privateMounts });
    expect(result).toMatchObject({ code: 0, stdout: "0\n/\n" });
    expect(mounts()).toEqual(before);
    const missing = await runCommand(["suture-no-such"], { buildRoot: privateMounts });
    expect(missing.code).toBe(127);
  });

  test("is not removed while something is mounted in it", async () => {
    mkdirSync(join(folder, "victim/inner"), { recursive: true });
    writeFileSync(join(work, "precious"), "");
    const inner = join(folder, "victim/inner");
    expect(spawnSync("mount", ["--bind", work, inner]).status).toBe(0);
    try {
      await expect(removeTree(join(folder, "victim"))).rejects.toThrow("no file system is mounted");
      expect(existsSync(join(work, "precious"))).toBe(true);
    } finally {
      expect(spawnSync("umount", [inner]).status).toBe(0);
    }
    await removeTree(join(folder, "victim"));
    expect(existsSync(join(work, "precious"))).toBe(true);
  });
});

test("mount points with blanks are read as they are", () => {
  const line = "36 35 98:0 /mnt1 /mnt/a\\040b\\134c rw,noatime master:1 - ext3 /dev/root rw";
  expect(mountPoints(`${line}\n`)).toEqual(["/mnt/a b\\c"]);
});

function childrenOf(pid: number): readonly number[] {
  const path = `/proc/${pid}/task/${pid}/children`;
  const own = existsSync(path) ? readFileSync(path, "utf8").trim().split(" ").map(Number) : [];
  const found = own.filter((child) => child > 0);
  return [...found, ...found.flatMap((child) => childrenOf(child))];
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

const processFiles = (): readonly string[] =>
  spawnSync("sh", ["-c", "echo /proc/[0-9]*/cmdline"], { encoding: "utf8" })
    .stdout.trim()
    .split(" ")
    .filter((path) => path !== `/proc/${process.pid}/cmdline`);
