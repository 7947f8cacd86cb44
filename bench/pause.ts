/**
 * How long a process stands still: the longest gap that a thread sees which reads the clock all
 * the time, while a hotpatch is applied and reverted, against the floor in the same run.
 *
 * A machine makes gaps of its own, and the longer one looks, the longer is the longest. So every
 * turn looks for the same time, and one turn in four looks at a process to which nothing is done.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { isRefusal, openEngine, parseElf, symbolTable } from "@suture/engine";
import { openWorkshop, startVictim, type Victim } from "../test/live/victim.ts";
import { TOOL_COMMAND, withQuietMachine } from "./quiet.ts";

export interface PauseRow {
  readonly threads: number;
  readonly operation: "apply" | "revert";
  readonly medianUs: number;
  readonly maxUs: number;
  readonly floorMedianUs: number;
  /** While nothing is done to the process. */
  readonly idleMedianUs: number;
  readonly ratio: number;
}

export const SPINNER = join(import.meta.dirname, "spinner.c");
const FLOOR = join(import.meta.dirname, "floor.c");

/** Measures with `rounds` turns for each number of threads. */
export function measurePause(
  threadCounts: readonly number[],
  rounds: number,
  progress: (line: string) => void,
): Promise<PauseRow[]> {
  return withQuietMachine(async () => {
    const workshop = openWorkshop();
    try {
      const spinner = workshop.compile("spinner", readFileSync(SPINNER, "utf8"), ["-pthread"]);
      const floor = workshop.compile("floor", readFileSync(FLOOR, "utf8"));
      const { hotpatch } = workshop.makeHotpatch({
        binary: spinner,
        source: "int value(int x) { return x + 101; }",
        functions: ["value"],
        id: "pause",
      });
      const engine = openEngine({ lockFolder: join(workshop.folder, "lock") });
      const rows: PauseRow[] = [];
      for (const threads of threadCounts) {
        progress(`${threads} threads`);
        const victim = await startVictim(spinner, [String(threads)]);
        const rival = startFloor(floor, victim.pid, functionAddress(spinner, victim.pid));
        const turns = {
          idle: async () => {},
          floor: rival.switchOnce,
          apply: async () => void must(engine.apply([victim.pid], hotpatch)),
          revert: async () => void must(engine.revert([victim.pid], "pause")),
        };
        const turnMs = await longestTurn(Object.values(turns));
        const gaps: Gaps = { idle: [], floor: [], apply: [], revert: [] };
        for (let round = 0; round < rounds; round++) {
          for (const [name, work] of Object.entries(turns)) {
            gaps[name as keyof Gaps].push(await longestGap(victim, work, turnMs));
          }
        }
        rival.child.kill("SIGKILL");
        await victim.kill();
        rows.push(row(threads, "apply", gaps), row(threads, "revert", gaps));
      }
      return rows;
    } finally {
      workshop.close();
    }
  });
}

type Gaps = Record<"idle" | "floor" | "apply" | "revert", number[]>;

function row(threads: number, operation: PauseRow["operation"], gaps: Gaps): PauseRow {
  const medianUs = median(gaps[operation]);
  const floorMedianUs = median(gaps.floor);
  return {
    threads,
    operation,
    medianUs: round1(medianUs),
    maxUs: round1(Math.max(...gaps[operation])),
    floorMedianUs: round1(floorMedianUs),
    idleMedianUs: round1(median(gaps.idle)),
    ratio: Math.round((medianUs / floorMedianUs) * 100) / 100,
  };
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[values.length >> 1] ?? Number.NaN;

const round1 = (value: number): number => Math.round(value * 10) / 10;

function must<T>(result: T): T {
  if (isRefusal(result)) throw new Error(`${result.refused}: ${result.detail}`);
  return result;
}

/** How long the longest of the turns takes once it is warm, in milliseconds. */
async function longestTurn(turns: readonly (() => Promise<void>)[]): Promise<number> {
  let longest = 0;
  for (const warm of [false, true]) {
    for (const work of turns) {
      const begin = performance.now();
      await work();
      if (warm) longest = Math.max(longest, performance.now() - begin);
    }
  }
  return longest;
}

/** The main thread's longest gap while `work` runs, and for `turnMs` at least, in microseconds. */
async function longestGap(
  victim: Victim,
  work: () => Promise<void>,
  turnMs: number,
): Promise<number> {
  victim.send("r");
  await victim.nextLine(/^ok$/);
  const begin = performance.now();
  await work();
  await sleep(Math.max(0, turnMs - (performance.now() - begin)));
  victim.send("g");
  return Number(await victim.nextLine(/^\d+$/)) / 1000;
}

function startFloor(
  path: string,
  pid: number,
  address: number,
): { child: ChildProcess; switchOnce: () => Promise<void> } {
  const [command, ...args] = TOOL_COMMAND;
  const child = spawn(command, [...args, path, String(pid), address.toString(16)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  return {
    child,
    switchOnce: () =>
      new Promise((resolve, reject) => {
        child.once("exit", (code) => reject(new Error(`the floor program ended with ${code}`)));
        lines.once("line", () => {
          child.removeAllListeners("exit");
          resolve();
        });
        child.stdin.write("\n");
      }),
  };
}

/** Where `value` stands in the process: the file's address and the first mapping's. */
export function functionAddress(path: string, pid: number): number {
  const symbol = symbolTable(parseElf(readFileSync(path))).find((entry) => entry.name === "value");
  const maps = readFileSync(`/proc/${pid}/maps`, "latin1");
  const first = maps.split("\n").find((line) => line.endsWith(path));
  if (symbol === undefined || first === undefined) throw new Error(`no function value in ${path}`);
  return symbol.st_value + Number.parseInt(first, 16);
}
