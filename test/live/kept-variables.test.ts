/** Variables that hotpatches bring keep value and place when a newer hotpatch takes over. */
import { join } from "node:path";
import { isRefusal, openEngine } from "@suture/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { hotpatchMaps, takeSnapshot } from "./snapshot.ts";
import { openWorkshop, type Victim } from "./victim.ts";

const workshop = openWorkshop();
const engine = openEngine({ lockFolder: join(workshop.folder, "lock") });
let program: string;

beforeAll(() => {
  program = workshop.compileVictim("visitors", ["-pthread"]);
});
afterEach(() => workshop.endVictims());
afterAll(() => workshop.close());

/** A hotpatch of `visit`, with sequence N, from a C text. */
const make = (id: string, sequence: number, source: string) =>
  workshop.makeHotpatch({
    binary: program,
    source: `extern int *remembered;\n${source}`,
    functions: ["visit"],
    id,
    sequence,
  }).hotpatch;

/** Counts in a static variable of a function, from 10 on, in steps. */
const counting = (step: number): string => `
  int visit(void) { static int count = 10; remembered = &count; return count += ${step}; }`;

async function ask(victim: Victim): Promise<string> {
  victim.send("?\n");
  return victim.nextLine(/^visits/);
}

function apply(pid: number, hotpatch: Parameters<typeof engine.apply>[1]): void {
  const report = engine.apply([pid], hotpatch);
  if (isRefusal(report)) throw new Error(report.detail);
}

function revert(pid: number, id: string): void {
  const report = engine.revert([pid], id);
  if (isRefusal(report)) throw new Error(report.detail);
}

/** Mappings of a hotpatch, as `r--` and so on. */
const mapped = (pid: number, id: string): string[] =>
  hotpatchMaps(pid)
    .filter((line) => line.includes(`suture:${id} `))
    .map((line) => line.split(" ")[1] ?? "");

test("two newer hotpatches go on with the variable, and the last one's revert frees all", async () => {
  const victim = await workshop.start(program);
  const before = takeSnapshot(victim.pid);
  expect(await ask(victim)).toBe("visits 0 seen -1");
  apply(victim.pid, make("one", 1, counting(1)));
  expect(await ask(victim)).toBe("visits 11 seen 11");
  // Other code, and a second variable of its own before the first in the object.
  const second = `static long other[600] = { 7 };
    int visit(void) { static int count = 10; count += 100; other[1] = count;
      __asm__ volatile("" :: "r"(other) : "memory"); return other[0] + other[1]; }`;
  apply(victim.pid, make("two", 2, second));
  expect(mapped(victim.pid, "one")).toEqual(["r--p", "rw-p"]);
  // `remembered` still points to the variable of the first.
  expect(await ask(victim)).toBe("visits 118 seen 111");
  apply(victim.pid, make("three", 3, counting(1000)));
  // The second variable is not used any more: the whole second hotpatch goes.
  expect(mapped(victim.pid, "two")).toEqual([]);
  expect(mapped(victim.pid, "one")).toEqual(["r--p", "rw-p"]);
  expect(await ask(victim)).toBe("visits 1111 seen 1111");
  const status = engine.status(victim.pid);
  expect(status).toMatchObject([{ id: "three", state: "applied", inForce: true }]);
  expect(engine.recover(victim.pid)).toBeUndefined();
  // The pointer would dangle now, and the program must not use it: here it is never read again.
  revert(victim.pid, "three");
  expect(hotpatchMaps(victim.pid)).toEqual([]);
  expect(takeSnapshot(victim.pid)).toEqual(before);
});

test("a variable that no newer hotpatch uses goes with its hotpatch, and starts anew later", async () => {
  const victim = await workshop.start(program);
  apply(victim.pid, make("first", 1, counting(1)));
  expect(await ask(victim)).toBe("visits 11 seen 11");
  apply(victim.pid, make("without", 2, "int visit(void) { remembered = 0; return 5; }"));
  expect(mapped(victim.pid, "first")).toEqual([]);
  expect(await ask(victim)).toBe("visits 5 seen -1");
  apply(victim.pid, make("again", 3, counting(1)));
  expect(await ask(victim)).toBe("visits 11 seen 11");
});

test("the constants that a kept variable points to stay with it", async () => {
  const victim = await workshop.start(program);
  const source = (ending: string): string => `
    static const char *volatile name = "abcd"; static int hidden;
    int visit(void) { ${ending} return name[0] - 'a' + 100 * hidden; }`;
  apply(victim.pid, make("strings", 1, source("hidden++;")));
  expect(await ask(victim)).toBe("visits 100 seen -1");
  apply(victim.pid, make("strings-2", 2, `${source('hidden++; (void)"other";')}`));
  expect(await ask(victim)).toBe("visits 200 seen -1");
});

test.each([
  ["another size", "static long n[2]; int visit(void) { return ++n[1]; }", "has 4 bytes"],
  ["another initial value", "static int n = 3; int visit(void) { return ++n; }", "another value"],
])("a variable of %s is refused, and nothing changes", async (_what, source, why) => {
  const victim = await workshop.start(program);
  apply(victim.pid, make("old", 1, "static int n; int visit(void) { return ++n; }"));
  expect(await ask(victim)).toBe("visits 1 seen -1");
  const before = takeSnapshot(victim.pid);
  const refused = engine.apply([victim.pid], make("new", 2, source));
  expect(refused).toMatchObject({ refused: "variable-not-kept" });
  expect(isRefusal(refused) && refused.detail).toContain(why);
  expect(takeSnapshot(victim.pid)).toEqual(before);
  expect(await ask(victim)).toBe("visits 2 seen -1");
});

test("a variable that started with an address of new code is not taken over", async () => {
  const victim = await workshop.start(program);
  const source = `static __attribute__((noinline)) int helper(void) { return 6; }
    static int (*volatile go)(void) = helper; int visit(void) { return go(); }`;
  apply(victim.pid, make("pointing", 1, source));
  expect(await ask(victim)).toBe("visits 6 seen -1");
  expect(engine.apply([victim.pid], make("pointing-2", 2, source))).toMatchObject({
    refused: "variable-not-kept",
  });
  revert(victim.pid, "pointing");
  apply(victim.pid, make("pointing-2", 2, source));
  expect(await ask(victim)).toBe("visits 6 seen -1");
});
