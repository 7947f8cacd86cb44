import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { type Hotpatch, isRefusal, openEngine } from "@suture/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { MODES, openShared, processorHas } from "./registers-fixture.ts";
import { takeSnapshot } from "./snapshot.ts";
import { openWorkshop } from "./victim.ts";

const CYCLES = 200;

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

for (const { mode, holds, needs } of MODES) {
  test.runIf(processorHas[needs])(
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

test.runIf(processorHas.AVX)("the victim notices a register that changed [needs AVX]", async () => {
  const path = join(workshop.folder, "control.shared");
  const shared = openShared(path);
  const victim = await workshop.start(program, ["spin", path]);
  // What it compares rbx with, rather than rbx itself.
  const change = "set {long}&want_11 = 1";
  execFileSync("gdb", ["-p", `${victim.pid}`, "-batch", "-ex", change], { stdio: "ignore" });
  await expect(victim.nextLine(/^done$/)).rejects.toThrow("SIGILL");
  expect(shared.read().wrong).toBe(11);
});
