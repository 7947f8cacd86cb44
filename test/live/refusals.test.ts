/** Each reason to refuse, on a real process; and that the process is then what it was before. */
import { spawn } from "node:child_process";
import { chownSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  type Hotpatch,
  isRefusal,
  openEngine,
  REFUSALS,
  type Refusal,
  type RefusalReason,
} from "@suture/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Job, KILLED_RUN, type Outcome } from "./killed-run.ts";
import { disguiseSigreturn, endOfCode, takeSnapshot, writeProcess } from "./snapshot.ts";
import { addressOf, openWorkshop, type Victim } from "./victim.ts";

const NOBODY = 65534;
const SYS_READ = 0;
const SYS_VFORK = 58;

const workshop = openWorkshop();
const lockFolder = join(workshop.folder, "lock");
let onStep = (_step: string): void => {};
const engine = openEngine({ lockFolder, faultPoint: (step) => onStep(step) });
let quiet: string;
let hotpatch: Hotpatch;
let file: string;

const VALUE = "int value(int x) { return x + 101; }";

beforeAll(() => {
  quiet = workshop.compileVictim("quiet", ["-pthread"]);
  hotpatch = make({ id: "value" });
  file = join(workshop.folder, "value.hotpatch");
});
afterEach(async () => {
  onStep = () => {};
  await workshop.endVictims();
});
afterAll(() => workshop.close());

function make(request: Partial<Parameters<typeof workshop.makeHotpatch>[0]>): Hotpatch {
  const base = { binary: quiet, source: VALUE, functions: ["value"], id: "value" };
  return workshop.makeHotpatch({ ...base, ...request }).hotpatch;
}

const start = (...words: readonly string[]): Promise<Victim> => workshop.start(quiet, words);

async function answerOf(victim: Victim): Promise<string> {
  victim.send("?\n");
  return victim.nextLine(/^value/);
}

/** Runs the operation, which must refuse for this reason and leave no trace. */
async function expectRefusal(
  victim: Victim,
  reason: RefusalReason,
  operation: () => unknown,
  answer = "value 2",
): Promise<Refusal> {
  const before = takeSnapshot(victim.pid);
  const report = await operation();
  if (!isRefusal(report)) throw new Error(`not refused: ${JSON.stringify(report)}`);
  expect(report).toMatchObject({ refused: reason });
  expect(Object.keys(REFUSALS)).toContain(reason);
  expect(report.next.length).toBeGreaterThan(0);
  expect(takeSnapshot(victim.pid)).toEqual(before);
  expect(await answerOf(victim)).toBe(answer);
  return report;
}

const apply = (victim: Victim, which = hotpatch, timeoutMs = 100): unknown =>
  engine.apply([victim.pid], which, { timeoutMs });

/** Nothing of what was refused is in the way of the next time. */
async function expectSuccess(victim: Victim): Promise<void> {
  const before = takeSnapshot(victim.pid);
  expect(apply(victim)).toMatchObject([{ id: "value" }]);
  expect(await answerOf(victim)).toBe("value 102");
  expect(engine.revert([victim.pid], "value")).toMatchObject([{ id: "value" }]);
  expect(await answerOf(victim)).toBe("value 2");
  expect(takeSnapshot(victim.pid)).toEqual(before);
}

