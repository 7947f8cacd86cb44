import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import { recoveredBlocks, recoverProcesses } from "../recovery.ts";
import {
  counted,
  listOfPids,
  mappers,
  noProcess,
  onlyPositional,
  pidsOrAll,
  readHotpatch,
  refusedOutcome,
  stepsOf,
  stopText,
  timeoutOf,
} from "../selection.ts";
import { actionsOutcome } from "./agent-actions.ts";
import { ask, onAgent, ROOT_OPTION } from "./agent-request.ts";
import { checkOutcome } from "./check.ts";

export const apply: Command = {
  name: "apply",
  summary: "put a hotpatch into running processes",
  usage: "--pid PID|--all FILE | [--target TARGET] [--dry-run]",
  about:
    "Switches the processes to the fixed functions while they run. Several processes are one\n" +
    "transaction: all of them switch, or none stays switched. A refusal changes nothing.\n" +
    "Without FILE, asks the agent to apply what its policy or control plane allows now, without\n" +
    "waiting for a window; one --target of it, or all.",
  options: {
    pid: { type: "string", multiple: true, value: "PID", help: "this process (may be repeated)" },
    all: { type: "boolean", help: "every process that maps the Build-ID the hotpatch is for" },
    timeout: {
      type: "string",
      value: "SECONDS",
      help: "how long to try while a thread is inside a function that would be switched",
    },
    target: { type: "string", value: "TARGET", help: "of the channel; the agent applies it" },
    "dry-run": { type: "boolean", help: "only say what would be done, or why not" },
    ...ROOT_OPTION,
  },
  example: "suture apply --pid 1234 redis-7.0.15-u10.hotpatch\nsuture apply --dry-run",
  run,
};

async function run(args: Arguments, context: Context): Promise<Outcome> {
  const names = args.positionals.length > 0 || args.flag("all") || args.texts("pid").length > 0;
  if (!names) return await applyByAgent(args, context);
  if (args.text("target") !== undefined)
    throw new UsageError("--target and FILE exclude each other");
  return await applyFile(args, context);
}

const applyByAgent = onAgent(async (args, parts) => {
  const target = args.text("target");
  const request = { dryRun: args.flag("dry-run"), ...(target !== undefined && { target }) };
  const { actions } = await ask(args, parts, { name: "apply", request });
  return actionsOutcome(actions, "nothing is to be applied: all that is allowed is applied");
});

async function applyFile(args: Arguments, context: Context): Promise<Outcome> {
  const path = onlyPositional(args, "FILE");
  const chosen = pidsOrAll(args);
  const options = { ...timeoutOf(args), onStep: stepsOf(context) };
  const parts = await context.engine();
  const read = readHotpatch(path, context, parts);
  if ("outcome" in read) return read.outcome;
  const { hotpatch } = read;
  const { id, target, functions } = hotpatch.description;

  const fitting = chosen === "all" ? mappers(parts.engine.processes(), target.buildId) : [];
  const pids =
    chosen === "all"
      ? fitting.filter(({ applied }) => !applied.includes(id)).map(({ pid }) => pid)
      : chosen;
  if (pids.length === 0 && fitting.length > 0) {
    const text = `${id} is already in ${counted(fitting.length, "process")}, in all that it fits`;
    return done({ id, processes: [] }, line(text));
  }
  if (pids.length === 0) return noProcess(target);
  const recovered = recoverProcesses(parts.engine, pids);
  if (args.flag("dry-run")) return checkOutcome(pids, hotpatch, { parts, recovered });
  const reports = parts.engine.apply(pids, hotpatch, options);
  if (parts.isRefusal(reports)) return refusedOutcome(reports, { recovered });
  return done(
    { id, processes: reports, recovered },
    ...recoveredBlocks(recovered),
    line(`applied ${id}: ${counted(functions.length, "function")}, ${listOfPids(pids)}`),
    line(stopText(reports)),
    line(`undo with: suture revert ${pids.map((pid) => `--pid ${pid}`).join(" ")} ${id}`),
  );
}
