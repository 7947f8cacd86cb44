import type { Arguments, Command, Context } from "../command.ts";
import { done, failed, line, type Outcome } from "../outcome.ts";
import { recoveredBlocks, recoverProcesses } from "../recovery.ts";
import {
  listOfPids,
  onlyPositional,
  pauseText,
  pidsOrAll,
  refusedOutcome,
  timeoutOf,
} from "../selection.ts";

export const revert: Command = {
  name: "revert",
  summary: "take a hotpatch out of running processes",
  usage: "--pid PID|--all ID",
  about:
    "Switches the processes back to their original functions while they run, and frees the\n" +
    "hotpatch's memory. Several processes are one transaction. The hotpatch file is not needed.",
  options: {
    pid: { type: "string", multiple: true, value: "PID", help: "this process (may be repeated)" },
    all: { type: "boolean", help: "every process that has the hotpatch" },
    timeout: {
      type: "string",
      value: "SECONDS",
      help: "how long to try while a thread is inside a function of the hotpatch",
    },
  },
  example: "suture revert --pid 1234 redis-7.0.15-u10",
  run,
};

async function run(args: Arguments, context: Context): Promise<Outcome> {
  const id = onlyPositional(args, "ID");
  const chosen = pidsOrAll(args);
  const options = { ...timeoutOf(args), onStep: context.progress };
  const { engine, isRefusal } = await context.engine();
  const pids =
    chosen === "all"
      ? engine.processes().flatMap(({ pid, applied }) => (applied.includes(id) ? [pid] : []))
      : chosen;
  if (pids.length === 0) {
    return failed("nothing", {
      reason: "no-process",
      detail: `hotpatch ${id} is in no process`,
      next: "see which hotpatches are applied: suture status",
    });
  }
  const recovered = recoverProcesses(engine, pids);
  const report = engine.revert(pids, id, options);
  if (isRefusal(report)) return refusedOutcome(report, { recovered });
  return done(
    { id, pids, report, recovered },
    ...recoveredBlocks(recovered),
    line(`reverted ${id}: ${listOfPids(pids)}`),
    line(pauseText(report)),
  );
}
