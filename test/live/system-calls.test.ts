/** System calls and signals of the process: what it sees of them is what it would see without us. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Hotpatch, isRefusal, openEngine } from "@suture/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { hotpatchMaps } from "./snapshot.ts";
import { openWorkshop, type Victim } from "./victim.ts";

const EINTR = 4;
const EAGAIN = 11;
const ETIMEDOUT = 110;

const workshop = openWorkshop();
const lockFolder = join(workshop.folder, "lock");
let onStep = (_step: string): void => {};
const engine = openEngine({ lockFolder, faultPoint: (step) => onStep(step) });
let calls: string;

beforeAll(() => {
  calls = workshop.compileVictim("calls");
});
afterEach(() => workshop.endVictims());
afterAll(() => workshop.close());

const hotpatches = new Map<string, Hotpatch>();

function hotpatchFor(binary: string): Hotpatch {
  const made = hotpatches.get(binary);
  if (made !== undefined) return made;
  const source = "int value(int x) { return x + 101; }";
  const { hotpatch } = workshop.makeHotpatch({ binary, source, functions: ["value"], id: "calls" });
  hotpatches.set(binary, hotpatch);
  return hotpatch;
}

function cycle(pids: readonly number[], binary = calls): void {
  for (const report of [engine.apply(pids, hotpatchFor(binary)), engine.revert(pids, "calls")]) {
    if (isRefusal(report)) throw new Error(`${report.pid}: ${report.refused}: ${report.detail}`);
    for (const done of report) expect(done).not.toHaveProperty("memoryLeft");
  }
}

interface Return {
  readonly result: number;
  readonly errno: number;
  readonly milliseconds: number;
  readonly handled: number;
}

function parseReturn(line: string): Return {
  const [result = 0, errno = 0, microseconds = 0, handled = 0] = [...line.matchAll(/-?\d+/g)].map(
    Number,
  );
  return { result, errno, milliseconds: microseconds / 1000, handled };
}

const nextReturn = async (victim: Victim): Promise<Return> =>
  parseReturn(await victim.nextLine(/^returned/));

/** Starts a thread in the call, and waits until the kernel says that it is asleep in it. */
async function startCall(name: string, milliseconds: number): Promise<Victim> {
  const victim = await workshop.start(calls, [name, `${milliseconds}`]);
  await untilAsleep(victim.pid);
  return victim;
}

