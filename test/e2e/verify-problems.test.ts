/** verifyHotpatch says no, each time for one reason that was brought about. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type VerifyReport, verifyHotpatch } from "@suture/builder";
import { isRefusal, parseHotpatch } from "@suture/engine";
import { afterAll, expect, test } from "vitest";
import { hotpatchMaps, mappedAt, readMaps, readProcess, writeProcess } from "../live/snapshot.ts";
import { addressOf } from "../live/victim.ts";
import { FIX, LIBRARY_FLAGS, namesOf, openVerifyScene, PROGRAM } from "./verify-scene.ts";

const { workshop, engine, program, file, makeFix, verify, damaging } = openVerifyScene();
afterAll(() => workshop.close());

const entryOf = (pid: number, name: string): number => {
  const address = addressOf(pid, program, name);
  return readProcess(pid, address, 4).toString("hex") === "f30f1efa" ? address + 4 : address;
};
const problemOf = async (report: Promise<VerifyReport>) => {
  const { ok, problem, pid } = await report;
  expect(ok).toBe(false);
  if (pid !== undefined) expect(existsSync(`/proc/${pid}`)).toBe(false);
  return problem;
};

test("when an entry holds no jump", async () => {
  const report = damaging("redirects", (pid) => {
    writeProcess(pid, entryOf(pid, "weigh"), Uint8Array.from([0x90]));
  });
  const problem = await problemOf(report);
  expect(problem).toMatchObject({ reason: "not-redirected" });
  expect(problem?.detail).toMatch(/^weigh: no jump stands at/);
});

test.each([
  ["within the replacement", 1],
  ["outside of the hotpatch", 0x100000],
])("when a jump leads %s", async (_, distance) => {
  const report = damaging("redirects", (pid) => {
    const field = entryOf(pid, "twice") + 1;
    const jump = readProcess(pid, field, 4);
    jump.writeInt32LE(jump.readInt32LE() + distance);
    writeProcess(pid, field, jump);
  });
  expect(await problemOf(report)).toMatchObject({ reason: "not-redirected" });
});

test("when two jumps are exchanged", async () => {
  const report = damaging("redirects", (pid) => {
    const [one, two] = [entryOf(pid, "twice"), entryOf(pid, "weigh")];
    const targets = [one, two].map((at) => at + 5 + readProcess(pid, at + 1, 4).readInt32LE());
    const jumpTo = (at: number, to = 0) => {
      const field = Buffer.alloc(4);
      field.writeInt32LE(to - at - 5);
      writeProcess(pid, at + 1, field);
    };
    jumpTo(one, targets[1]);
    jumpTo(two, targets[0]);
  });
  expect(await problemOf(report)).toMatchObject({ reason: "not-redirected" });
});

/** The hotpatch's code in the process, which is as long as its mapping of that permission. */
const ownRange = (pid: number, permissions: string) => {
  const line =
    hotpatchMaps(pid)
      .filter((text) => text.includes(` ${permissions} `))
      .at(-1) ?? "";
  const [start = 0, end = 0] = (line.split(" ")[0] ?? "").split("-").map((at) => parseInt(at, 16));
  return { start, bytes: readProcess(pid, start, end - start) };
};

test("whichever byte of a replacement is another", async () => {
  let code = 0;
  const { functions } = await damaging("redirects", (pid) => {
    code = ownRange(pid, "r-xp").start;
  });
  const weigh = functions.find(({ name }) => name === "weigh");
  expect(weigh?.size).toBeGreaterThan(20);
  const unseen: number[] = [];
  for (let at = 0; at < (weigh?.size ?? 0); at++) {
    const { ok, problem } = await damaging("redirects", (pid) => {
      const place = ownRange(pid, "r-xp").start + ((weigh?.replacement ?? 0) - code) + at;
      writeProcess(pid, place, Uint8Array.from([(readProcess(pid, place, 1)[0] ?? 0) ^ 0x10]));
    });
    if (ok || problem?.reason !== "not-redirected") unseen.push(at);
  }
  expect(unseen).toEqual([]);
});

test.each(["total", "twice"])("when the new code takes another place for %s", async (name) => {
  const report = damaging("redirects", (pid) => {
    const target = addressOf(pid, program, name);
    const { start, bytes } = ownRange(pid, "r--p");
    const slot = bytes.findIndex((_, at) => {
      return at % 8 === 0 && Number(bytes.readBigUInt64LE(at)) === target;
    });
    expect(slot).toBeGreaterThanOrEqual(0);
    writeProcess(pid, start + slot, Uint8Array.from([(bytes[slot] ?? 0) ^ 8]));
  });
  expect(await problemOf(report)).toMatchObject({ reason: "not-redirected" });
});

test("when the new code takes another function of a library for the one that it calls", async () => {
  const report = damaging("redirects", (pid) => {
    const libc =
      readMaps(pid)
        .find((text) => text.endsWith("/libc.so.6"))
        ?.split(" ")
        .at(-1) ?? "";
    const nm = execFileSync("nm", ["-D", libc], { encoding: "utf8" });
    const [, value = ""] = /^([0-9a-f]+) T printf@@/m.exec(nm) ?? [];
    const printf = mappedAt(pid, libc) + Number.parseInt(value, 16);
    const { start, bytes } = ownRange(pid, "r--p");
    const slot = bytes.findIndex((_, at) => {
      return at % 8 === 0 && Number(bytes.readBigUInt64LE(at)) === printf;
    });
    expect(slot).toBeGreaterThanOrEqual(0);
    writeProcess(pid, start + slot, Uint8Array.from([(bytes[slot] ?? 0) ^ 0x10]));
  });
  const problem = await problemOf(report);
  expect(problem?.detail).toMatch(/printf is taken for .*, where no such symbol stands/);
});

