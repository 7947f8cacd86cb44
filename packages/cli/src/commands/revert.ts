import type { Engine } from "@suture/engine";
import type { Arguments, Command, Context } from "../command.ts";
import { done, failed, line, type Outcome } from "../outcome.ts";
import { recoveredBlocks, recoverProcesses } from "../recovery.ts";
import {
  listOfPids,
  onlyPositional,
  pidsOrAll,
  refusedOutcome,
  stepsOf,
  stopText,
  timeoutOf,
} from "../selection.ts";

export const revert: Command = {
  name: "revert",
  summary: "take a hotpatch out of running processes",
  usage: "--pid PID|--all ID",
  about:
    "Switches the processes back to their original functions while they run, and frees the\n" +
    "hotpatch's memory. The hotpatch file is not needed. Several processes are reverted one after\n" +
    "the other: when one refuses, those before it stay reverted, and the later ones keep it.",
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
  const options = { ...timeoutOf(args), onStep: stepsOf(context) };
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
  const reports = engine.revert(pids, id, options);
  if (isRefusal(reports)) {
    const outcome = refusedOutcome(reports, { recovered });
    const left = pids.filter((pid) => hasHotpatch(engine.status(pid), id));
    // The processes before the refused one are reverted: that is no longer "nothing changed".
    return left.length === pids.length || pids.length === 1
      ? outcome
      : { ...outcome, exit: "failed", document: { ...outcome.document, left } };
  }
  const unfreed = reports.flatMap(({ pid, memoryLeft }) =>
    memoryLeft ? [line(`process ${pid}: its memory is not freed yet: ${memoryLeft.detail}`)] : [],
  );
  const cutShort = reports.flatMap(({ callbackFailed }) =>
    callbackFailed ? [line(callbackFailed.detail)] : [],
  );
  return done(
    { id, processes: reports, recovered },
    ...recoveredBlocks(recovered),
    line(`reverted ${id}: ${listOfPids(pids)}`),
    line(stopText(reports)),
    ...unfreed,
    ...cutShort,
  );
}

const hasHotpatch = (status: ReturnType<Engine["status"]>, id: string): boolean =>
  !("refused" in status) && status.some((hotpatch) => hotpatch.id === id);
