/** Programs and processes of every shape: how they were linked, where they run, how they thread. */
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Hotpatch, isRefusal, openEngine } from "@suture/engine";
import { afterAll, afterEach, expect, test } from "vitest";
import { hotpatchMaps, readProcess, takeSnapshot } from "./snapshot.ts";
import { addressOf, type HotpatchRequest, openWorkshop, type Victim } from "./victim.ts";

const OLD = "value 2";
const NEW = "value 102";
const ENDBR64 = "f30f1efa";

const workshop = openWorkshop();
const engine = openEngine({ lockFolder: join(workshop.folder, "lock") });
const isRoot = process.getuid?.() === 0;

afterEach(() => workshop.endVictims());
afterAll(() => workshop.close());

function compile(file: string, ...flags: readonly string[]): string {
  return workshop.compileVictim("shapes", ["-pthread", ...flags], file);
}

function make(binary: string, id: string, request: Partial<HotpatchRequest> = {}): Hotpatch {
  const source = "int value(int x) { return x + 101; }";
  return workshop.makeHotpatch({ binary, id, source, functions: ["value"], ...request }).hotpatch;
}

async function ask(victim: Victim): Promise<string> {
  victim.send("?\n");
  return victim.nextLine(/^value/);
}

function apply(pids: readonly number[], hotpatch: Hotpatch): void {
  const report = engine.apply(pids, hotpatch);
  if (isRefusal(report)) throw new Error(`${report.refused}: ${report.detail}`);
}

function revert(pids: readonly number[], id: string): void {
  const report = engine.revert(pids, id);
  if (isRefusal(report)) throw new Error(`${report.refused}: ${report.detail}`);
  for (const { memoryLeft } of report) expect(memoryLeft).toBeUndefined();
}

/** The new answer appears and the old is gone; then the reverse; then all is as before. */
async function expectCycle(victim: Victim, hotpatch: Hotpatch): Promise<void> {
  const before = takeSnapshot(victim.pid);
  for (let round = 0; round < 2; round++) {
    expect(await ask(victim)).toBe(OLD);
    apply([victim.pid], hotpatch);
    expect(await ask(victim)).toBe(NEW);
    revert([victim.pid], hotpatch.description.id);
    expect(await ask(victim)).toBe(OLD);
  }
  expect(takeSnapshot(victim.pid)).toEqual(before);
}

const LINKED: Readonly<Record<string, readonly string[]>> = {
  pie: ["-pie", "-fPIE"],
  "no-pie": ["-no-pie", "-fno-pie"],
  static: ["-static"],
  "static-pie": ["-static-pie", "-fPIE"],
  "endbr64 at each entry": ["-fcf-protection=full"],
  "without frame pointers or unwind tables": ["-fno-asynchronous-unwind-tables"],
  "all bound at the start": ["-Wl,-z,now,-z,relro"],
  "bound when it is called": ["-Wl,-z,lazy"],
  "code and data in one page": ["-Wl,-z,noseparate-code"],
  "with the old hash table": ["-Wl,--hash-style=sysv"],
};

for (const [name, flags] of Object.entries(LINKED)) {
  test(`a program linked as: ${name}`, async () => {
    const id = name.replaceAll(" ", "-");
    const program = compile(id, ...flags);
    await expectCycle(await workshop.start(program), make(program, id));
  });
}

test("endbr64 stays at the entry, where indirect calls look for it", async () => {
  const program = compile("endbr", "-fcf-protection=full");
  const victim = await workshop.start(program);
  const entry = addressOf(victim.pid, program, "value");
  const before = readProcess(victim.pid, entry, 9);
  expect(before.subarray(0, 4).toString("hex")).toBe(ENDBR64);
  apply([victim.pid], make(program, "endbr"));
  const after = readProcess(victim.pid, entry, 9);
  expect(after.subarray(0, 4)).toEqual(before.subarray(0, 4));
  expect(after[4]).toBe(0xe9);
  expect(await ask(victim)).toBe(NEW);
});

test("a stripped program, by what its twin with symbols tells", async () => {
  const program = compile("stripped");
  const hotpatch = make(program, "stripped");
  execFileSync("strip", ["--strip-all", program]);
  expect(execFileSync("nm", [program], { encoding: "utf8", stdio: "pipe" })).toBe("");
  await expectCycle(await workshop.start(program), hotpatch);
});

test("a function of a shared library, linked or opened while the program runs", async () => {
  const library = workshop.compileVictim("library", ["-shared", "-fPIC"], "libvalue.so");
  const hotpatch = make(library, "library", { flags: ["-fPIC"] });
  const linked = compile("linked", "-DLINKED", library, `-Wl,-rpath,${workshop.folder}`);
  const opened = compile("opened", "-DOPENED", "-ldl");
  await expectCycle(await workshop.start(linked), hotpatch);
  await expectCycle(await workshop.start(opened, ["library", library]), hotpatch);
});

test("a program whose file was removed, and one whose file was replaced", async () => {
  const program = compile("removed");
  const hotpatch = make(program, "removed");
  const [removed, replaced] = [await workshop.start(program), await workshop.start(program)];
  rmSync(program);
  await expectCycle(removed, hotpatch);
  copyFileSync("/bin/true", program);
  await expectCycle(replaced, hotpatch);
});

test.skipIf(!isRoot)("a program in a mount namespace of its own [needs another user]", async () => {
  const program = compile("mounted");
  const folder = join(workshop.folder, "mount");
  mkdirSync(folder);
  const script = `mount -t tmpfs none ${folder} && cp ${program} ${folder}/x && exec ${folder}/x`;
  const options = { printsPid: true };
  const victim = await workshop.start("unshare", ["-m", "sh", "-c", script], options);
  await expectCycle(victim, make(program, "mounted"));
});

