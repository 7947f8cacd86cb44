/** The lock of a repository: two at once, holders that are gone, and many who find a stale one. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ReleaseError } from "../errors.ts";
import { withRepositoryLock } from "./repository-lock.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "suture-lock-"));
});
afterEach(async () => await rm(folder, { recursive: true }));

const take = async (): Promise<string> => {
  try {
    return await withRepositoryLock({ folder, task: "release test" }, async () => "taken");
  } catch (error) {
    if (error instanceof ReleaseError) return `${error.code}: ${error.found}`;
    throw error;
  }
};

const token = "00000000-0000-4000-8000-000000000001";

/** A lock of this very process, as it would be on the machine as it runs now, but for `changes`. */
async function leaveLock(changes: Readonly<Record<string, unknown>>, name = "lock") {
  const stat = await readFile("/proc/self/stat", "utf8");
  const holder = {
    ...{ token, task: "release sign", pid: process.pid, host: hostname() },
    startedAt: stat.slice(stat.lastIndexOf(")")).split(" ")[20],
    boot: (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim(),
    pidNamespace: await readlink("/proc/self/ns/pid"),
    ...changes,
  };
  await writeFile(join(folder, name), JSON.stringify(holder));
}

test("while one command holds it, another is told who does, and nothing stays behind", async () => {
  const found = await withRepositoryLock({ folder, task: "release publish" }, take);
  expect(found).toContain(`repository-busy: release publish, process ${process.pid} on`);
  expect(await take()).toBe("taken");
  expect(await readdir(folder)).toEqual([]);
});

test("it is given back when the command fails", async () => {
  const failing = withRepositoryLock({ folder, task: "release add" }, async () => {
    throw new Error("a full disk");
  });
  await expect(failing).rejects.toThrow("a full disk");
  expect(await readdir(folder)).toEqual([]);
});

test("there is no lock where there is no folder, unless it is to be made", async () => {
  const missing = join(folder, "a/b");
  const request = { folder: missing, task: "release init" };
  const act = async () => "made";
  await expect(withRepositoryLock(request, act)).rejects.toMatchObject({
    code: "repository-missing",
  });
  expect(await withRepositoryLock({ ...request, create: true }, act)).toBe("made");
});

describe("a lock", () => {
  const cases: [string, Readonly<Record<string, unknown>>, string][] = [
    ["of a process that runs holds", {}, "repository-busy: release sign"],
    ["of a process id that is used again is stale", { startedAt: "1" }, "taken"],
    ["of a process that is gone is stale", { pid: 4_194_999 }, "taken"],
    ["from before the machine started again is stale", { boot: "another" }, "taken"],
    ["of another machine holds", { boot: "another", host: "elsewhere" }, "repository-busy"],
    ["of a place of which nothing is known holds", { boot: "" }, "repository-busy"],
    ["of another container holds", { pidNamespace: "pid:[1]", pid: 4_194_999 }, "repository-busy"],
    [
      "that says nothing sensible holds",
      { token: "../x", pid: "1" },
      "repository-busy: an unknown",
    ],
  ];
  test.each(cases)("%s", async (_, changes, expected) => {
    await leaveLock(changes);
    expect(await take()).toContain(expected);
  });

  test("that is no JSON, or endless, holds", async () => {
    for (const text of ["", "{", `"${"x".repeat(10_000)}"`]) {
      await writeFile(join(folder, "lock"), text);
      expect(await take()).toContain("repository-busy: an unknown");
    }
  });

  test("is taken over though somebody died while taking it over", async () => {
    const other = "00000000-0000-4000-8000-000000000002";
    await leaveLock({ pid: 4_194_999 });
    await leaveLock({ pid: 4_194_999, token: other }, `lock.${token}`);
    expect(await take()).toBe("taken");
    expect(await readdir(folder)).toEqual([]);
  });
});

const worker = `
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { withRepositoryLock } from ${JSON.stringify(fileURLToPath(new URL("repository-lock.ts", import.meta.url)))};
const [folder, counter, log] = process.argv.slice(1);
for (let done = 0; done < 2; ) {
  try {
    await withRepositoryLock({ folder, task: "release test" }, async () => {
      const count = Number(readFileSync(counter, "utf8"));
      // Others run now: if one of them is within as well, a count is lost.
      await new Promise((resolve) => setImmediate(resolve));
      writeFileSync(counter, String(count + 1));
      appendFileSync(log, "x");
      done += 1;
      if (done === 2) process.kill(process.pid, "SIGKILL");
    });
  } catch (error) {
    if (error.code !== "repository-busy") throw error;
  }
}`;

const ended = (child: ChildProcess) =>
  new Promise<NodeJS.Signals | null>((done) => child.once("exit", (_, signal) => done(signal)));

test("of many processes that die with it, none is ever in at the same time as another", async () => {
  const counter = join(folder, "counter");
  const log = join(folder, "log");
  await writeFile(counter, "0");
  await leaveLock({ pid: 4_194_999 });
  const argv = ["--input-type=module-typescript", "--eval", worker, folder, counter, log];
  const rounds = 4;
  const workers = 4;
  // All of a round find the lock of one who died in the round before.
  for (let round = 0; round < rounds; round += 1) {
    const children = Array.from({ length: workers }, () =>
      spawn(process.execPath, argv, { stdio: ["ignore", "ignore", "inherit"] }),
    );
    const signals = await Promise.all(children.map(ended));
    expect(signals).toEqual(children.map(() => "SIGKILL"));
  }
  expect(await readFile(log, "utf8")).toHaveLength(rounds * workers * 2);
  expect(await readFile(counter, "utf8")).toBe(String(rounds * workers * 2));
  expect(await take()).toBe("taken");
}, 60_000);
