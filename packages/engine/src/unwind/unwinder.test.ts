import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { virtualAddr } from "../bytes/address.ts";
import { REGISTER } from "../dwarf/constants.ts";
import { compile, createFolder, hasPrograms } from "../elf/elf-fixtures.ts";
import { parseElf } from "../elf/file.ts";
import { symbolTable } from "../elf/symbol.ts";
import { type Core, readCore } from "./core-fixture.ts";
import {
  createUnwinder,
  type MemoryReader,
  type Registers,
  type UnwindModule,
  type UnwindResult,
} from "./unwinder.ts";

const folder = createFolder("unwind");
afterAll(() => rmSync(folder, { recursive: true }));

/**
 * One thread sleeps, one waits deep in functions whose CFA hangs on rbp, and the first one raises
 * signals (on an alternative stack and on its own), calls through the PLT and into the vdso.
 */
const SOURCE = `
  #define _GNU_SOURCE
  #include <alloca.h>
  #include <pthread.h>
  #include <semaphore.h>
  #include <signal.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <time.h>
  #include <unistd.h>
  static sem_t never, ready;
  static volatile int sink;
  __attribute__((noinline)) void stop_here(void) { sink++; }
  __attribute__((noinline)) int deep(int n, volatile char *p) {
    volatile char *room = alloca(n * 16 + 32);
    room[0] = p ? p[0] : 1;
    if (n == 0) { sem_post(&ready); sem_wait(&never); }
    int r = n > 0 ? deep(n - 1, room) : 0;
    return r + room[0];
  }
  __attribute__((noinline)) int realigned(int n) {
    volatile char room[n + 1] __attribute__((aligned(64)));
    volatile double aligned __attribute__((aligned(64))) = n;
    room[n] = n;
    stop_here();
    return room[n] + (int)aligned;
  }
  static void *recurse(void *arg) { return (void *)(long)deep(20, arg); }
  static void *sleeper(void *arg) {
    struct timespec ts = {1000, 0};
    sem_post(&ready);
    nanosleep(&ts, 0);
    return arg;
  }
  static void handler(int s) { stop_here(); sink += s; }
  static int compare(const void *a, const void *b) { stop_here(); return *(int *)a - *(int *)b; }
  __attribute__((noinline)) void clock_read(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    sink += now.tv_sec;
  }
  int main(void) {
    clock_read();
    sem_init(&never, 0, 0);
    sem_init(&ready, 0, 0);
    pthread_t t;
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536); /* A core file holds whole stacks. */
    pthread_create(&t, &small, recurse, 0);
    pthread_create(&t, &small, sleeper, 0);
    sem_wait(&ready);
    sem_wait(&ready);
    struct sigaction sa = { .sa_handler = handler };
    sigaction(SIGUSR2, &sa, 0);
    stack_t ss = { .ss_sp = malloc(65536), .ss_size = 65536 };
    sigaltstack(&ss, 0);
    sa.sa_flags = SA_ONSTACK;
    sigaction(SIGUSR1, &sa, 0);
    raise(SIGUSR1);
    raise(SIGUSR2);
    int v[3] = {3, 1, 2};
    qsort(v, 2, sizeof v[0], compare);
    sink += realigned(sink);
    clock_read();
    sink += getppid();
    sink += getppid();
    printf("%d\\n", sink);
    return 0;
  }
`;

const canRun = hasPrograms("gcc", "gdb");

/** Runs gdb's commands and gives what it printed. */
function gdb(program: string, commands: readonly string[]): string {
  const setUp = [
    "set pagination off",
    "set confirm off",
    "set width 0",
    // Without debug information gdb shows what is on the stack, not inlined functions too.
    "set debug-file-directory /nonexistent",
    "set backtrace past-main on",
    "set backtrace past-entry on",
    "handle SIGUSR1 SIGUSR2 nostop noprint pass",
  ];
  const args = [...setUp, ...commands, "kill"].flatMap((command) => ["-ex", command]);
  const { stdout, stderr, error } = spawnSync("gdb", ["-nx", "-batch", ...args, program], {
    encoding: "utf8",
    maxBuffer: 1 << 30,
  });
  if (error) throw error;
  if (!stdout.includes("STOP")) throw new Error(`gdb did not come far:\n${stdout}\n${stderr}`);
  return stdout;
}

let stops = 0;

/** gdb commands that print all frames of all threads and write a core file. */
function stop(): readonly string[] {
  return [
    `echo STOP ${join(folder, `core-${stops}`)}\\n`,
    `gcore ${join(folder, `core-${stops++}`)}`,
    String.raw`thread apply all -q frame apply all -q printf "FRAME %d %lx %lx\n", $_thread, $pc, $sp`,
  ];
}

interface Stop {
  readonly core: string;
  /** For each thread the frames, as [pc, rsp]. */
  readonly threads: readonly (readonly (readonly [number, number])[])[];
}

