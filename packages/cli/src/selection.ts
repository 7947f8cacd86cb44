/** Which processes and which file a command line means. */
import { type Arguments, type Context, UsageError } from "./command.ts";
import { failed, type Outcome } from "./outcome.ts";
import type { EngineParts, Hotpatch, ProcessSummary, Refusal, Report } from "./parts.ts";

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
      detail:
        refusal.pid === undefined ? refusal.detail : `process ${refusal.pid}: ${refusal.detail}`,
      next: refusal.next,
    },
    { ...document, ...(refusal.pid !== undefined && { pid: refusal.pid }) },
  );

export const noProcess = (target: Hotpatch["description"]["target"]): Outcome =>
  failed("nothing", {
    reason: "no-process",
    detail: `no process maps ${target.name} with Build-ID ${target.buildId}`,
    next: "see what runs: suture ps --modules",
  });

export const listOfPids = (pids: readonly number[]): string =>
  `${pids.length === 1 ? "process" : "processes"} ${pids.join(", ")}`;

export const pauseText = ({ pauseUs, threads, attempts }: Report): string =>
  `stopped for ${pauseUs.toFixed(0)} µs, ${threads} ${threads === 1 ? "thread" : "threads"}` +
  (attempts > 1 ? `, at the ${attempts}. attempt` : "");
