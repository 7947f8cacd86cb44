/** Which processes and which file a command line means. */
import type { Hotpatch, Refusal } from "@suture/engine";
import { type Arguments, type Context, UsageError } from "./command.ts";
import { failed, type Outcome } from "./outcome.ts";
import type { EngineParts, ProcessSummary } from "./parts.ts";

/** The PIDs of `--pid`, which may be given several times. Throws UsageError. */
export function pidsOf(args: Arguments): number[] {
  return args.texts("pid").map((text) => {
    const pid = Number(text);
    if (!/^\d{1,10}$/.test(text) || pid < 1) throw new UsageError(`--pid ${text} is no process id`);
    return pid;
  });
}

/** The one word that a command takes. Throws UsageError where there is none or more than one. */
export function onlyPositional(args: Arguments, what: string): string {
  const [word, ...more] = args.positionals;
  if (word === undefined) throw new UsageError(`${what} is missing`);
  if (more.length > 0) throw new UsageError(`one ${what} is enough: ${more.join(" ")}`);
  return word;
}

/** `--pid P` or `--all`, and not both. Throws UsageError. */
export function pidsOrAll(args: Arguments): number[] | "all" {
  const pids = pidsOf(args);
  if (args.flag("all") && pids.length > 0)
    throw new UsageError("--pid and --all exclude each other");
  if (args.flag("all")) return "all";
  if (pids.length === 0) throw new UsageError("which process? give --pid PID or --all");
  return [...new Set(pids)];
}

/** The time that an attempt may take, from `--timeout SECONDS`. Throws UsageError. */
export function timeoutOf(args: Arguments): { timeoutMs?: number } {
  const text = args.text("timeout");
  if (text === undefined) return {};
  if (!/^\d{1,5}$/.test(text) || text === "0") {
    throw new UsageError(`--timeout ${text}: a number of seconds from 1 to 99999`);
  }
  return { timeoutMs: Number(text) * 1000 };
}

/** Reads a hotpatch file: the hotpatch, or the outcome that says what is wrong with it. */
export function readHotpatch(
  path: string,
  context: Context,
  parts: EngineParts,
): { hotpatch: Hotpatch } | { outcome: Outcome } {
  const hotpatch = parts.parseHotpatch(context.readFile(path));
  if (!parts.isRefusal(hotpatch)) return { hotpatch };
  return { outcome: refusedOutcome({ ...hotpatch, detail: `${path}: ${hotpatch.detail}` }) };
}

/** The processes that map a Build-ID, whether their file is still there or not. */
export const mappers = (processes: readonly ProcessSummary[], buildId: string): ProcessSummary[] =>
  processes.filter(({ modules }) => modules.some((module) => module.buildId === buildId));

export const refusedOutcome = (
  refusal: Refusal & { readonly pid?: number },
  document: Outcome["document"] = {},
): Outcome =>
  failed(
    "refused",
    {
      reason: refusal.refused,
      detail: namesProcess(refusal) ? refusal.detail : `process ${refusal.pid}: ${refusal.detail}`,
      next: refusal.next,
    },
    { ...document, ...(refusal.pid !== undefined && { pid: refusal.pid }) },
  );

const namesProcess = ({ detail, pid }: { detail: string; pid?: number }): boolean =>
  pid === undefined || detail.includes(`process ${pid}`);

/** `1 thread`, `2 threads`. */
export const counted = (count: number, noun: string): string =>
  `${count} ${noun}${count === 1 ? "" : noun.endsWith("s") ? "es" : "s"}`;

export const noProcess = (target: Hotpatch["description"]["target"]): Outcome =>
  failed("nothing", {
    reason: "no-process",
    detail: `no process maps ${target.name} with Build-ID ${target.buildId}`,
    next: "see what runs: suture ps --modules",
  });

export const listOfPids = (pids: readonly number[]): string =>
  `${pids.length === 1 ? "process" : "processes"} ${pids.join(", ")}`;

/** How long the processes stood still: each by itself, the longest of several. */
export function stopText(
  reports: readonly { readonly stopUs: number; readonly threads: number }[],
): string {
  const longestUs = Math.max(...reports.map(({ stopUs }) => stopUs));
  const threads = reports.reduce((sum, report) => sum + report.threads, 0);
  const longest = reports.length > 1 ? " at most" : "";
  return `stopped for ${longestUs.toFixed(0)} µs${longest}, ${counted(threads, "thread")}`;
}

/** Progress of work on several processes. */
export const stepsOf =
  (context: Context) =>
  (step: string, pid: number): void =>
    context.progress(`process ${pid}: ${step}`);