function parseStops(text: string): Stop[] {
  return text
    .split(/^STOP /m)
    .slice(1)
    .map((part) => {
      const threads = new Map<string, [number, number][]>();
      for (const [, thread = "", pc = "", sp = ""] of part.matchAll(
        /^FRAME (\d+) (\w+) (\w+)$/gm,
      )) {
        const frames = threads.get(thread) ?? [];
        threads.set(thread, [...frames, [Number.parseInt(pc, 16), Number.parseInt(sp, 16)]]);
      }
      return { core: part.slice(0, part.indexOf("\n")), threads: [...threads.values()] };
    });
}

/** The walk in gdb's terms: the rsp of each frame is the CFA of the one before. */
function toGdb(registers: Registers, result: UnwindResult): [number, number][] {
  const rsps = [registers[REGISTER.rsp] ?? Number.NaN];
  for (const { cfa } of result.frames) rsps.push(cfa);
  return result.frames.map(({ pc }, index) => [pc, rsps[index] ?? Number.NaN]);
}

function checkStop({ core, threads }: Stop, change = (modules: Core["modules"]) => modules): Core {
  const read = readCore(core);
  const unwinder = createUnwinder(change(read.modules));
  const walks = read.threads.map(({ registers }) => {
    const result = unwinder.unwind(registers, read.memory);
    expect(result.stoppedBecause).toBeUndefined();
    expect(result.complete).toBe(true);
    return toGdb(registers, result);
  });
  const byStack = (a: (readonly [number, number])[], b: (readonly [number, number])[]): number =>
    (a[0]?.[1] ?? 0) - (b[0]?.[1] ?? 0);
  expect(walks.sort(byStack)).toEqual(threads.map((frames) => [...frames]).sort(byStack));
  return read;
}