test.skipIf(!isRoot)(
  "a program in a chroot and its own process ids [needs another user]",
  async () => {
    const program = compile("rooted");
    const root = join(workshop.folder, "root");
    const needed = execFileSync("ldd", [program], { encoding: "utf8" }).match(/\/[^ ]+/g) ?? [];
    for (const path of needed) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      copyFileSync(path, join(root, path));
    }
    copyFileSync(program, join(root, "x"));
    const victim = await workshop.start("chroot", [root, "/x"]);
    await expectCycle(victim, make(program, "rooted"));
    const inside = await workshop.start("unshare", ["-p", "-f", "chroot", root, "/x"]);
    const children = `/proc/${inside.pid}/task/${inside.pid}/children`;
    const pid = Number(readFileSync(children, "latin1"));
    await expectCycle({ ...inside, pid }, make(program, "rooted"));
  },
);

test("a child forked with the hotpatch keeps it, and is reverted by itself", async () => {
  const program = compile("forking");
  const parent = await workshop.start(program, ["threads", "2"]);
  apply([parent.pid], make(program, "forking"));
  parent.send("fork\n");
  const child = Number((await parent.nextLine(/^forked/)).split(" ")[1]);
  const askChild = (): Promise<string> => {
    process.kill(child, "SIGUSR1");
    return parent.nextLine(/^child/);
  };
  expect(await askChild()).toBe("child 102");
  revert([child], "forking");
  expect(await askChild()).toBe("child 2");
  expect(hotpatchMaps(child)).toEqual([]);
  expect(await ask(parent)).toBe(NEW);
  revert([parent.pid], "forking");
  expect(await ask(parent)).toBe(OLD);
  apply([child], make(program, "forking"));
  expect(await askChild()).toBe("child 102");
  expect(await ask(parent)).toBe(OLD);
});

test("several processes get the hotpatch, or none", async () => {
  const program = compile("several");
  const hotpatch = make(program, "several");
  const victims = await Promise.all([1, 2, 3].map(() => workshop.start(program, ["threads", "2"])));
  const pids = victims.map(({ pid }) => pid);
  const before = victims.map(({ pid }) => takeSnapshot(pid));
  const answers = () => Promise.all(victims.map(ask));
  apply(pids, hotpatch);
  expect(await answers()).toEqual([NEW, NEW, NEW]);
  revert(pids, "several");
  expect(await answers()).toEqual([OLD, OLD, OLD]);
  apply(pids.slice(2), hotpatch); // So that the last of them refuses.
  expect(engine.apply(pids, hotpatch)).toMatchObject({ refused: "already-applied", pid: pids[2] });
  expect(await answers()).toEqual([OLD, OLD, NEW]);
  revert(pids.slice(2), "several");
  expect(pids.map(takeSnapshot)).toEqual(before);
});

test("a later hotpatch replaces an earlier one, with functions added and dropped", async () => {
  const program = workshop.compileVictim("answers", ["-pthread"]);
  const victim = await workshop.start(program, ["4"]);
  const before = takeSnapshot(victim.pid);
  const answers = async (): Promise<string> => {
    victim.send("?\n");
    return victim.nextLine(/^one/);
  };
  const version = (sequence: number, functions: Readonly<Record<string, number>>): Hotpatch =>
    make(program, `version-${sequence}`, {
      sequence,
      source: Object.entries(functions)
        .map(([name, result]) => `int ${name}(void) { return ${result}; }`)
        .join("\n"),
      functions: Object.keys(functions),
    });
  apply([victim.pid], version(1, { one: 11, two: 22 }));
  expect(await answers()).toBe("one 11 two 22 three 3");
  apply([victim.pid], version(2, { two: 222, three: 33 }));
  expect(await answers()).toBe("one 1 two 222 three 33");
  expect(engine.status(victim.pid)).toMatchObject([{ id: "version-2", inForce: true }]);
  apply([victim.pid], version(3, { one: 111 }));
  expect(await answers()).toBe("one 111 two 2 three 3");
  revert([victim.pid], "version-3");
  expect(await answers()).toBe("one 1 two 2 three 3");
  expect(takeSnapshot(victim.pid)).toEqual(before);
});

test("a process whose first thread has ended is refused, and goes on", async () => {
  const program = compile("headless");
  const victim = await workshop.start(program, ["threads", "3", "leader-ends"]);
  while (!/^State:\s+Z/m.test(readFileSync(`/proc/${victim.pid}/status`, "latin1")));
  const report = engine.apply([victim.pid], make(program, "headless"));
  expect(report).toMatchObject({ refused: "unsupported-process", pid: victim.pid });
  expect(await ask(victim)).toBe(OLD);
});

test("threads that come and go all the time", async () => {
  const program = compile("churning");
  const victim = await workshop.start(program, ["churn", "churn"]);
  const hotpatch = make(program, "churning");
  const cycles = 40;
  for (let round = 0; round < cycles; round++) {
    apply([victim.pid], hotpatch);
    if (round % 10 === 0) expect(await ask(victim)).toBe(NEW);
    revert([victim.pid], "churning");
  }
  victim.send("born\n");
  const born = Number((await victim.nextLine(/^born/)).split(" ")[1]);
  expect(born).toBeGreaterThan(cycles);
  expect(await ask(victim)).toBe(OLD);
  expect(hotpatchMaps(victim.pid)).toEqual([]);
});

test("a process of 512 threads", async () => {
  const program = compile("crowded");
  const victim = await workshop.start(program, ["threads", "512"]);
  await expectCycle(victim, make(program, "crowded"));
});