test("when a constant of the new code is another", async () => {
  const report = damaging("redirects", (pid) => {
    const { start, bytes } = ownRange(pid, "r--p");
    const at = bytes.indexOf("fixed %p");
    expect(at).toBeGreaterThan(0);
    writeProcess(pid, start + at, Buffer.from("F"));
  });
  expect(await problemOf(report)).toMatchObject({ reason: "not-redirected" });
});

test("when the hotpatch file was altered", async () => {
  const bytes = readFileSync(file);
  const at = bytes.indexOf("fixed %p");
  bytes[at] = "F".charCodeAt(0);
  expect(await problemOf(verify({ hotpatch: bytes }))).toMatchObject({ reason: "bad-hotpatch" });
  expect(await problemOf(verify({ hotpatch: bytes.subarray(0, 99) }))).toMatchObject({
    reason: "bad-hotpatch",
  });
});

test("when the test command fails or does not end", async () => {
  const failing = await verify({ test: "echo as expected; exit 1" });
  expect(failing.problem).toMatchObject({ reason: "test-failed" });
  expect(failing.problem?.detail).toMatch(/exit code 1: as expected$/);
  expect(namesOf(failing).at(-1)).toBe("test");
  const endless = await verify({ test: "sleep 1000 & wait", timeoutMs: 1500 });
  expect(endless.problem?.detail).toContain("had not ended");
});

test.each(["apply", "redirects", "revert", "memory", "end"] as const)(
  "when the process ends before %s",
  async (step) => {
    const kill = (pid: number) => void process.kill(pid, "SIGKILL");
    const problem = await problemOf(damaging(step, kill));
    expect(problem).toMatchObject({ reason: "process-ended" });
  },
);

test("when the test command ends the process", async () => {
  const problem = await problemOf(verify({ test: "kill -SEGV $SUTURE_PID; sleep 0.1" }));
  expect(problem).toMatchObject({ reason: "process-ended" });
  expect(problem?.detail).toContain("SIGSEGV");
});

test("when a byte of the program's code or constants is another afterwards", async () => {
  for (const permissions of ["r-xp", "r--p"]) {
    const report = damaging("memory", (pid) => {
      const own = readMaps(pid).filter((text) => text.endsWith(program));
      const line = own.findLast((text) => text.includes(permissions)) ?? "";
      const at = Number.parseInt(line.split("-")[1] ?? "", 16) - 1;
      writeProcess(pid, at, Uint8Array.from([1]));
    });
    const problem = await problemOf(report);
    expect(problem).toMatchObject({ reason: "memory-differs" });
    expect(problem?.detail).toMatch(/^the content changed: .*\/program$/);
  }
});

test("when the hotpatch is still there afterwards", async () => {
  const kept = makeFix("fix-kept", program, FIX.replace("fixed", "kept"), ["choose"], ["printf"]);
  const hotpatch = parseHotpatch(readFileSync(kept));
  if (isRefusal(hotpatch)) throw new Error(hotpatch.detail);
  const problem = await problemOf(damaging("memory", (pid) => void engine.apply([pid], hotpatch)));
  expect(problem).toMatchObject({ reason: "memory-differs" });
  expect(problem?.detail).toContain("the hotpatch's memory is still mapped");
});

test("to a program of another Build-ID, and to a file that is none", async () => {
  const other = workshop.compile("other", `${PROGRAM}\nint more;`, ["-Wl,--build-id", "-g3"]);
  expect(await problemOf(verify({ binary: other }))).toMatchObject({ reason: "wrong-build-id" });
  expect(await problemOf(verify({ binary: file }))).toMatchObject({ reason: "wrong-build-id" });
  const text = join(workshop.folder, "text");
  writeFileSync(text, "text");
  expect(await problemOf(verify({ binary: text }))).toMatchObject({ reason: "wrong-build-id" });
  const nowhere = join(workshop.folder, "nowhere");
  expect(await problemOf(verify({ binary: nowhere }))).toMatchObject({ reason: "no-baseline" });
});

test("when no installed file has the Build-ID", async () => {
  const { binary: _, ...rest } = { hotpatch: file, env: process.env, engine, binary: "" };
  expect(await problemOf(verifyHotpatch(rest))).toMatchObject({ reason: "no-baseline" });
});

test("when a library is missing, naming it", async () => {
  const library = workshop.compile("libgone.so", "int gone(void) { return 1; }", LIBRARY_FLAGS);
  const source = `int gone(void); int main(void) { return gone(); }
int f(int x); __attribute__((noinline)) int f(int x) { return x * 3; }`;
  const binary = workshop.compile("needs", source, ["-Wl,--build-id", library]);
  const hotpatch = makeFix("fix-gone", binary, "int f(int x); int f(int x) { return x * 4; }", [
    "f",
  ]);
  const hidden = join(workshop.folder, "elsewhere");
  renameSync(library, hidden);
  const problem = await problemOf(verify({ hotpatch, binary }));
  expect(problem).toMatchObject({ reason: "cannot-start" });
  expect(problem?.detail).toContain("libgone.so");
});

test("when the command that runs it does not", async () => {
  const problem = await problemOf(verify({ run: "echo no port; exit 3" }));
  expect(problem).toMatchObject({ reason: "cannot-start" });
  expect(problem?.detail).toMatch(/exit code 3: no port$/);
});