describe.skipIf(!canRun)("against gdb, on a live process", () => {
  const program = compile(folder, {
    name: "victim",
    source: SOURCE,
    flags: ["-O2", "-pthread", "-Wl,-z,lazy"],
  });
  const steps = (count: number): string[] =>
    Array.from({ length: count }, () => ["stepi", ...stop()]).flat();
  const stopsOf = (...commands: string[]): Stop[] => parseStops(gdb(program, commands));

  const atStops = stopsOf(
    "break stop_here",
    "run",
    ...stop(), // a handler on the alternative stack
    "continue",
    ...stop(), // a handler on the thread's stack
    "continue",
    ...stop(), // a callback from libc
    "continue",
    ...stop(), // below a function that realigned its stack
  );

  test("unwinds every thread through handlers, callbacks and realigned stacks", () => {
    expect(atStops).toHaveLength(4);
    for (const found of atStops) {
      expect(found.threads.map((frames) => frames.length).sort()).toHaveLength(3);
      checkStop(found);
    }
  });

  test("costs less than two microseconds a frame once the steps are known", () => {
    const { core } = atStops[0] ?? expect.fail("no stop");
    const { threads, modules, memory: read } = readCore(core);
    const unwinder = createUnwinder(modules);
    const deepest = threads
      .map(({ registers }) => ({ registers, ...unwinder.unwind(registers, read) }))
      .sort((a, b) => b.frames.length - a.frames.length)[0];
    const registers = deepest?.registers ?? expect.fail("no thread");
    expect(deepest?.frames.length).toBeGreaterThan(20);
    // As in the stop: the stack was copied, and a word of it is an array access away.
    const rsp = registers[REGISTER.rsp] ?? 0;
    const stack = Float64Array.from({ length: 2048 }, (_, at) => read(virtualAddr(rsp + at * 8)));
    const memory: MemoryReader = (address) => stack[(address - rsp) / 8] ?? Number.NaN;
    let best = Number.POSITIVE_INFINITY;
    for (let round = 0; round < 50; round++) {
      const start = process.hrtime.bigint();
      let count = 0;
      for (let repeat = 0; repeat < 200; repeat++) {
        count += unwinder.unwind(registers, memory).frames.length;
      }
      best = Math.min(best, Number(process.hrtime.bigint() - start) / count);
    }
    expect(best).toBeLessThan(2000);
  });

  test("marks the trampoline and takes the interrupted pc as it is", () => {
    const { core } = atStops[0] ?? expect.fail("no stop");
    const read = readCore(core);
    const unwinder = createUnwinder(read.modules);
    const walks = read.threads.map(({ registers }) => unwinder.unwind(registers, read.memory));
    const frames = walks.find((walk) => walk.frames.some(({ signal }) => signal))?.frames ?? [];
    const at = frames.findIndex(({ signal }) => signal);
    expect(at).toBe(2);
    const lookups = frames.map(({ pc, lookup }) => pc - lookup);
    expect(lookups).toEqual([0, 1, 0, 0, ...lookups.slice(4).map(() => 1)]);
  });

  test("without .eh_frame_hdr, or with one that is cut short, finds the same by a scan", () => {
    for (const found of atStops.slice(0, 1)) {
      checkStop(found, (modules) =>
        modules.map(({ name, start, end, bias, ehFrame }) => ({ name, start, end, bias, ehFrame })),
      );
      checkStop(found, (modules) =>
        modules.map((module) => {
          const hdr = module.ehFrameHdr ?? expect.fail("no .eh_frame_hdr");
          return { ...module, ehFrameHdr: { ...hdr, bytes: hdr.bytes.subarray(0, 40) } };
        }),
      );
    }
  });

  test("says where it came to when a function has no unwind information", () => {
    const { core } = atStops[2] ?? expect.fail("no stop");
    const read = readCore(core);
    const program = read.modules.filter(({ name }) => !name.includes("libc"));
    const [main] = read.threads.filter(({ registers }) =>
      program.some(({ start, end }) => {
        const pc = registers[REGISTER.rip] ?? 0;
        return pc >= start && pc < end;
      }),
    );
    const registers = main?.registers ?? expect.fail("no main thread");
    const whole = createUnwinder(read.modules).unwind(registers, read.memory);
    const part = createUnwinder(program).unwind(registers, read.memory);
    expect(part).toMatchObject({ complete: false, stoppedBecause: "no-unwind-information" });
    expect(part.frames.map(({ pc }) => pc)).toEqual(
      whole.frames.slice(0, part.frames.length).map(({ pc }) => pc),
    );
    // stop_here and compare were left; the frame of libc behind them was not.
    expect(part.frames).toHaveLength(3);
    expect(part.stackPointer).toBe(part.frames[1]?.cfa);
    expect(part.frames[2]?.cfa).toBeNaN();
    // Every return address that was not seen stands above, where the caller scans.
    const words = new Set<number>();
    const top = whole.frames.at(-2)?.cfa ?? Number.NaN;
    for (let at: number = part.stackPointer; at < top; at += 8) {
      words.add(read.memory(virtualAddr(at)));
    }
    for (const { pc } of whole.frames.slice(3)) expect(words).toContain(pc);
  });

  test("knows a signal trampoline by its code where it has no unwind information", () => {
    const { core } = atStops[0] ?? expect.fail("no stop");
    const read = readCore(core);
    const unwinder = createUnwinder(read.modules);
    const handling = read.threads.find(({ registers }) =>
      unwinder.unwind(registers, read.memory).frames.some(({ signal }) => signal),
    );
    const registers = handling?.registers ?? expect.fail("no thread in a handler");
    const expected = unwinder.unwind(registers, read.memory);
    const trampoline = expected.frames.find(({ signal }) => signal)?.pc ?? expect.fail("none");
    const cut = read.modules.flatMap((module): UnwindModule[] =>
      trampoline >= module.start && trampoline < module.end
        ? [
            { ...module, end: virtualAddr(trampoline - 1) },
            { ...module, start: virtualAddr(trampoline + 9) },
          ]
        : [module],
    );
    const withCode: MemoryReader = (address) =>
      address === trampoline - 1 ? 0x0f_c0_c7_48 * 256 : read.memory(address);
    expect(createUnwinder(cut).unwind(registers, withCode)).toEqual(expected);
    expect(createUnwinder(cut).unwind(registers, () => Number.NaN).complete).toBe(false);
  });

  test("unwinds from every instruction of a PLT stub, bound lazily", () => {
    const found = stopsOf("break *'getppid@plt'", "run", ...stop(), ...steps(8));
    expect(found).toHaveLength(9);
    const elf = parseElf(new Uint8Array(readFileSync(program)));
    expect(symbolTable(elf).some(({ name }) => name === "main")).toBe(true);
    const cores = found.map((each) => checkStop(each));
    const inProgram = cores.filter(({ threads, modules }) =>
      threads.some(({ registers }) => {
        const pc = registers[REGISTER.rip] ?? 0;
        const text = modules.find(({ name }) => name === program);
        return text !== undefined && pc >= text.start && pc < text.end;
      }),
    );
    expect(inProgram.length).toBeGreaterThan(3); // the stub's three instructions and PLT0's
  });

  test("unwinds from every instruction in the vdso, prologues and epilogues included", () => {
    const found = stopsOf("break clock_gettime", "run", ...stop(), ...steps(60));
    expect(found).toHaveLength(61);
    const inVdso = found.filter((each) => {
      const { modules, threads } = checkStop(each);
      const vdso = modules.find(({ name }) => name === "vdso") ?? expect.fail("no vdso");
      return threads.some(({ registers }) => {
        const pc = registers[REGISTER.rip] ?? 0;
        return pc >= vdso.start && pc < vdso.end;
      });
    });
    expect(inVdso.length).toBeGreaterThan(5);
  });

  test("unwinds from every instruction of functions that realign or vary their stack", () => {
    const found = stopsOf("break *realigned", "run", ...stop(), ...steps(50));
    for (const each of found) checkStop(each);
    expect(found).toHaveLength(51);
  });
});
