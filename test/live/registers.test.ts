import { execFileSync } from "node:child_process";
import { openSync, readFileSync, readSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { type Hotpatch, isRefusal, openEngine } from "@suture/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { takeSnapshot } from "./snapshot.ts";
import { openWorkshop } from "./victim.ts";

const CYCLES = 200;
const PAGE_SIZE = 4096;
const processor = readFileSync("/proc/cpuinfo", "latin1");
const hasAvx = /^flags\s*:.*\bavx\b/m.test(processor);
const hasAvx512 = /^flags\s*:.*\bavx512f\b/m.test(processor);

/** What the victim does, what it holds meanwhile, and what of the processor that needs. */
const MODES = [
  { mode: "spin", holds: "registers, flags and vectors while it runs", needs: "AVX" },
  { mode: "wide", holds: "wide vectors and masks while it runs", needs: "AVX-512" },
  { mode: "sleep", holds: "registers, flags and vectors in a continued call", needs: "AVX" },
  { mode: "wait", holds: "registers, flags and vectors in a repeated call", needs: "AVX" },
] as const;

const workshop = openWorkshop();
let program: string;
let hotpatch: Hotpatch;

beforeAll(() => {
  program = workshop.compileVictim("registers");
  hotpatch = workshop.makeHotpatch({
    binary: program,
    // Like the original it touches no register but the flags.
    source: `extern long shared[];
      __attribute__((naked)) void value(void) { __asm__("incq shared+16(%rip)\\n\\tret"); }`,
    functions: ["value"],
    id: "registers",
  }).hotpatch;
});
afterEach(() => workshop.endVictims());
afterAll(() => workshop.close());

interface Shared {
  readonly rounds: number;
  readonly oldCalls: number;
  readonly newCalls: number;
  readonly wrong: number;
}

/** The page that the victim shares with us. */
function openShared(path: string): { read: () => Shared; end: () => void } {
  writeFileSync(path, new Uint8Array(PAGE_SIZE));
  const file = openSync(path, "r+");
  return {
    read: () => {
      const bytes = Buffer.alloc(40);
      readSync(file, bytes, 0, bytes.length, 0);
      const word = (index: number): number => Number(bytes.readBigInt64LE(index * 8));
      return { rounds: word(0), oldCalls: word(1), newCalls: word(2), wrong: word(4) };
    },
    end: () => {
      writeSync(file, Uint8Array.of(1), 0, 1, 24);
    },
  };
}

for (const { mode, holds, needs } of MODES) {
  test.skipIf(needs === "AVX" ? !hasAvx : !hasAvx512)(
    `a thread keeps its ${holds} [needs ${needs}]`,
    { timeout: 120_000 },
    async () => {
      const engine = openEngine({ lockFolder: join(workshop.folder, "lock") });
      const shared = openShared(join(workshop.folder, `${mode}.shared`));
      // Its only thread is the one that is stopped and the one that makes the injected calls.
      const victim = await workshop.start(program, [mode, join(workshop.folder, `${mode}.shared`)]);
      const before = takeSnapshot(victim.pid);
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        for (const report of [
          engine.apply([victim.pid], hotpatch),
          engine.revert([victim.pid], "registers"),
        ]) {
          const { wrong } = shared.read();
          if (isRefusal(report)) throw new Error(`${report.detail}, register ${wrong}`);
        }
      }
      expect(takeSnapshot(victim.pid)).toEqual(before);
      shared.end();
      await victim.nextLine(/^done$/);
      const { rounds, oldCalls, newCalls } = shared.read();
      expect(newCalls).toBeGreaterThan(CYCLES / 2);
      expect(oldCalls).toBeGreaterThan(CYCLES / 2);
      expect(oldCalls + newCalls).toBe(rounds);
    },
  );
}

test.skipIf(!hasAvx)("the victim notices a register that changed [needs AVX]", async () => {
  const path = join(workshop.folder, "control.shared");
  const shared = openShared(path);
  const victim = await workshop.start(program, ["spin", path]);
  // What it compares rbx with, rather than rbx itself.
  const change = "set {long}&want_11 = 1";
  execFileSync("gdb", ["-p", `${victim.pid}`, "-batch", "-ex", change], { stdio: "ignore" });
  await expect(victim.nextLine(/^done$/)).rejects.toThrow("SIGILL");
  expect(shared.read().wrong).toBe(11);
});
