import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import { type Block, done, line, type Outcome, type Row, table } from "../outcome.ts";
import type { ProcessSummary } from "../parts.ts";
import { mappers, noProcess, readHotpatch } from "../selection.ts";

export const ps: Command = {
  name: "ps",
  summary: "list processes, the Build-IDs they map, and whether they can be patched",
  usage: "[FILE] [--modules]",
  about:
    "Lists the running programs: Build-ID of the executable, hotpatches in them, and where a\n" +
    "process cannot be patched, the reason. With a hotpatch FILE, only the processes that it fits.",
  options: {
    modules: { type: "boolean", help: "one row for each mapped program and library" },
  },
  example: "suture ps\nsuture ps redis-7.0.15-u10.hotpatch",
  run,
};

async function run(args: Arguments, context: Context): Promise<Outcome> {
  const [path, ...more] = args.positionals;
  if (more.length > 0) throw new UsageError(`one FILE is enough: ${more.join(" ")}`);
  const parts = await context.engine();
  let processes = parts.engine.processes();
  if (path !== undefined) {
    const read = readHotpatch(path, context, parts);
    if ("outcome" in read) return read.outcome;
    const { target } = read.hotpatch.description;
    processes = mappers(processes, target.buildId);
    if (processes.length === 0) return noProcess(target);
  }
  return done(
    { processes },
    args.flag("modules") ? moduleTable(processes) : processTable(processes),
  );
}

export const patchableText = ({ patchable }: ProcessSummary): string =>
  patchable === true ? "yes" : `no: ${patchable.refused}`;

/** The Build-ID of the program itself. */
const buildIdOf = ({ executable, modules }: ProcessSummary): string =>
  modules.find(({ path }) => path === executable)?.buildId ?? "-";

function processTable(processes: readonly ProcessSummary[]): Block {
  if (processes.length === 0) return line("no process of a program was found");
  return table(
    [
      { title: "PID", align: "right" },
      { title: "PATCHABLE" },
      { title: "BUILD-ID", cutTo: 9 },
      { title: "HOTPATCHES", cutTo: 10 },
      { title: "EXECUTABLE", cutTo: 16 },
    ],
    processes.map(
      (process): Row => [
        `${process.pid}`,
        patchableText(process),
        buildIdOf(process),
        process.applied.join(" ") || "-",
        process.executable || process.command,
      ],
    ),
  );
}

const moduleTable = (processes: readonly ProcessSummary[]): Block =>
  table(
    [
      { title: "PID", align: "right" },
      { title: "BUILD-ID", cutTo: 9 },
      { title: "MODULE", cutTo: 16 },
    ],
    processes.flatMap(({ pid, modules }) =>
      modules.map(
        ({ path, buildId, deleted }): Row => [
          `${pid}`,
          buildId ?? "-",
          deleted ? `${path} (deleted)` : path,
        ],
      ),
    ),
  );
