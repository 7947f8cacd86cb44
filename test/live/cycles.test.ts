import { join } from "node:path";
import { type Engine, type Hotpatch, isRefusal, openEngine } from "@suture/engine";
import { afterAll, beforeAll, expect, test } from "vitest";
import { residentKib, takeSnapshot } from "./snapshot.ts";
import { openWorkshop, type Victim } from "./victim.ts";

/** `npm run soak` asks for 10,000, which takes some minutes. */
const CYCLES = Number(process.env.SUTURE_CYCLES ?? 1000);
const CYCLES_A_ROUND = 50;
const MILLISECONDS_A_CYCLE_MAX = 200;
/** Pages that the kernel reads or drops on its own account. */
const RESIDENT_GROWTH_MAX_KIB = 256;
const OLD = 2;
const NEW = 102;

const workshop = openWorkshop();
let program: string;
let hotpatch: Hotpatch;

beforeAll(() => {
  program = workshop.compileVictim("cycles", ["-pthread"]);
  hotpatch = workshop.makeHotpatch({
    binary: program,
    source: "int value(int x) { return x + 101; }",
    functions: ["value"],
    id: "cycles",
  }).hotpatch;
});
afterAll(async () => {
  await workshop.endVictims();
  workshop.close();
});

interface Counts {
  readonly value: number;
  readonly calls: number;
  readonly least: number;
  readonly most: number;
}

async function ask(victim: Victim): Promise<Counts> {
  victim.send("?\n");
  const line = await victim.nextLine(/^value/);
  const [value = 0, calls = 0, least = 0, most = 0] = [...line.matchAll(/\d+/g)].map(Number);
  return { value, calls, least, most };
}

/** One cycle; the stops' lengths and attempts of apply and revert. */
function cycle(engine: Engine, pid: number): readonly { stopUs: number; attempts: number }[] {
  const applied = engine.apply([pid], hotpatch);
  if (isRefusal(applied)) throw new Error(`apply: ${applied.refused}: ${applied.detail}`);
  const reverted = engine.revert([pid], "cycles");
  if (isRefusal(reverted)) throw new Error(`revert: ${reverted.refused}: ${reverted.detail}`);
  for (const { memoryLeft } of reverted) expect(memoryLeft).toBeUndefined();
  return [...applied, ...reverted];
}

test(`${CYCLES} cycles of apply and revert under load leave the process as it was`, {
  timeout: 60_000 + CYCLES * MILLISECONDS_A_CYCLE_MAX,
}, async () => {
  const engine = openEngine({ lockFolder: join(workshop.folder, "lock") });
  const victim = await workshop.start(program, ["1", "7"]);
  const before = takeSnapshot(victim.pid);
  const residentBefore = residentKib(victim.pid);
  const started = performance.now();
  const reports: { stopUs: number; attempts: number }[] = [];
  for (let done = 0; done < CYCLES; done += CYCLES_A_ROUND) {
    for (let round = 0; round < CYCLES_A_ROUND; round++) {
      reports.push(...cycle(engine, victim.pid));
    }
    expect((await ask(victim)).value).toBe(OLD);
    engine.apply([victim.pid], hotpatch);
    expect((await ask(victim)).value).toBe(NEW);
    engine.revert([victim.pid], "cycles");
  }
  const seconds = (performance.now() - started) / 1000;
  const applied = CYCLES + CYCLES / CYCLES_A_ROUND;

  const { calls, least, most } = await ask(victim);
  expect(victim.ending()).toBeUndefined();
  expect(takeSnapshot(victim.pid)).toEqual(before);
  const growth = residentKib(victim.pid) - residentBefore;
  expect(growth).toBeLessThan(RESIDENT_GROWTH_MAX_KIB);
  // Every thread has really run through both, and none saw the change oftener than it was made.
  expect(least).toBeGreaterThan(applied / 10);
  expect(most).toBeLessThanOrEqual(applied);

  const stops = reports.map(({ stopUs }) => stopUs).sort((a, b) => a - b);
  const attempts = reports.reduce((sum, report) => sum + report.attempts, 0);
  console.log(
    `${CYCLES} cycles in ${seconds.toFixed(1)} s (${((seconds * 1000) / applied).toFixed(1)} ms each): ` +
      `stop median ${(stops[stops.length >> 1] ?? 0).toFixed(0)} us, longest ${(stops.at(-1) ?? 0).toFixed(0)} us, ` +
      `${(attempts / stops.length).toFixed(3)} attempts a stop, ${calls} calls, ` +
      `changes seen by a thread ${least} to ${most}, RSS ${growth} KiB more`,
  );
});
