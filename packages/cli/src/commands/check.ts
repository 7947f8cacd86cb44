import type { CheckReport, Hotpatch } from "@suture/engine";
import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import type { EngineParts } from "../parts.ts";
import { recoveredBlocks, recoverProcesses } from "../recovery.ts";
import {
  counted,
  listOfPids,
  onlyPositional,
  pidsOf,
  readHotpatch,
  refusedOutcome,
} from "../selection.ts";

export const check: Command = {
  name: "check",
  summary: "say whether a hotpatch would go into a process, without stopping it",
  usage: "--pid PID FILE",
  about:
    "Does everything that apply does up to the stop: finds the module, compares its code with what\n" +
    "the hotpatch was built from, finds each symbol, links the new code. Changes nothing.",
  options: { pid: { type: "string", multiple: true, value: "PID", help: "the process" } },
  example: "suture check --pid 1234 redis-7.0.15-u10.hotpatch",
  run,
};

async function run(args: Arguments, context: Context): Promise<Outcome> {
  const path = onlyPositional(args, "FILE");
  const pids = pidsOf(args);
  if (pids.length === 0) throw new UsageError("which process? give --pid PID");
  const parts = await context.engine();
  const read = readHotpatch(path, context, parts);
  if ("outcome" in read) return read.outcome;
  const { hotpatch } = read;
  const recovered = recoverProcesses(parts.engine, pids);
  return checkOutcome(pids, hotpatch, { parts, recovered });
}

/** Whether the hotpatch would go into each of the processes; changes nothing. */
export function checkOutcome(
  pids: readonly number[],
  hotpatch: Hotpatch,
  { parts, recovered }: { parts: EngineParts; recovered: ReturnType<typeof recoverProcesses> },
): Outcome {
  const reports: CheckReport[] = [];
  for (const pid of pids) {
    const report = parts.engine.check(pid, hotpatch);
    if (parts.isRefusal(report)) return refusedOutcome({ pid, ...report }, { recovered });
    reports.push(report);
  }
  const { id, functions } = hotpatch.description;
  const names = functions.map(({ name }) => name).join(", ");
  return done(
    { id, processes: reports, recovered },
    ...recoveredBlocks(recovered),
    line(`${id} fits ${listOfPids(pids)}; nothing was changed`),
    line(`it would replace ${counted(functions.length, "function")}: ${names}`),
  );
}
