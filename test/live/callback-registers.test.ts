/**
 * The thread that runs callbacks keeps all its registers: when the command puts them back, and when
 * the command is killed and the thread has to do it by itself.
 */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { type Hotpatch, isRefusal, openEngine } from "@suture/engine";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { withCallbacks } from "./callbacks.ts";
import { type Job, KILLED_RUN } from "./killed-run.ts";
import { MODES, openShared, processorHas } from "./registers-fixture.ts";
import { takeSnapshot } from "./snapshot.ts";
import { openWorkshop } from "./victim.ts";

const CYCLES = 40;

/** Leaves nothing as it was that a function may change, and says when it ran in a sane state. */
const CLOBBER = `
  extern long shared[];
  __attribute__((naked)) void value(void) { __asm__("incq shared+16(%rip)\\n\\tret"); }
  static int clobber(void) {
    unsigned mxcsr, flags_low; unsigned short control; unsigned long flags, stack;
    __asm__ volatile("pushfq; pop %0; mov %%rsp, %1" : "=r"(flags), "=r"(stack));
    __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(control));
    flags_low = flags & 0x400;
    __asm__ volatile(
      "fld1; fld1; fld1; fld1; fld1; fld1; fld1; fld1\\n"
      "vzeroall; mov $1, %%eax; mov %%rax, %%rcx; mov %%rax, %%rdx; mov %%rax, %%rsi\\n"
      "mov %%rax, %%rdi; mov %%rax, %%r8; mov %%rax, %%r9; mov %%rax, %%r10; mov %%rax, %%r11\\n"
      ::: "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc", "memory");
    return flags_low == 0 && mxcsr == 0x1f80 && control == 0x37f ? 0 : 1;
  }
  __attribute__((noinline)) int before(void) { return clobber(); }
  __attribute__((noinline)) int after(void) { return clobber(); }
  /* psABI, 3.2.2: rsp + 8 is a multiple of 16 at a function's entry. */
  __attribute__((naked)) int aligned(void) {
    __asm__("lea 8(%rsp), %rax\\n\\tand $15, %eax\\n\\tret");
  }
`;

const workshop = openWorkshop();
const lockFolder = join(workshop.folder, "lock");
let program: string;
let hotpatch: Hotpatch;

beforeAll(() => {
  program = workshop.compileVictim("registers");
  hotpatch = workshop.makeHotpatch({
    binary: program,
    source: CLOBBER,
    functions: ["value"],
    id: "clobber",
    edit: withCallbacks(
      ...["pre-apply before", "pre-apply aligned", "post-apply after"],
      ...["pre-revert before", "post-revert after"],
    ),
  }).hotpatch;
});
afterEach(() => workshop.endVictims());
afterAll(() => workshop.close());

/** Where a command is killed with a callback under way: before it begins, and in the next one. */
const KILLS = [
  { step: "callback-next", nth: 2 },
  { step: "callback-sent", nth: 1 },
  { step: "callback-sent", nth: 2 },
  { step: "callback-ended", nth: 3 },
] as const;

for (const { mode, holds, needs } of MODES) {
  test.runIf(processorHas[needs])(
    `a thread that runs callbacks keeps its ${holds} [needs ${needs}]`,
    { timeout: 240_000 },
    async () => {
      const engine = openEngine({ lockFolder });
      const path = join(workshop.folder, `${mode}.shared`);
      const shared = openShared(path);
      const victim = await workshop.start(program, [mode, path]);
      const before = takeSnapshot(victim.pid);
      const must = (report: unknown): void => {
        if (isRefusal(report)) throw new Error(`${report.detail}, register ${shared.read().wrong}`);
      };
      for (let cycle = 0; cycle < CYCLES; cycle++) {
        must(engine.apply([victim.pid], hotpatch));
        must(engine.revert([victim.pid], "clobber"));
      }
      expect(takeSnapshot(victim.pid)).toEqual(before);
      for (const at of KILLS) {
        const file = join(workshop.folder, "clobber.hotpatch");
        const kill = { ...at, action: "kill" } as const;
        const job: Job = { operation: "apply", pid: victim.pid, file, lockFolder, at: kill };
        const { signal } = spawnSync(process.execPath, [KILLED_RUN, JSON.stringify(job)]);
        expect(signal).toBe("SIGKILL");
        must(engine.recover(victim.pid));
        // Killed behind the last entry, the apply was finished.
        const isApplied = engine.status(victim.pid);
        if (isRefusal(isApplied) || isApplied.length === 0) {
          must(engine.apply([victim.pid], hotpatch));
        }
        must(engine.revert([victim.pid], "clobber"));
        expect(takeSnapshot(victim.pid)).toEqual(before);
      }
      shared.end();
      await victim.nextLine(/^done$/);
      expect(shared.read().newCalls).toBeGreaterThan(CYCLES / 2);
    },
  );
}
