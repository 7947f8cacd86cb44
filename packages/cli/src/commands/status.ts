import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import { done, line, type Outcome, type Row, table } from "../outcome.ts";
import type { AppliedHotpatch } from "../parts.ts";
import { recoveredBlocks, recoverProcesses } from "../recovery.ts";
import { pidsOf, refusedOutcome } from "../selection.ts";
import { ROOT_OPTION } from "./agent-request.ts";
import { agentBlocks, agentStatus } from "./agent-status.ts";

export const status: Command = {
  name: "status",
  summary: "show which hotpatches are in which processes, and what the agent says",
  usage: "[--pid PID]",
  about:
    "Reads the record that each hotpatch keeps in the process itself; there is no other. Without\n" +
    "--pid, all processes, and where an agent runs, its view: what runs here, how it stands, why.\n" +
    "With --root, that agent's view in any case.",
  options: {
    pid: { type: "string", multiple: true, value: "PID", help: "this process (may be repeated)" },
    ...ROOT_OPTION,
  },
  example: "suture status --pid 1234\nsuture status",
  run,
};

interface ProcessStatus {
  readonly pid: number;
  readonly hotpatches: readonly AppliedHotpatch[];
}

async function run(args: Arguments, context: Context): Promise<Outcome> {
  if (args.positionals.length > 0) throw new UsageError(`status takes no ${args.positionals[0]}`);
  const { engine, isRefusal } = await context.engine();
  const asked = pidsOf(args);
  const pids =
    asked.length > 0
      ? asked
      : engine.processes().flatMap(({ pid, applied }) => (applied.length > 0 ? [pid] : []));
  const recovered = recoverProcesses(engine, pids);
  const processes: ProcessStatus[] = [];
  for (const pid of pids) {
    const hotpatches = engine.status(pid);
    if (!isRefusal(hotpatches)) processes.push({ pid, hotpatches });
    // A process that ended since the list was made is no longer asked for.
    else if (asked.length > 0) return refusedOutcome({ pid, ...hotpatches }, { recovered });
  }
  const blocks = [...recoveredBlocks(recovered), statusTable(processes)];
  const asksAgent = asked.length === 0 || args.text("root") !== undefined;
  const agent = asksAgent ? await agentStatus(args, context) : undefined;
  if (agent === undefined) return done({ processes, recovered }, ...blocks);
  return done({ processes, recovered, agent }, ...blocks, ...agentBlocks(agent));
}

function statusTable(processes: readonly ProcessStatus[]) {
  const rows = processes.flatMap(({ pid, hotpatches }) =>
    hotpatches.map(
      ({ id, sequence, state, inForce, functions, size }): Row => [
        `${pid}`,
        id,
        `${sequence}`,
        inForce || state !== "applied" ? state : "applied, not in force",
        `${Math.ceil(size / 1024)} KiB`,
        functions.map(({ name }) => name).join(" "),
      ],
    ),
  );
  if (rows.length === 0) return line("no hotpatch is applied");
  return table(
    [
      { title: "PID", align: "right" },
      { title: "HOTPATCH", cutTo: 16 },
      { title: "SEQUENCE", align: "right" },
      { title: "STATE" },
      { title: "MEMORY", align: "right" },
      { title: "FUNCTIONS", cutTo: 12 },
    ],
    rows,
  );
}
