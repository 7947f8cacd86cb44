/** The command is killed while a callback runs: its thread goes back by itself, and all others run. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { isRefusal, openEngine } from "@suture/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { HEADER_OPTION, NOTE, withCallbacks } from "./callbacks.ts";
import { type Job, KILLED_RUN, type Outcome } from "./killed-run.ts";
import { hotpatchMaps, takeSnapshot } from "./snapshot.ts";
import { openWorkshop, type Victim } from "./victim.ts";

const TRIES = 5;

const workshop = openWorkshop();
const lockFolder = join(workshop.folder, "lock");
const engine = openEngine({ lockFolder });
let program: string;

beforeAll(() => {
  program = workshop.compileVictim("visitors", ["-pthread"]);
});
afterEach(() => workshop.endVictims());
afterAll(() => workshop.close());

/**
 * `linger` says that it runs, and returns when other threads ran meanwhile: while the command
 * lives they stand still, so it ends only after the kill.
 */
const make = (id: string, callbacks: readonly string[]): void => {
  workshop.makeHotpatch({
    binary: program,
    source: `${NOTE} NOTE(a, "a") NOTE(b, "b") NOTE(c, "c") NOTE(d, "d")
      long write(int, const void *, unsigned long);
      extern volatile long counted;
      int linger(void) {
        long start = counted;
        strcat(trace, "<");
        write(1, "lingering\\n", 10);
        while (counted < start + 20) __builtin_ia32_pause();
        strcat(trace, ">");
        return 0;
      }
      int visit(void) { return 1; }`,
    functions: ["visit"],
    flags: [HEADER_OPTION],
    dynamic: ["strcat", "memcpy", "strlen", "write"],
    edit: withCallbacks(...callbacks),
    id,
  });
};

async function ask(victim: Victim, what = "?"): Promise<string> {
  victim.send(`${what}\n`);
  return victim.nextLine(/^(visits|trace)/);
}

const ended = (child: ChildProcess): Promise<string | null> =>
  new Promise((resolve) => {
    child.once("exit", (_code, signal) => resolve(signal));
  });

/** Kills the command when the victim says that the callback runs. */
async function killInCallback(job: Job, victim: Victim): Promise<boolean> {
  const child = spawn(process.execPath, [KILLED_RUN, JSON.stringify(job)], { stdio: "ignore" });
  const end = ended(child);
  await victim.nextLine(/^lingering/);
  child.kill("SIGKILL");
  return (await end) === "SIGKILL";
}

interface Scene {
  readonly operation: Job["operation"];
  readonly callbacks: readonly string[];
  /** The trace when the thread is back, and when the next command has finished or undone. */
  readonly traces: readonly [string, string];
  readonly applied: boolean;
}

const SCENES: Readonly<Record<string, Scene>> = {
  "pre-apply": {
    operation: "apply",
    callbacks: ["pre-apply a", "pre-apply linger", "post-apply b", "pre-revert c", "post-revert d"],
    traces: ["a<>", "a<>d"],
    applied: false,
  },
  "post-apply": {
    operation: "apply",
    callbacks: [
      "pre-apply a",
      "post-apply linger",
      "post-apply b",
      "pre-revert c",
      "post-revert d",
    ],
    traces: ["a<>", "a<>b"],
    applied: true,
  },
  "pre-revert": {
    operation: "revert",
    callbacks: ["pre-apply a", "pre-revert linger", "pre-revert c", "post-revert d"],
    traces: ["a<>", "a<>cd"],
    applied: false,
  },
  "post-revert": {
    operation: "revert",
    callbacks: ["pre-apply a", "pre-revert c", "post-revert linger", "post-revert d"],
    traces: ["ac<>", "ac<>d"],
    applied: false,
  },
};