/** The calls of the victims wait for seconds; on the way there it is in none, or in write. */
async function untilAsleep(pid: number): Promise<void> {
  for (;;) {
    const number = readFileSync(`/proc/${pid}/syscall`, "latin1").split(" ")[0] ?? "";
    if (/^\d+$/.test(number) && number !== "1") return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Calls without a time limit, and what they return when they are released. */
const ENDLESS: Readonly<Record<string, readonly [number, number]>> = {
  read: [1, 0],
  poll: [1, 0],
  ppoll: [1, 0],
  select: [1, 0],
  sem_wait: [0, 0],
  futex: [0, 0],
  epoll_wait: [1, 0],
  epoll_pwait: [1, 0],
  semop: [0, 0],
  sigwaitinfo: [1, 0],
  accept: [1, 0],
  recv: [1, 0],
  msgrcv: [1, 0],
  waitpid: [1, 0],
  pause: [-1, EINTR],
};

test("calls that wait without end go on waiting, and end as they should", {
  timeout: 60_000,
}, async () => {
  const victims = await Promise.all(Object.keys(ENDLESS).map((name) => startCall(name, 0)));
  const pids = victims.map(({ pid }) => pid);
  for (let round = 0; round < 8; round++) cycle(pids);
  for (const victim of victims) victim.send("release\n");
  const returned = await Promise.all(victims.map(nextReturn));
  const seen = returned.map(({ result, errno }, index) => [
    Object.keys(ENDLESS)[index],
    [result, errno],
  ]);
  expect(Object.fromEntries(seen)).toEqual(ENDLESS);
});

const DURATION_MS = 800;
/** Clocks of different kinds are compared. */
const EARLY_MAX_MS = 1;
/** What a busy machine may add; a wait that began anew would add up to the whole duration. */
const LATE_MAX_MS = 400;

/** Calls with a time limit: what they return at its end, and whether they keep to it. */
const TIMED: Readonly<Record<string, readonly [number, number, "exact" | "later"]>> = {
  poll: [0, 0, "exact"],
  ppoll: [0, 0, "exact"],
  select: [0, 0, "exact"],
  nanosleep: [0, 0, "exact"],
  clock_nanosleep: [0, 0, "exact"],
  clock_nanosleep_until: [0, 0, "exact"],
  sem_timedwait: [-1, ETIMEDOUT, "exact"],
  futex: [-1, ETIMEDOUT, "exact"],
  // The kernel does not continue these, so they are made again with the whole time.
  epoll_wait: [0, 0, "later"],
  epoll_pwait: [0, 0, "later"],
  semtimedop: [-1, EAGAIN, "later"],
  sigtimedwait: [-1, EAGAIN, "later"],
  recv: [-1, EAGAIN, "later"],
};

test("calls with a time limit end neither early nor, where the kernel continues them, late", {
  timeout: 60_000,
}, async () => {
  const victims = await Promise.all(Object.keys(TIMED).map((name) => startCall(name, DURATION_MS)));
  const pids = victims.map(({ pid }) => pid);
  const until = performance.now() + 3 * DURATION_MS;
  while (performance.now() < until) cycle(pids);
  // The next line may be of a call that was made before the end of the cycles; the one after not.
  for (const [index, [name, [result, errno, end]]] of Object.entries(TIMED).entries()) {
    const victim = victims[index] as Victim;
    const returned = [await nextReturn(victim), await nextReturn(victim)];
    for (const line of victim.unread()) returned.push(parseReturn(line));
    for (const one of returned) {
      expect({ name, result: one.result, errno: one.errno }).toEqual({ name, result, errno });
      expect(one.milliseconds, name).toBeGreaterThan(DURATION_MS - EARLY_MAX_MS);
      if (end === "exact") expect(one.milliseconds, name).toBeLessThan(DURATION_MS + LATE_MAX_MS);
    }
  }
});

/** A cycle in which something happens at each step. */
function cycleWith(pid: number, step: (name: string) => void): void {
  onStep = step;
  try {
    cycle([pid]);
  } finally {
    onStep = () => {};
  }
}

/** The steps of one cycle, each once. */
function stepsOfCycle(pid: number): string[] {
  const steps = new Set<string>();
  cycleWith(pid, (name) => steps.add(name));
  return [...steps];
}

/** A cycle with a signal at the first time that this step comes. */
function cycleWithSignal(pid: number, signal: NodeJS.Signals, at: string): void {
  let sent = false;
  cycleWith(pid, (name) => {
    if (sent || name !== at) return;
    sent = true;
    process.kill(pid, signal);
  });
  expect(sent).toBe(true);
}

/** Calls that a signal with a handler interrupts, and what they wait at most. */
const INTERRUPTIBLE: Readonly<Record<string, number>> = {
  read: 0,
  poll: 0,
  select: 0,
  sem_wait: 0,
  accept: 0,
  msgrcv: 0,
  pause: 0,
  nanosleep: 100_000,
  futex: 100_000,
  // For these the kernel says EINTR also when the thread was only stopped.
  epoll_wait: 0,
  epoll_pwait: 100_000,
  semop: 0,
  recv: 100_000,
};
const NO_RETURN = { result: 0, errno: 0, handled: 0 };
const NO_RETURN_MS = 500;

for (const [name, limit] of Object.entries(INTERRUPTIBLE)) {
  test(`a signal at any step of a cycle interrupts ${name} exactly once`, async () => {
    const victim = await startCall(name, limit);
    const seen: Record<string, unknown> = {};
    const wanted: Record<string, unknown> = {};
    let count = 0;
    for (const step of stepsOfCycle(victim.pid)) {
      await untilAsleep(victim.pid);
      cycleWithSignal(victim.pid, "SIGUSR1", step);
      const { result, errno, handled } = await Promise.race([
        nextReturn(victim),
        new Promise<typeof NO_RETURN>((take) => setTimeout(take, NO_RETURN_MS, NO_RETURN)),
      ]);
      seen[step] = { result, errno, handled };
      wanted[step] = { result: -1, errno: EINTR, handled: ++count };
    }
    expect(count).toBeGreaterThan(10);
    expect(seen).toEqual(wanted);
    expect(victim.unread()).toEqual([]);
  });
}

test("a signal whose handler restarts calls is handled once at any step, and no call ends", async () => {
  for (const name of ["read", "sem_wait", "accept", "recv"]) {
    const victim = await startCall(name, 0);
    const steps = stepsOfCycle(victim.pid);
    for (const step of steps) cycleWithSignal(victim.pid, "SIGUSR2", step);
    await untilAsleep(victim.pid);
    victim.send("release\n");
    const { result, errno, handled } = await nextReturn(victim);
    expect([name, result, errno]).toEqual([name, ...(ENDLESS[name] ?? [])]);
    expect(handled, name).toBe(steps.length);
  }
});

test("a storm of signals loses none", { timeout: 60_000 }, async () => {
  const storm = workshop.compileVictim("storm", ["-pthread"]);
  const victim = await workshop.start(storm);
  for (let round = 0; round < 60; round++) cycle([victim.pid], storm);
  expect(hotpatchMaps(victim.pid)).toEqual([]);
  victim.send("end\n");
  const line = await victim.nextLine(/^expired/);
  const [expired = 0, milliseconds = 0, handled = 0, queued = 0, taken = 0, missing = 0] = [
    ...line.matchAll(/\d+/g),
  ].map(Number);
  // The last expiration may still be on its way when the timer is read.
  expect(Math.abs(expired - milliseconds)).toBeLessThanOrEqual(3);
  expect(handled).toBeGreaterThan(milliseconds / 4);
  expect(queued).toBeGreaterThan(milliseconds / 4);
  expect({ taken, missing }).toEqual({ taken: queued, missing: 0 });
});

const filters = /^Seccomp_filters:/m.test(readFileSync("/proc/self/status", "latin1"));

for (const threads of ["0", "5"]) {
  test.skipIf(!filters)(
    `a filter that kills for the calls of a hotpatch does not see them, ${threads} threads more [needs seccomp]`,
    async () => {
      const filtered = workshop.compileVictim("filtered", ["-pthread"]);
      const victim = await workshop.start(filtered, [threads]);
      const answer = async (): Promise<string> => {
        victim.send("?\n");
        return victim.nextLine(/^value/);
      };
      for (let round = 0; round < 10; round++) {
        const applied = engine.apply([victim.pid], hotpatchFor(filtered));
        if (isRefusal(applied)) throw new Error(applied.detail);
        expect(await answer()).toBe("value 102");
        const reverted = engine.revert([victim.pid], "calls");
        if (isRefusal(reverted)) throw new Error(reverted.detail);
        expect(await answer()).toBe("value 2");
      }
      expect(hotpatchMaps(victim.pid)).toEqual([]);
      // The filter still is what it was.
      victim.send("mmap\n");
      await expect(victim.nextLine(/^value/)).rejects.toThrow("SIGSYS");
    },
  );
}
