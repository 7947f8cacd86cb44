/**
 * SIGKILL of the command at each of its steps.
 *
 * The steps are not listed here: a run that is not killed tells them, and the sources are searched
 * for others, so a new step is tried without a change of this file.
 */
import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isRefusal, openEngine, parseHotpatch } from "@suture/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { withCallbacks } from "./callbacks.ts";
import { type Job, KILLED_RUN, type Outcome } from "./killed-run.ts";
import { hotpatchMaps, type Snapshot, takeSnapshot } from "./snapshot.ts";
import { openWorkshop, type Victim } from "./victim.ts";

const SLEEPING = ["4"];
const OLD = "one 1 two 2 three 3";
const NEW = "one 11 two 22 three 33";
const NEWER = "one 1 two 222 three 333";
const ANY = /^one (1|11) two (2|22|222) three (3|33|333)$/;

const workshop = openWorkshop();
const lockFolder = join(workshop.folder, "lock");
let program: string;
/** Replaces all three functions. */
let first: string;
/** Supersedes the first: it drops `one` and has other new code for the rest. */
let second: string;
/** As the first, with callbacks of all kinds. */
let withAll: string;
const FUNCTIONS = Object.entries({ one: 11, two: 22, three: 33 })
  .map(([name, value]) => `int ${name}(void) { return ${value}; }`)
  .join("\n");

beforeAll(() => {
  program = workshop.compileVictim("answers", ["-pthread"]);
  const make = (id: string, sequence: number, values: Readonly<Record<string, number>>): string => {
    const source = Object.entries(values).map(([name, value]) => {
      return `int ${name}(void) { calls++; return ${value}; }`;
    });
    workshop.makeHotpatch({
      binary: program,
      // A variable that the second keeps when it supersedes the first.
      source: `static volatile int calls;\n${source.join("\n")}`,
      functions: Object.keys(values),
      id,
      sequence,
    });
    return join(workshop.folder, `${id}.hotpatch`);
  };
  first = make("first", 1, { one: 11, two: 22, three: 33 });
  second = make("second", 2, { two: 222, three: 333 });
  withAll = join(workshop.folder, "with-callbacks.hotpatch");
  workshop.makeHotpatch({
    binary: program,
    source: `${FUNCTIONS} int a(void) { return 0; } int b(void) { return 1; }`,
    functions: ["one", "two", "three"],
    id: "with-callbacks",
    edit: withCallbacks("pre-apply a", "post-apply b", "pre-revert a", "post-revert b"),
  });
});
afterEach(() => workshop.endVictims());
afterAll(() => workshop.close());

/** Runs the job; undefined when it was killed. */
function run(job: Omit<Job, "lockFolder">): Promise<Outcome | undefined> {
  const args = [KILLED_RUN, JSON.stringify({ ...job, lockFolder })];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.on("data", (chunk) => {
    output += chunk;
  });
  return new Promise((resolve, reject) => {
    child.once("close", (code, signal) => {
      if (signal === "SIGKILL") resolve(undefined);
      else if (code === 0) resolve(JSON.parse(output) as Outcome);
      else reject(new Error(`ended with ${code ?? signal}: ${output}`));
    });
  });
}

async function mustRun(job: Omit<Job, "lockFolder">): Promise<Outcome> {
  const outcome = await run(job);
  if (outcome === undefined || isRefusal(outcome.result)) {
    throw new Error(`${job.operation}: ${JSON.stringify(outcome)}`);
  }
  return outcome;
}

async function answerOf(victim: Victim): Promise<string> {
  victim.send("?\n");
  return victim.nextLine(/^one/);
}

interface Scene {
  /** The victim's arguments. */
  readonly victim: readonly string[];
  readonly job: (pid: number) => Omit<Job, "lockFolder">;
  /** What is in the process before. */
  readonly prepare: (pid: number) => void;
  /** The answers before and after the whole operation: the only ones after recovery. */
  readonly answers: readonly [string, string];
  /** Which hotpatch the new answers are of, where it is not the first. */
  readonly id?: string;
}

const engine = openEngine({ lockFolder });

/** Applies in this process, which nobody kills. */
function apply(pid: number, ...files: readonly string[]): void {
  for (const file of files) {
    const hotpatch = parseHotpatch(readFileSync(file));
    const report = isRefusal(hotpatch) ? hotpatch : engine.apply([pid], hotpatch);
    if (isRefusal(report)) throw new Error(report.detail);
  }
}

function revert(pid: number, id: string): void {
  const report = engine.revert([pid], id);
  if (isRefusal(report)) throw new Error(report.detail);
}

