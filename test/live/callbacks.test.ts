/** Callbacks of hotpatches in live processes: order and count, refusals, faults, registers. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { isRefusal, openEngine } from "@suture/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { HEADER_OPTION, NOTE, withCallbacks } from "./callbacks.ts";
import { hotpatchMaps, takeSnapshot } from "./snapshot.ts";
import { openWorkshop, type Victim } from "./victim.ts";

const ALL_FOUR = ["pre-apply a1", "post-apply b1", "pre-revert c1", "post-revert d1"];

const workshop = openWorkshop();
const engine = openEngine({ lockFolder: join(workshop.folder, "lock") });
let program: string;

beforeAll(() => {
  program = workshop.compileVictim("visitors", ["-pthread"]);
});
afterEach(() => workshop.endVictims());
afterAll(() => workshop.close());

const make = (id: string, source: string, callbacks: readonly string[], sequence = 1) =>
  workshop.makeHotpatch({
    binary: program,
    source: `${NOTE} int visit(void) { return 1; } ${source}`,
    functions: ["visit"],
    flags: [HEADER_OPTION],
    dynamic: ["strcat", "memcpy", "strlen"],
    edit: withCallbacks(...callbacks),
    id,
    sequence,
  }).hotpatch;

const notes = (which: string): string =>
  ["a", "b", "c", "d"].map((name) => `NOTE(${name}${which}, "${name}${which}")`).join("\n");

/** The signal mask of each thread. */
const blockedSignals = (pid: number): readonly string[] =>
  readdirSync(`/proc/${pid}/task`).map((tid) => {
    const status = readFileSync(`/proc/${pid}/task/${tid}/status`, "latin1");
    return /^SigBlk:\s*(\w+)$/m.exec(status)?.[1] ?? "unknown";
  });

async function ask(victim: Victim, what = "?"): Promise<string> {
  victim.send(`${what}\n`);
  return victim.nextLine(/^(visits|trace)/);
}

function mustApply(pid: number, hotpatch: Parameters<typeof engine.apply>[1]): void {
  const report = engine.apply([pid], hotpatch);
  if (isRefusal(report)) throw new Error(`${report.refused}: ${report.detail}`);
}

function mustRevert(pid: number, id: string) {
  const report = engine.revert([pid], id);
  if (isRefusal(report)) throw new Error(`${report.refused}: ${report.detail}`);
  return report[0];
}

test.each([
  ["one thread, which sleeps in a call that is made again", []],
  ["threads that sleep in calls that the kernel continues", ["4"]],
])("each callback runs once and in its turn, in a process with %s", async (_what, args) => {
  const victim = await workshop.start(program, args);
  const before = takeSnapshot(victim.pid);
  const hotpatch = make("four", notes("1"), ALL_FOUR);
  const blocked = blockedSignals(victim.pid);
  for (let round = 0; round < 3; round++) {
    mustApply(victim.pid, hotpatch);
    expect(await ask(victim)).toBe("visits 1 seen -1");
    expect(await ask(victim, "t")).toBe(`trace ${"a1b1c1d1".repeat(round)}a1b1`);
    mustRevert(victim.pid, "four");
    expect(await ask(victim)).toBe("visits 0 seen -1");
    expect(await ask(victim, "t")).toBe(`trace ${"a1b1c1d1".repeat(round + 1)}`);
    expect(takeSnapshot(victim.pid)).toEqual(before);
    expect(blockedSignals(victim.pid)).toEqual(blocked);
  }
});

test("of a superseding hotpatch only its own callbacks run", async () => {
  const victim = await workshop.start(program, ["2"]);
  const before = takeSnapshot(victim.pid);
  mustApply(victim.pid, make("older", notes("1"), ALL_FOUR));
  const newer = ALL_FOUR.map((text) => text.replace("1", "2"));
  mustApply(victim.pid, make("newer", notes("2"), newer, 2));
  expect(await ask(victim, "t")).toBe("trace a1b1a2b2");
  mustRevert(victim.pid, "newer");
  expect(await ask(victim, "t")).toBe("trace a1b1a2b2c2d2");
  expect(takeSnapshot(victim.pid)).toEqual(before);
});

