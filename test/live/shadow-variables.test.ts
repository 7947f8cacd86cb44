/**
 * The worked example of docs/writing-hotpatches.md: a fix that adds a member to a struct is refused,
 * and its adaptation with a shadow variable is built, applied, superseded and reverted.
 */
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildHotpatch, isBuildRefusal, verifyHotpatch } from "@suture/builder";
import { type Hotpatch, isRefusal, openEngine, parseHotpatch } from "@suture/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { HEADER_OPTION } from "./callbacks.ts";
import { takeSnapshot } from "./snapshot.ts";
import { openWorkshop, type Victim } from "./victim.ts";

const SESSIONS = fileURLToPath(new URL("../victims/sessions", import.meta.url));
const workshop = openWorkshop();
const source = join(workshop.folder, "sessions");
const engine = openEngine({ lockFolder: join(workshop.folder, "lock") });

beforeAll(() => {
  cpSync(SESSIONS, source, { recursive: true });
  execFileSync("make", ["-s", "server"], { cwd: source });
});
afterEach(() => workshop.endVictims());
afterAll(() => workshop.close());

const build = (patch: string, sequence = 1) =>
  buildHotpatch(
    {
      kind: "tree",
      source,
      patch,
      sequence,
      binary: join(source, "server"),
      buildCommand: ["make", "-B"],
      cacheFolder: join(workshop.folder, "cache"),
      env: process.env,
    },
    () => {},
  );

async function mustBuild(patch: string, sequence = 1): Promise<Hotpatch> {
  const result = await build(patch, sequence);
  if (isBuildRefusal(result)) throw new Error(JSON.stringify(result, null, 1));
  const hotpatch = parseHotpatch(result.hotpatches[0].bytes);
  if (isRefusal(hotpatch)) throw new Error(hotpatch.detail);
  return hotpatch;
}

const ask = async (victim: Victim, line: string): Promise<string> => {
  victim.send(`${line}\n`);
  return victim.nextLine(/./);
};

function must(report: unknown): void {
  if (isRefusal(report)) throw new Error(`${report.refused}: ${report.detail}`);
}

test("the fix as it came is refused, with the type and its member", async () => {
  const refused = await build(join(source, "fix.patch"));
  expect(refused).toMatchObject({ refused: "not-patchable" });
  expect(JSON.stringify(refused)).toMatch(/type-layout.*session|session.*type-layout/);
});

test("with a shadow variable it holds for sessions that were there before", async () => {
  const victim = await workshop.start(join(source, "server"), ["4"]);
  const hotpatch = await mustBuild(join(source, "hotpatch.patch"));
  const { description } = hotpatch;
  expect(description.callbacks).toEqual([
    { when: "post-revert", symbol: "forget_failures@session.c#new", unit: "session.c" },
  ]);
  expect(await ask(victim, "open ann")).toBe("opened");
  for (let attempt = 0; attempt < 4; attempt++) {
    expect(await ask(victim, "login ann guess")).toBe("wrong");
  }
  expect(await ask(victim, "login ann sesame")).toBe("welcome");
  const before = takeSnapshot(victim.pid);

  must(engine.apply([victim.pid], hotpatch));
  for (let attempt = 0; attempt < 3; attempt++) {
    expect(await ask(victim, "login ann guess")).toBe("wrong");
  }
  expect(await ask(victim, "login ann sesame")).toBe("wrong");
  expect(await ask(victim, "open ben")).toBe("opened");
  expect(await ask(victim, "login ben sesame")).toBe("welcome");

  // A session at the same address as one that was closed starts with no failures.
  expect(await ask(victim, "close ann")).toBe("closed");
  expect(await ask(victim, "open ann")).toBe("opened");
  expect(await ask(victim, "login ann sesame")).toBe("welcome");
  for (let attempt = 0; attempt < 3; attempt++) await ask(victim, "login ann guess");

  // A newer hotpatch with a higher limit knows the failures so far.
  const patch = readFileSync(join(source, "hotpatch.patch"), "utf8");
  writeFileSync(join(source, "newer.patch"), patch.replace(">= 3", ">= 5"));
  const newer = await mustBuild(join(source, "newer.patch"), 2);
  must(engine.apply([victim.pid], newer));
  expect(await ask(victim, "login ann sesame")).toBe("welcome");
  for (let attempt = 0; attempt < 2; attempt++) await ask(victim, "login ann guess");
  expect(await ask(victim, "login ann sesame")).toBe("wrong");

  must(engine.revert([victim.pid], newer.description.id));
  expect(await ask(victim, "login ann sesame")).toBe("welcome");
  expect(takeSnapshot(victim.pid)).toEqual(before);
});

test("`suture verify` tries it in a process of its own", async () => {
  const report = await verifyHotpatch({
    hotpatch: (await mustBuild(join(source, "hotpatch.patch"))).bytes,
    binary: join(source, "server"),
    env: process.env,
    engine,
  });
  expect(report).toMatchObject({ ok: true, applied: true, reverted: true });
});