/** The thread other than the first that is in this system call, once there is one. */
async function threadIn(victim: Victim, call: number): Promise<number> {
  for (;;) {
    for (const tid of readdirSync(`/proc/${victim.pid}/task`)) {
      const text = readFileSync(`/proc/${victim.pid}/task/${tid}/syscall`, "latin1");
      if (Number(tid) !== victim.pid && text.startsWith(`${call} `)) return Number(tid);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Runs a job in another process, perhaps as another user, whose command it may be prefixed by. */
async function runApart(
  job: Omit<Job, "lockFolder">,
  options: { readonly uid?: number; readonly prefix?: readonly string[]; folder?: string } = {},
): Promise<unknown> {
  const { uid, prefix = [], folder = lockFolder } = options;
  const words = [
    ...prefix,
    process.execPath,
    KILLED_RUN,
    JSON.stringify({ ...job, lockFolder: folder }),
  ];
  const child = spawn(words[0] ?? "", words.slice(1), {
    stdio: ["ignore", "pipe", "inherit"],
    ...(uid === undefined ? {} : { uid, gid: uid }),
  });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  await new Promise((resolve) => child.once("close", resolve));
  return (JSON.parse(output) as Outcome).result;
}

test("refuses a process that maps another build of the program", async () => {
  const other = workshop.compileVictim("quiet", ["-pthread", "-O1"], "other");
  const victim = await workshop.start(other);
  const { detail } = await expectRefusal(victim, "wrong-build-id", () => apply(victim));
  expect(detail).toContain(`${victim.pid}`);
});

test("refuses code that somebody changed", async () => {
  const victim = await start();
  await expectSuccess(victim);
  // Two of its three nops become one of two bytes.
  writeProcess(victim.pid, addressOf(victim.pid, quiet, "value"), Uint8Array.of(0x66, 0x90));
  const { detail } = await expectRefusal(victim, "changed-code", () => apply(victim));
  expect(detail).toContain("value");
});

test("refuses new code that needs a symbol which is nowhere", async () => {
  const victim = await start("2");
  const source = `int not_there(int); int value(int x) { return not_there(x); }`;
  const needy = make({ source, id: "needy", dynamic: ["not_there"] });
  const report = await expectRefusal(victim, "missing-symbol", () => apply(victim, needy));
  expect(report.detail).toContain("not_there");
});

test("refuses a relocation that cannot be placed", async () => {
  const victim = await start();
  const source = `int value(int x) { __asm__("movb $value, %%al" ::: "rax"); return x; }`;
  const odd = make({ source, id: "odd" });
  await expectRefusal(victim, "unsupported-relocation", () => apply(victim, odd));
});

test("refuses a thread-local variable of a program that has none", async () => {
  const victim = await start();
  const source = "extern __thread int own; int value(int x) { return x + own; }";
  const references = [{ symbol: "own", kind: "module-tls", offset: 0 }];
  const edit = (description: Record<string, unknown>) => ({ ...description, references });
  const local = make({ source, id: "local", dynamic: ["own"], edit });
  await expectRefusal(victim, "unresolved-tls", () => apply(victim, local));
});

test("names the thread in a function, and succeeds when it leaves in time", async () => {
  const victim = await start("3");
  const holding = make({ id: "hold", source: "int hold(void) { return 7; }", functions: ["hold"] });
  victim.send("enter\n");
  await victim.nextLine(/^entered/);
  const thread = await threadIn(victim, SYS_READ);
  const report = await expectRefusal(victim, "function-on-stack", () => apply(victim, holding));
  expect(report.detail).toContain(`thread ${thread} is in hold`);
  let attempts = 0;
  onStep = (step) => {
    if (step === "before-stop" && ++attempts === 3) victim.send("leave\n");
  };
  expect(apply(victim, holding, 20_000)).toMatchObject([{ id: "hold", functions: ["hold"] }]);
  expect(attempts).toBeGreaterThan(2);
  await victim.nextLine(/^left/);
  expect(engine.revert([victim.pid], "hold")).toMatchObject([{ id: "hold" }]);
  await expectSuccess(victim);
});

test("refuses a process that is gone, or has ended and was not waited for", async () => {
  const victim = await start();
  // The child ends when we close its input, which is after its parent became a program that never
  // waits for children.
  const words = ["-c", "cat <&3 & echo $!; exec cat 3<&-"];
  const parent = spawn("sh", words, { stdio: ["pipe", "pipe", "ignore", "pipe"] });
  const zombie = await new Promise<number>((resolve) => {
    parent.stdout?.once("data", (text) => resolve(Number(text)));
  });
  while (readFileSync(`/proc/${parent.pid}/comm`, "utf8") !== "cat\n");
  parent.stdio[3]?.destroy();
  while (!/^State:\s+Z/m.test(readFileSync(`/proc/${zombie}/status`, "utf8")));
  expect(engine.apply([zombie], hotpatch)).toMatchObject({ refused: "process-gone" });
  parent.kill("SIGKILL");
  await victim.kill();
  const gone = { refused: "process-gone", pid: victim.pid };
  expect(engine.apply([victim.pid], hotpatch)).toMatchObject(gone);
  expect(engine.revert([victim.pid], "value")).toMatchObject(gone);
  expect(engine.check(victim.pid, hotpatch)).toMatchObject({ refused: "process-gone" });
});

test("refuses a process that ends while it is worked on", async () => {
  for (const step of ["planned", "seized", "mapped", "written", "before-stop"]) {
    const victim = await start("2");
    onStep = (name) => {
      if (name === step) process.kill(victim.pid, "SIGKILL");
    };
    const report = engine.apply([victim.pid], hotpatch);
    onStep = () => {};
    const gone = { refused: "process-gone", pid: victim.pid };
    expect([step, report]).toMatchObject([step, gone]);
    await victim.kill();
  }
});

test.skipIf(process.getuid?.() !== 0)(
  "refuses a process of another user [needs another user]",
  async () => {
    const victim = await start();
    const folder = join(workshop.folder, "lock-of-nobody");
    mkdirSync(folder);
    chownSync(folder, NOBODY, NOBODY);
    chownSync(workshop.folder, NOBODY, NOBODY);
    const job = { operation: "apply" as const, pid: victim.pid, file };
    const as = { uid: NOBODY, folder };
    await expectRefusal(victim, "not-permitted", () => runApart(job, as));
    // Its own process, but one that protects itself.
    const own = await workshop.start(quiet, ["undumpable"], { uid: NOBODY });
    await expectRefusal(own, "not-permitted", () => runApart({ ...job, pid: own.pid }, as));
  },
);

test.skipIf(process.getuid?.() !== 0)(
  "refuses a seccomp filter that it may not suspend [needs another user]",
  async () => {
    const filtered = workshop.compileVictim("filtered", ["-pthread"]);
    make({ binary: filtered, id: "filtered" });
    const victim = await workshop.start(filtered);
    const job = {
      operation: "apply" as const,
      pid: victim.pid,
      file: join(workshop.folder, "filtered.hotpatch"),
    };
    const prefix = ["setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin"];
    await expectRefusal(victim, "seccomp", () => runApart(job, { prefix }));
  },
);

test("refuses a stopped process, and goes on when it continues", async () => {
  const victim = await start("2");
  const before = takeSnapshot(victim.pid);
  process.kill(victim.pid, "SIGSTOP");
  while (!/^State:\s+T/m.test(readFileSync(`/proc/${victim.pid}/status`, "utf8")));
  expect(apply(victim)).toMatchObject({ refused: "process-stopped", pid: victim.pid });
  expect(takeSnapshot(victim.pid)).toEqual(before);
  process.kill(victim.pid, "SIGCONT");
  await expectSuccess(victim);
});

test("refuses when a stop signal comes between the check and the stop", async () => {
  for (const step of ["planned", "seized", "written"]) {
    const victim = await start("2");
    const before = takeSnapshot(victim.pid);
    onStep = (name) => {
      if (name === step) process.kill(victim.pid, "SIGSTOP");
    };
    const report = apply(victim, hotpatch, 0);
    onStep = () => {};
    const status = readFileSync(`/proc/${victim.pid}/status`, "utf8");
    expect(status, step).toMatch(/^TracerPid:\s+0$/m);
    process.kill(victim.pid, "SIGCONT");
    expect(await answerOf(victim)).toBe(isRefusal(report) ? "value 2" : "value 102");
    const left = isRefusal(report)
      ? engine.recover(victim.pid)
      : engine.revert([victim.pid], "value");
    expect(isRefusal(left)).toBe(false);
    expect(takeSnapshot(victim.pid)).toEqual(before);
    expect(await answerOf(victim)).toBe("value 2");
  }
});

test("refuses a process that another program traces", async () => {
  const tracer = workshop.compileVictim("tracer");
  const victim = await start("2");
  const other = await workshop.start(tracer, [`${victim.pid}`]);
  const report = await expectRefusal(victim, "already-traced", () => apply(victim));
  expect(report.detail).toContain(`${other.pid}`);
  await expectRefusal(victim, "already-traced", () => engine.check(victim.pid, hotpatch));
  await other.kill();
  await expectSuccess(victim);
});

test("refuses while another command works on the process", async () => {
  const victim = await start("2");
  const at = { step: "planned", nth: 1, action: "wait" as const };
  const job: Job = { operation: "apply", pid: victim.pid, file, lockFolder, at };
  const other = await workshop.start(process.execPath, [KILLED_RUN, JSON.stringify(job)]);
  await expectRefusal(victim, "busy", () => apply(victim));
  await expectRefusal(victim, "busy", () => engine.revert([victim.pid], "value"));
  other.send("g");
  await other.nextLine(/^{/);
  expect(await answerOf(victim)).toBe("value 102");
});

test("refuses what is applied already, what is older, and to revert what is not applied", async () => {
  const victim = await start("2");
  const newer = make({ id: "newer", sequence: 2, source: "int value(int x) { return x + 1001; }" });
  const revert = (id: string) => () => engine.revert([victim.pid], id);
  await expectRefusal(victim, "not-applied", revert("value"));
  expect(isRefusal(apply(victim, newer))).toBe(false);
  await expectRefusal(victim, "already-applied", () => apply(victim, newer), "value 1002");
  await expectRefusal(victim, "newer-applied", () => apply(victim), "value 1002");
  await expectRefusal(victim, "not-applied", revert("value"), "value 1002");
  expect(isRefusal(engine.revert([victim.pid], "newer"))).toBe(false);
  await expectRefusal(victim, "not-applied", revert("newer"));
});

test("refuses a function without room for the jump", async () => {
  const victim = await start();
  const short = make({ id: "tiny", source: "int tiny(int x) { return x; }", functions: ["tiny"] });
  const report = await expectRefusal(victim, "function-too-short", () => apply(victim, short));
  expect(report.detail).toContain("tiny");
});

test("refuses when nothing within reach of the module is free", async () => {
  await expectRefusalOf("full", "no-room-near-module");
});

test("refuses code that the process may write", async () => {
  await expectRefusalOf("writable-code", "text-relocations");
});

test("refuses when the process may open no file, or map no memory", async () => {
  await expectRefusalOf("no-files", "remote-call-failed");
  await expectRefusalOf("no-memory", "remote-call-failed");
});

async function expectRefusalOf(word: string, reason: RefusalReason): Promise<void> {
  const victim = await start(word);
  await expectRefusal(victim, reason, () => apply(victim));
  await expectRefusal(victim, reason, () => apply(victim));
}

test("goes into a process that may write no file, or has a signal waiting that it blocks", async () => {
  await expectSuccess(await start("no-file-size"));
  await expectSuccess(await start("blocked-signal"));
});

function fillRoom(pid: number): void {
  for (const { address, size } of endOfCode(pid)) {
    writeProcess(pid, address, new Uint8Array(size).fill(0xcc));
  }
}

test("makes its calls without unused bytes behind code, or without rt_sigreturn", async () => {
  const full = await start("2");
  fillRoom(full.pid);
  await expectSuccess(full);
  const disguised = await start("2");
  disguiseSigreturn(disguised.pid);
  await expectSuccess(disguised);
});

test("refuses where an injected call has neither of the two", async () => {
  const victim = await start("2");
  fillRoom(victim.pid);
  disguiseSigreturn(victim.pid);
  await expectRefusal(victim, "no-room-for-call", () => apply(victim));
});

test("refuses when a thread cannot be stopped, and succeeds when it can", async () => {
  const victim = await start("2");
  victim.send("fork\n");
  const thread = await threadIn(victim, SYS_VFORK);
  const job = { operation: "apply" as const, pid: victim.pid, file, timeoutMs: 50 };
  // The thread is traced until the program that tried it ends.
  const report = await expectRefusal(victim, "threads-did-not-stop", () => runApart(job));
  expect(report.detail).toContain(`thread ${thread} did not stop`);
  victim.send("leave\n");
  await victim.nextLine(/^left/);
  await expectSuccess(victim);
});