test("a pre-apply callback that says no leaves all as it was, and names itself", async () => {
  const victim = await workshop.start(program, ["2"]);
  const before = takeSnapshot(victim.pid);
  const hotpatch = make(
    "no",
    `${notes("1")} ${notes("2")} ${notes("3")} int deny(void) { strcat(trace, "!"); return -7; }`,
    [
      ...["pre-apply a1 first.c", "post-revert d1 first.c", "pre-apply a2 second.c"],
      ...["pre-apply deny second.c", "post-revert d2 second.c", "pre-apply a3 third.c"],
      ...["post-revert d3 third.c", "post-apply b1 first.c", "pre-revert c1 first.c"],
    ],
  );
  const refused = engine.apply([victim.pid], hotpatch);
  expect(refused).toMatchObject({
    refused: "callback-refused",
    detail: expect.stringMatching(/pre-apply callback deny of no returned -7$/),
  });
  // Only the unit whose pre-apply callbacks all said yes has something to clean up.
  expect(await ask(victim, "t")).toBe("trace a1a2!d1");
  expect(await ask(victim)).toBe("visits 0 seen -1");
  expect(takeSnapshot(victim.pid)).toEqual(before);
});

test.each([
  ["faults", "int bad(void) { return *(volatile int *)16; }", "was ended by signal 11"],
  ["hangs", 'int bad(void) { for (;;) __asm__ volatile("pause"); }', "did not return within"],
  ["sleeps", "int bad(void) { return pause(); }", "did not return within"],
])("a callback that %s is cut short, and the process goes on", async (_how, bad, why) => {
  const victim = await workshop.start(program, ["2"]);
  const before = takeSnapshot(victim.pid);
  const source = `int pause(void); ${notes("1")} ${bad}`;
  const build = (id: string, callbacks: readonly string[]) =>
    workshop.makeHotpatch({
      binary: program,
      source: `${NOTE} int visit(void) { return 1; } ${source}`,
      functions: ["visit"],
      dynamic: ["strcat", "memcpy", "strlen", "pause"],
      edit: withCallbacks(...callbacks),
      id,
    }).hotpatch;
  const failed = { refused: "callback-failed", detail: expect.stringContaining(why) };
  const early = build("early", ["pre-apply bad", "post-apply b1", "post-revert d1"]);
  expect(engine.apply([victim.pid], early)).toMatchObject(failed);
  expect(await ask(victim, "t")).toBe("trace ");
  const late = build("late", ["pre-apply a1", "post-apply bad", "pre-revert c1", "post-revert d1"]);
  expect(engine.apply([victim.pid], late)).toMatchObject(failed);
  expect(await ask(victim)).toBe("visits 0 seen -1");
  expect(await ask(victim, "t")).toBe("trace a1d1");
  expect(takeSnapshot(victim.pid)).toEqual(before);
  const back = build("back", ["pre-apply a1", "pre-revert bad", "pre-revert c1", "post-revert d1"]);
  mustApply(victim.pid, back);
  expect(engine.revert([victim.pid], "back")).toMatchObject(failed);
  expect(await ask(victim)).toBe("visits 1 seen -1");
  mustRevert(victim.pid, "back");
  expect(await ask(victim, "t")).toBe("trace a1d1a1c1d1");
  const after = build("after", ["post-revert bad", "post-revert d1"]);
  mustApply(victim.pid, after);
  expect(mustRevert(victim.pid, "after")).toMatchObject({ callbackFailed: failed });
  expect(await ask(victim, "t")).toBe("trace a1d1a1c1d1d1");
  expect(hotpatchMaps(victim.pid)).toEqual([]);
  expect(takeSnapshot(victim.pid)).toEqual(before);
});
