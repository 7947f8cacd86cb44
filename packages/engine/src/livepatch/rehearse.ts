/**
 * The whole stop on a throw-away child first.
 *
 * Code that runs for the first time is interpreted and loads what it needs: the first stop of a
 * fresh program was measured at 2.8 ms, a later one at 0.065 ms. So the same functions stop,
 * unwind, write and resume children of ours (`cat`, asleep and at work) until they are compiled,
 * and the garbage is collected, before a process that matters is stopped.
 */
import { spawn } from "node:child_process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { virtualAddr } from "../bytes/address.ts";
import type { InjectedCall } from "../process/injected-call.ts";
import { SYSCALL } from "../process/interrupted-call.ts";
import { ProcessMemory } from "../process/memory.ts";
import { readThreadState } from "../process/thread-files.ts";
import { ThreadStop } from "../process/thread-stop.ts";
import { isRefusal } from "../refusals.ts";
import { createUnwinder } from "../unwind/unwinder.ts";
import { findGadgets } from "./gadgets.ts";
import { sendThread } from "./injection.ts";
import { FrameInjection, type InjectionMethod } from "./injection-method.ts";
import { EntryWriter } from "./jumps.ts";
import type { ReadMemory } from "./loaded-module.ts";
import { type ProcessImage, readProcessImage } from "./locate.ts";
import { StackCheck } from "./safety.ts";
import { switchEntries } from "./switch-entries.ts";
import type { Context } from "./target.ts";
import { ThreadStacks } from "./thread-stacks.ts";
import { unwindModules } from "./unwind-modules.ts";

/** Enough for the optimising compiler to take over the loops of the stop. */
const STOPS = 400;
const PRACTICE_ROUNDS = 3;
/** Some 200 KiB, more than a stop allocates. */
const YOUNG_PAGES = 50;
const YOUNG_PAGE_WORDS = 500;
const CHILD_READY_MS = 1000;

/** Waits for input; copies zeros to nowhere: one that sleeps, one that works. */
const CHILDREN = {
  asleep: { args: [], state: "S" },
  atWork: { args: ["/dev/zero"], state: "R" },
} as const;

/** A child of ours that is traced. */
interface Child {
  readonly memory: ProcessMemory;
  readonly stop: ThreadStop;
  readonly image: ProcessImage;
  readonly read: ReadMemory;
  readonly close: () => void;
}

/** Runs the stop on children of ours. Where there are none to be had, the stop is just slower. */
export function rehearse(context: Context): void {
  const quiet = { ...context, faultPoint: () => {} };
  for (const kind of ["asleep", "atWork"] as const) {
    const child = openChild(quiet, kind);
    if (child === undefined) continue;
    try {
      rehearseOn(quiet, child);
    } finally {
      child.close();
    }
  }
}

/**
 * Runs `work` with a child on which an injected call can be practised: right before a thread at work
 * is stopped for one. What was used a moment ago is in the processor's caches; without it such a stop
 * took twice as long. The child is started when it is first needed.
 */
export function withPractice<T>(context: Context, work: (context: Context) => T): T {
  let child: Child | undefined;
  let send: (() => void) | undefined;
  const practise = (): void => {
    child ??= openChild(context, "asleep");
    send ??= senderInto(context, child);
    for (let round = 0; round < PRACTICE_ROUNDS; round++) send();
  };
  try {
    return work({ ...context, practise });
  } finally {
    child?.close();
  }
}

function senderInto(context: Context, child: Child | undefined): () => void {
  const thread = child?.stop.threads[0];
  const method = child && injectionInto(context, child);
  if (child === undefined || thread === undefined || method === undefined) return () => {};
  return () => sendThread(child.stop, thread, method);
}

/** Starts a child and traces it; undefined where there is none to be had. */
function openChild(context: Context, kind: keyof typeof CHILDREN): Child | undefined {
  const { args, state } = CHILDREN[kind];
  const process = spawn("cat", args, { stdio: ["pipe", "ignore", "ignore"] });
  process.on("error", () => {}); // No such program: then there is no process id either.
  const { pid } = process;
  if (pid === undefined) return undefined;
  process.unref();
  awaitState(context, pid, state);
  const memory = new ProcessMemory(context.libc, pid);
  const stop = new ThreadStop(context.libc, pid, { suspendSeccomp: false });
  const close = (): void => {
    stop.release();
    memory.close();
    process.kill("SIGKILL");
  };
  const read: ReadMemory = (address, size) => memory.read(address, size);
  const image = readProcessImage(pid, read);
  if (!isRefusal(image) && stop.seize().outcome === "seized") {
    return { memory, stop, image, read, close };
  }
  close();
  return undefined;
}

/**
 * Empties the young generation now, so that no collection falls into the stop. Not the whole heap:
 * that leaves work to other threads, which would compete with the stop.
 */
export function collectGarbage(): void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect === "function") collect({ type: "minor" });
  // What is allocated next is then memory that the kernel has given already.
  for (let page = 0; page < YOUNG_PAGES; page++) new Array(YOUNG_PAGE_WORDS).fill(page);
}

/** Words outside of the window that the stack check fetches first, as deep stacks have them. */
function readAroundStack({ stack }: Context, { threads }: ThreadStop): void {
  const rsp = threads[0]?.registers.rsp ?? virtualAddr(0);
  for (let step = 0; step < 8; step++) stack.word(virtualAddr(rsp + (step % 2) * 4096));
}

function awaitState(context: Context, pid: number, state: string): void {
  const deadline = performance.now() + CHILD_READY_MS;
  while (readThreadState(pid, pid) !== state && performance.now() < deadline) {
    context.libc.sleepMicroseconds(200);
  }
}

function rehearseOn(context: Context, child: Child): void {
  const { memory, stop, image, read } = child;
  const code = image.mappings.find((entry) => entry.executable);
  const bytes = code && read(code.start, 5);
  if (code === undefined || bytes === undefined) return;
  const writer = new EntryWriter(memory, [{ address: code.start, bytes }]);
  const check = new StackCheck({
    stack: context.stack,
    pid: stop.pid,
    unwinder: createUnwinder(unwindModules(image, [], read)),
    ranges: [{ name: "nothing", start: code.start, end: virtualAddr(code.start + 1) }],
    mappings: image.mappings,
  });
  const request = {
    context,
    stop,
    check,
    writer,
    undo: writer,
    timeoutMs: 0,
    keepCaller: true,
    process: "",
  };
  for (let round = 0; round < STOPS; round++) {
    switchEntries(request);
    stop.seize();
    readAroundStack(context, stop);
  }
  const method = injectionInto(context, child);
  const thread = stop.threads[0];
  if (method === undefined || thread === undefined) return;
  for (let round = 0; round < STOPS; round++) sendThread(stop, thread, method);
}

/** Calls without effect, of each shape: with and without the name, many and few arguments. */
function injectionInto(
  { libc }: Context,
  { memory, image, read }: Child,
): InjectionMethod | undefined {
  const close: InjectedCall = { number: SYSCALL.close, args: [0xffff_ffff] };
  const madvise: InjectedCall = { number: SYSCALL.madvise, args: [0, 0, 0] };
  const create: InjectedCall = { number: SYSCALL.memfd_create, args: ["name", 0xffff_ffff] };
  const calls = [create, madvise, close, close];
  const gadgets = findGadgets(image, read);
  const process = { libc, memory, stacks: new ThreadStacks(image.mappings) };
  return gadgets && new FrameInjection(process, gadgets, { calls, name: "" });
}