const SCENES: Readonly<Record<string, Scene>> = {
  apply: {
    victim: SLEEPING,
    prepare: () => {},
    job: (pid) => ({ operation: "apply", pid, file: first }),
    answers: [OLD, NEW],
  },
  "apply to a process that never sleeps": {
    victim: ["0", "busy"],
    prepare: () => {},
    job: (pid) => ({ operation: "apply", pid, file: first }),
    answers: [OLD, NEW],
  },
  revert: {
    victim: SLEEPING,
    prepare: (pid) => apply(pid, first),
    job: (pid) => ({ operation: "revert", pid, id: "first" }),
    answers: [NEW, OLD],
  },
  "apply with callbacks": {
    victim: SLEEPING,
    prepare: () => {},
    job: (pid) => ({ operation: "apply", pid, file: withAll }),
    answers: [OLD, NEW],
    id: "with-callbacks",
  },
  "revert with callbacks": {
    victim: SLEEPING,
    prepare: (pid) => apply(pid, withAll),
    job: (pid) => ({ operation: "revert", pid, id: "with-callbacks" }),
    answers: [NEW, OLD],
    id: "with-callbacks",
  },
  "apply of a superseding hotpatch": {
    victim: SLEEPING,
    prepare: (pid) => apply(pid, first),
    job: (pid) => ({ operation: "apply", pid, file: second }),
    answers: [NEW, NEWER],
  },
  "revert of a superseding hotpatch": {
    victim: SLEEPING,
    prepare: (pid) => apply(pid, first, second),
    job: (pid) => ({ operation: "revert", pid, id: "second" }),
    answers: [NEWER, OLD],
  },
};

interface Step {
  readonly step: string;
  readonly nth: number;
}

/** Every step with its number of occurrence, but for attempts, which are as many as it needs. */
function numbered({ steps }: Outcome): Step[] {
  return steps
    .map((step, index) => ({
      step,
      nth: steps.slice(0, index + 1).filter((name) => name === step).length,
    }))
    .filter(({ step, nth }) => step !== "before-stop" || nth === 1);
}

/** The steps of one whole run. */
async function stepsOf(scene: Scene): Promise<Step[]> {
  const victim = await workshop.start(program, scene.victim);
  scene.prepare(victim.pid);
  const outcome = await mustRun(scene.job(victim.pid));
  expect(await answerOf(victim)).toBe(scene.answers[1]);
  await victim.kill();
  return numbered(outcome);
}

async function killAt(job: Omit<Job, "lockFolder">, step: Step): Promise<void> {
  const outcome = await run({ ...job, at: { ...step, action: "kill" } });
  expect(outcome, `${job.operation} comes to ${step.step} ${step.nth}`).toBeUndefined();
}

/** The process is whole again: new engine, recovery, and then a revert of what there is. */
async function checkRecovery(
  victim: Victim,
  before: Snapshot,
  { answers, id = "first" }: Pick<Scene, "id"> & { readonly answers: readonly string[] },
): Promise<void> {
  expect(await answerOf(victim)).toMatch(ANY);
  const next = openEngine({ lockFolder });
  const report = next.recover(victim.pid);
  if (isRefusal(report)) throw new Error(report.detail);
  const answer = await answerOf(victim);
  expect(answers).toContain(answer);
  expect(next.recover(victim.pid)).toBeUndefined();
  const status = next.status(victim.pid);
  if (isRefusal(status)) throw new Error(status.detail);
  const [applied, ...others] = status;
  expect(others).toEqual([]);
  expect(applied?.id).toBe({ [OLD]: undefined, [NEW]: id, [NEWER]: "second" }[answer]);
  if (applied !== undefined) {
    expect(applied).toMatchObject({ state: "applied", inForce: true });
    revert(victim.pid, applied.id);
  }
  expect(hotpatchMaps(victim.pid)).toEqual([]);
  expect(takeSnapshot(victim.pid)).toEqual(before);
  expect(await answerOf(victim)).toBe(OLD);
  apply(victim.pid, first);
  expect(await answerOf(victim)).toBe(NEW);
  revert(victim.pid, "first");
  expect(takeSnapshot(victim.pid)).toEqual(before);
}

const tried = new Set<string>();

for (const [name, scene] of Object.entries(SCENES)) {
  test(`${name}, killed at each step, is finished or undone by the next command`, async () => {
    const steps = await stepsOf(scene);
    expect(steps.length).toBeGreaterThan(5);
    for (const step of steps) {
      tried.add(step.step);
      const victim = await workshop.start(program, scene.victim);
      const before = takeSnapshot(victim.pid);
      scene.prepare(victim.pid);
      await killAt(scene.job(victim.pid), step);
      await checkRecovery(victim, before, scene);
      await victim.kill();
    }
  });
}

test("recovery, killed at each step, is finished by the next command", async () => {
  const interrupted = async (): Promise<{ victim: Victim; before: Snapshot }> => {
    const victim = await workshop.start(program, SLEEPING);
    const before = takeSnapshot(victim.pid);
    apply(victim.pid, first);
    const superseding = { operation: "apply" as const, pid: victim.pid, file: second };
    await killAt(superseding, { step: "switching", nth: 2 });
    return { victim, before };
  };
  const { victim } = await interrupted();
  const steps = numbered(await mustRun({ operation: "recover", pid: victim.pid }));
  expect(steps.map(({ step }) => step)).toContain("switched");
  for (const step of steps) {
    const again = await interrupted();
    await killAt({ operation: "recover", pid: again.victim.pid }, step);
    await checkRecovery(again.victim, again.before, { answers: [OLD, NEW, NEWER] });
    await again.victim.kill();
  }
});

test("every step in the engine's sources was tried", () => {
  const folder = fileURLToPath(new URL("../../packages/engine/src/", import.meta.url));
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"))
    .flatMap((file) => [
      ...readFileSync(join(folder, file), "utf8").matchAll(/faultPoint\("([^"]+)"\)/g),
    ])
    .map(([, name = ""]) => name);
  expect(names.length).toBeGreaterThan(10);
  expect([...new Set(names)].sort()).toEqual([...tried].sort());
});
