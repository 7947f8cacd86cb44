/**
 * Does a hotpatch do what it says, and nothing else? Tried on a fresh process, step by step:
 *
 *     start      a process of the baseline, held before its main function where that can be
 *     apply      by the engine, as on a machine in production
 *     redirects  each entry leads to the new code, which is the object's (redirects.ts)
 *     test       the package's own test command, where one is given
 *     revert     by the engine
 *     memory     code, constants and the list of mappings are as before (memory-state.ts)
 *     end        the process is let go and ends by itself
 *
 * The first step that finds something wrong is the last. The process ends in any case, and with us:
 * it asks the kernel to be killed when its parent is (start-paused.ts, start-running.ts).
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Engine, type Hotpatch, isRefusal, openEngine, parseHotpatch } from "../engine.ts";
import { findBaseline } from "./find-baseline.ts";
import type { LiveProcess } from "./live-process.ts";
import {
  compareMemory,
  type MemoryState,
  openHotpatchFiles,
  readMemoryState,
} from "./memory-state.ts";
import { createPlacement, type Placement } from "./placement.ts";
import { isProblem, problem, type VerifyProblem } from "./problems.ts";
import {
  findModule,
  type MappedRange,
  type MemoryReader,
  openMemory,
  readMappedFile,
  readRanges,
} from "./process-view.ts";
import { checkRedirects } from "./redirects.ts";
import type { VerifyReport, VerifyRequest, VerifyStep, VerifyStepName } from "./request.ts";
import { startPaused } from "./start-paused.ts";
import { startRunning } from "./start-running.ts";
import { runTest } from "./test-command.ts";

/** For the start, and again for the test command, unless the request says otherwise. */
const TIMEOUT_MS = 60_000;

/**
 * Verifies a hotpatch on a process that it starts, and on no other. Needs the permission to trace
 * it, a C compiler, and root for a build root.
 *
 * Never throws for what a hotpatch, a program or a command does: that is the report's `problem`,
 * with a code of VERIFY_PROBLEMS or of the engine's refusals. Throws for files that cannot be read.
 */
export async function verifyHotpatch(request: VerifyRequest): Promise<VerifyReport> {
  const begin = performance.now();
  const facts: Facts = { steps: [], functions: [], applied: false, reverted: false };
  const found = await verify(request, facts);
  const milliseconds = performance.now() - begin;
  return { ok: found === undefined, ...facts, milliseconds, ...(found && { problem: found }) };
}

/** What is known so far. */
type Facts = {
  -readonly [Name in keyof Omit<
    VerifyReport,
    "ok" | "milliseconds" | "problem"
  >]: VerifyReport[Name];
} & { readonly steps: VerifyStep[] };

async function verify(request: VerifyRequest, facts: Facts): Promise<VerifyProblem | undefined> {
  const { hotpatch: file } = request;
  const hotpatch = parseHotpatch(typeof file === "string" ? readFileSync(file) : file);
  if (isRefusal(hotpatch)) return ofEngine(hotpatch);
  const { id, target } = hotpatch.description;
  Object.assign(facts, { id, buildId: target.buildId });
  const binary = findBaseline(target, request);
  if (isProblem(binary)) return binary;
  facts.binary = binary;
  const engine = request.engine ?? openEngine();
  const work = { request, hotpatch, binary, engine, facts };
  const found = await verifyOnce({ ...work, bindNow: false });
  if (found?.reason !== "unresolved-ifunc" || request.run !== undefined) return found;
  // A program that has used such a function knows its address; before main none was used.
  facts.steps.length = 0;
  return verifyOnce({ ...work, bindNow: true });
}

interface Work {
  readonly request: VerifyRequest;
  readonly hotpatch: Hotpatch;
  readonly binary: string;
  readonly engine: Engine;
  readonly facts: Facts;
  readonly bindNow: boolean;
}

async function verifyOnce(work: Work): Promise<VerifyProblem | undefined> {
  const placement = createPlacement(work.request.root);
  try {
    let live: LiveProcess | undefined;
    const started = await inStep(work, "start", async () => {
      const process = await startProcess(work, placement);
      if (isProblem(process)) return process;
      live = process;
      work.facts.pid = process.pid;
      return describeProcess(work, process);
    });
    if (live === undefined) return started;
    try {
      return await verifyProcess(work, live);
    } finally {
      await live.kill();
    }
  } finally {
    placement.remove();
  }
}

async function verifyProcess(work: Work, live: LiveProcess): Promise<VerifyProblem | undefined> {
  const memory = openMemory(live.pid);
  if (memory === undefined) return ended(live, "before the hotpatch was applied");
  try {
    const before = readMemoryState(live.pid, memory);
    return (
      (await inStep(work, "apply", () => apply(work, live))) ??
      (await inStep(work, "redirects", () => confirmRedirects(work, live, memory))) ??
      (work.request.test === undefined
        ? undefined
        : await inStep(work, "test", () => test(work, live))) ??
      (await inStep(work, "revert", () => revert(work, live))) ??
      (await inStep(work, "memory", () => confirmMemory(live, memory, before))) ??
      (await inStep(work, "end", () => finish(live)))
    );
  } finally {
    memory.close();
  }
}

/** Does a step: a sentence says that all is well, a problem that it is not. */
async function inStep(
  { request, facts }: Work,
  name: VerifyStepName,
  step: () => string | VerifyProblem | Promise<string | VerifyProblem>,
): Promise<VerifyProblem | undefined> {
  await request.onStep?.(name, facts.pid);
  const begin = performance.now();
  const found = await step();
  const ok = !isProblem(found);
  const detail = ok ? found : found.detail;
  facts.steps.push({ name, ok, detail, milliseconds: performance.now() - begin });
  return ok ? undefined : found;
}