/** `admitted` and `rejected` of the victim's threads. */
async function counts(victim: Victim): Promise<[number, number]> {
  const [, admitted, rejected] =
    /admitted (\d+) rejected (\d+)/.exec(await ask(victim, "count")) ?? [];
  return [Number(admitted), Number(rejected)];
}

/** Waits until the threads went on for a while. */
async function goOn(victim: Victim): Promise<[number, number]> {
  const [admitted, rejected] = await counts(victim);
  for (;;) {
    const now = await counts(victim);
    if (now[0] + now[1] > admitted + rejected + 200) return now;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test("threads that make and free shadow variables all the time find their own", async () => {
  const victim = await workshop.start(join(source, "server"), ["8"]);
  const hotpatch = await mustBuild(join(source, "hotpatch.patch"));
  const before = takeSnapshot(victim.pid);
  for (let round = 0; round < 3; round++) {
    const [, rejectedBefore] = await goOn(victim);
    must(engine.apply([victim.pid], hotpatch));
    await goOn(victim); // Sessions that were under way when the hotpatch came are gone.
    const [admitted, rejected] = await counts(victim);
    const [admittedLater, rejectedLater] = await goOn(victim);
    expect(admittedLater).toBe(admitted);
    expect(rejectedLater).toBeGreaterThan(rejected);
    expect(rejected).toBeGreaterThan(rejectedBefore);
    must(engine.revert([victim.pid], hotpatch.description.id));
    const [later] = await goOn(victim);
    expect(later).toBeGreaterThan(admittedLater);
  }
  expect(takeSnapshot(victim.pid).maps.filter((line) => line.includes("r-x"))).toEqual(
    before.maps.filter((line) => line.includes("r-x")),
  );
});

const STRESS = `
#include "suture.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
enum { THREADS = 8, OBJECTS = 400 };
static char objects[OBJECTS];
static int made, ended;
struct data { void *obj; long id; char rest[200]; };
static int make(void *obj, void *data) {
  struct data *made_now = data;
  for (size_t i = 0; i < sizeof *made_now; i++) if (((char *)data)[i]) abort();
  made_now->obj = obj; __atomic_add_fetch(&made, 1, 5); memset(made_now->rest, 7, 200); return 0;
}
static int refuse(void *obj, void *data) { (void)obj; memset(data, 9, 8); return 1; }
static void end(void *obj, void *data) {
  if (((struct data *)data)->obj != obj) abort();
  __atomic_add_fetch(&ended, 1, 5);
}
static void *work(void *arg) {
  long id = (long)arg;
  for (int round = 0; round < ROUNDS; round++) {
    for (int i = 0; i < OBJECTS; i++) {
      struct data *own = suture_shadow_get_or_alloc(&objects[i], id, sizeof *own, make);
      if (!own || own->obj != &objects[i] || (own->id && own->id != id)) abort();
      own->id = id;
      if (suture_shadow_get(&objects[i], id) != own) abort();
      if (suture_shadow_get_or_alloc(&objects[i], 1000 + id, 40, refuse)) abort();
      struct data *shared = suture_shadow_get_or_alloc(&objects[i], 99, sizeof *own, make);
      if (!shared || shared->obj != &objects[i]) abort();
      if (round % 3 == 0) suture_shadow_free(&objects[i], id, end);
    }
    if (round % 50 == 0) suture_shadow_free_all(id, end);
    char *large = suture_shadow_get_or_alloc(&objects[id], 500 + id, 100000, NULL);
    if (!large || large[99999]) abort();
    large[99999] = 1;
    suture_shadow_free(&objects[id], 500 + id, NULL);
  }
  suture_shadow_free_all(id, end);
  return NULL;
}
int main(void) {
  pthread_t threads[THREADS];
  for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, work, (void *)(i + 1));
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  if (suture_shadow_get_or_alloc(objects, 1, (size_t)-1, NULL)) abort();
  printf("left %d\\n", made - ended);
  suture_shadow_free_all(99, end);
  printf("left %d\\n", made - ended);
  suture_shadow_free_everything();
  printf("table %d\\n", suture_shadow_get(objects, 99) == NULL);
  return 0;
}`;

test.each([
  ["-O2", ["-DROUNDS=300"]],
  ["with gcc's thread sanitizer", ["-DROUNDS=12", "-fsanitize=thread"]],
  ["with gcc's address and undefined sanitizers", ["-DROUNDS=60", "-fsanitize=address,undefined"]],
])("the header alone keeps its promises to threads, %s", (name, flags) => {
  const options = [HEADER_OPTION, "-Wall", "-Wextra", "-pthread", ...flags];
  const program = workshop.compile(`stress-${name.replaceAll(/\W/g, "")}`, STRESS, options);
  const run = spawnSync("setarch", ["-R", program], { encoding: "utf8" });
  expect(run.stderr).toBe("");
  // What all threads share is there once for each object.
  expect(run.stdout).toBe("left 400\nleft 0\ntable 1\n");
});