test.each(Object.entries(SCENES))(
  "a command that is killed in a %s callback",
  async (when, scene) => {
    make(when, scene.callbacks);
    for (let attempt = 1; ; attempt++) {
      expect(attempt, "the command outlives each callback").toBeLessThanOrEqual(TRIES);
      const victim = await workshop.start(program, ["3"]);
      const before = takeSnapshot(victim.pid);
      const file = join(workshop.folder, `${when}.hotpatch`);
      const apply: Job = { operation: "apply", pid: victim.pid, file, lockFolder };
      if (scene.operation === "revert") {
        const child = spawn(process.execPath, [KILLED_RUN, JSON.stringify(apply)], {
          stdio: "ignore",
        });
        expect(await ended(child)).toBeNull();
      }
      const job =
        scene.operation === "apply" ? apply : { ...apply, operation: scene.operation, id: when };
      if (!(await killInCallback(job, victim))) continue;
      // Whether the thread that answers was the borrowed one or not, it answers.
      expect(await ask(victim)).toMatch(/^visits [01] seen -1$/);
      for (;;) {
        const trace = await ask(victim, "t");
        if (trace === `trace ${scene.traces[0]}`) break;
        expect(`trace ${scene.traces[0]}`.startsWith(trace)).toBe(true);
      }
      const report = engine.recover(victim.pid);
      if (isRefusal(report)) throw new Error(report.detail);
      expect(await ask(victim, "t")).toBe(`trace ${scene.traces[1]}`);
      expect(await ask(victim)).toBe(`visits ${scene.applied ? 1 : 0} seen -1`);
      expect(engine.recover(victim.pid)).toBeUndefined();
      if (scene.applied) {
        const reverted = engine.revert([victim.pid], when);
        if (isRefusal(reverted)) throw new Error(reverted.detail);
        expect(await ask(victim, "t")).toBe(`trace ${scene.traces[1]}cd`);
      }
      expect(hotpatchMaps(victim.pid)).toEqual([]);
      expect(takeSnapshot(victim.pid)).toEqual(before);
      return;
    }
  },
);

test("a callback that cannot be stopped keeps its thread and the memory, and nobody else", async () => {
  workshop.makeHotpatch({
    binary: program,
    // The parent of a vfork waits for its child, and no tracer can stop it (ptrace(2)).
    source: `${NOTE} NOTE(d, "d") struct timespec { long seconds, nanoseconds; };
      int vfork(void); int nanosleep(struct timespec *, struct timespec *); void _exit(int);
      int linger(void) {
        struct timespec time = { 8, 0 };
        strcat(trace, "<");
        if (vfork() == 0) { nanosleep(&time, 0); _exit(0); }
        strcat(trace, ">");
        return 0;
      }
      int visit(void) { return 1; }`,
    functions: ["visit"],
    dynamic: ["strcat", "memcpy", "strlen", "vfork", "nanosleep", "_exit"],
    edit: withCallbacks("pre-apply linger", "post-revert d"),
    id: "stuck",
  });
  const victim = await workshop.start(program, ["3"]);
  const before = takeSnapshot(victim.pid);
  const file = join(workshop.folder, "stuck.hotpatch");
  const job: Job = { operation: "apply", pid: victim.pid, file, lockFolder };
  const child = spawn(process.execPath, [KILLED_RUN, JSON.stringify(job)]);
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  expect(await ended(child)).toBeNull();
  const { result } = JSON.parse(output) as Outcome;
  expect(result).toMatchObject({
    refused: "callback-failed",
    detail: expect.stringContaining("could not be stopped"),
  });
  expect(hotpatchMaps(victim.pid)).not.toEqual([]);
  for (;;) {
    const report = engine.recover(victim.pid);
    if (isRefusal(report)) throw new Error(report.detail);
    if (hotpatchMaps(victim.pid).length === 0) break;
  }
  expect(await ask(victim, "t")).toBe("trace <>");
  expect(await ask(victim)).toBe("visits 0 seen -1");
  expect(takeSnapshot(victim.pid)).toEqual(before);
});