async function startProcess(
  { request, hotpatch, binary, bindNow }: Work,
  placement: Placement,
): Promise<LiveProcess | VerifyProblem> {
  const { run, host, root, env, libraryPath = [], threads = 0 } = request;
  const timeoutMs = request.timeoutMs ?? TIMEOUT_MS;
  const { buildId } = hotpatch.description.target;
  if (run !== undefined) {
    return startRunning({ command: run, buildId, libraryPath, env, timeoutMs }, placement);
  }
  const kept = request.cacheFolder;
  const objectFolder =
    kept === undefined ? mkdtempSync(join(tmpdir(), "suture-pause-")) : join(kept, "verify");
  try {
    const optional = { ...(host !== undefined && { host }), ...(root !== undefined && { root }) };
    const settings = {
      binary,
      buildId,
      libraryPath,
      threads,
      bindNow,
      env,
      objectFolder,
      timeoutMs,
    };
    return await startPaused({ ...settings, ...optional }, placement);
  } finally {
    // The process has mapped it: the name is needed no longer.
    if (kept === undefined) rmSync(objectFolder, { recursive: true, force: true });
  }
}

const describeProcess = ({ bindNow }: Work, { pid, runs }: LiveProcess): string =>
  runs
    ? `process ${pid} runs`
    : `process ${pid} is held before its main function${bindNow ? ", with LD_BIND_NOW" : ""}`;

function apply({ engine, hotpatch, facts }: Work, live: LiveProcess): string | VerifyProblem {
  const reports = engine.apply([live.pid], hotpatch);
  if (isRefusal(reports)) return ofEngine(reports, live);
  facts.applied = true;
  const [report] = reports;
  const { length } = hotpatch.description.functions;
  return `${length} replaced, stopped for ${report?.stopUs.toFixed(0)} µs`;
}

function confirmRedirects(
  { hotpatch, facts }: Work,
  live: LiveProcess,
  memory: MemoryReader,
): string | VerifyProblem {
  const ranges = readRanges(live.pid);
  const module = findModule(ranges, memory, hotpatch.description.target.buildId);
  if (module === undefined) return missing(live, hotpatch);
  const readFile = (range: MappedRange): Uint8Array => readMappedFile(live.pid, range);
  const found = checkRedirects({ hotpatch, module, ranges, memory, readFile });
  if (isProblem(found)) return isGone(live) ? ended(live, "while it was looked at") : found;
  facts.functions = found;
  return `${found.length} of ${hotpatch.description.functions.length} lead to their new code`;
}

async function test({ request, hotpatch, binary }: Work, live: LiveProcess) {
  const { test: command = "", env, timeoutMs = TIMEOUT_MS } = request;
  const { id } = hotpatch.description;
  const facts = { SUTURE_PID: `${live.pid}`, SUTURE_BINARY: binary, SUTURE_HOTPATCH_ID: id };
  const found = await runTest(command, facts, { env, timeoutMs });
  if (found !== undefined) return found;
  return isGone(live) ? ended(live, "while it was tested") : "the test command succeeded";
}

function revert({ engine, hotpatch, facts }: Work, live: LiveProcess): string | VerifyProblem {
  const reports = engine.revert([live.pid], hotpatch.description.id);
  if (isRefusal(reports)) return ofEngine(reports, live);
  facts.reverted = true;
  return `switched back, stopped for ${reports[0]?.stopUs.toFixed(0)} µs`;
}

function confirmMemory(
  live: LiveProcess,
  memory: MemoryReader,
  before: MemoryState,
): string | VerifyProblem {
  const after = readMemoryState(live.pid, memory);
  if (isGone(live)) return ended(live, "after it was reverted");
  const found = [...compareMemory(before, after, live), ...openHotpatchFiles(live.pid)];
  const { length } = after.ranges;
  const size = `${(after.bytesRead / 2 ** 20).toFixed(1)} MiB`;
  if (found.length === 0) return `as before: ${length} mappings, ${size} of code and constants`;
  return problem("memory-differs", {
    detail: found.slice(0, DIFFERENCES_SHOWN).join("; "),
    next: "do not use this hotpatch; report this with the hotpatch and the program",
  });
}

const DIFFERENCES_SHOWN = 5;

async function finish(live: LiveProcess): Promise<string | VerifyProblem> {
  const wrong = await live.finish();
  return wrong === undefined
    ? "ended as it was asked to"
    : problem("process-ended", {
        detail: `process ${live.pid}: ${wrong}, after the hotpatch was reverted`,
        next: "do not use this hotpatch; report this with the hotpatch and the program",
      });
}

/** What the engine refused; that a process is gone which we hold is no refusal. */
const ofEngine = (
  { refused, detail, next }: { refused: VerifyProblem["reason"]; detail: string; next: string },
  live?: LiveProcess,
): VerifyProblem =>
  refused === "process-gone" && live !== undefined
    ? ended(live, "while the engine worked on it")
    : { reason: refused, detail, next };

const missing = (live: LiveProcess, hotpatch: Hotpatch): VerifyProblem =>
  isGone(live)
    ? ended(live, "after the hotpatch was applied")
    : problem("not-redirected", {
        detail: `${hotpatch.description.target.name} is no longer mapped`,
        next: "do not use this hotpatch; report this with the hotpatch and the program",
      });

const isGone = (live: LiveProcess): boolean =>
  live.ending() !== undefined ||
  !existsSync(`/proc/${live.pid}/maps`) ||
  readRanges(live.pid).length === 0;

const ended = (live: LiveProcess, when: string): VerifyProblem =>
  problem("process-ended", {
    detail: `process ${live.pid} ended ${when}${live.ending() === undefined ? "" : `: ${live.ending()}`}`,
    next: "look at what ended it (the journal, a core file) and verify again",
  });
