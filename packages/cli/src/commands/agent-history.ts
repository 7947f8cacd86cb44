import type { AgentParts } from "../agent-parts.ts";
import type { Arguments, Command } from "../command.ts";
import { done, line, type Outcome, table } from "../outcome.ts";
import { ask, noPositionals, onAgent, ROOT_OPTION } from "./agent-request.ts";
import { numberOf } from "./release-request.ts";

export const history: Command = {
  name: "history",
  summary: "show what the agent did, and on whose word",
  usage: "[--count N] [--after INDEX]",
  about:
    "Asks the agent for the records of its audit log, the last ones unless --after says where to\n" +
    "begin. `suture audit verify` shows that none was changed.",
  options: {
    count: { type: "string", value: "N", help: "at most so many records, 1 to 500 (20)" },
    after: { type: "string", value: "INDEX", help: "those after this record" },
    ...ROOT_OPTION,
  },
  example: "suture history --count 5",
  run: onAgent(run),
};

async function run(args: Arguments, parts: AgentParts): Promise<Outcome> {
  noPositionals(args, "history");
  const countMax = numberOf(args, "count", { min: 1, max: 500 }) ?? 20;
  const after = numberOf(args, "after", { min: 0, max: 999_999_999 });
  const request = { countMax, ...(after !== undefined && { after }) };
  const { records } = await ask(args, parts, { name: "history", request });
  if (records.length === 0) return done({ records }, line("nothing has happened yet"));
  const rows = records.map(({ index, at, who, what, detail }) => [
    `${index}`,
    at,
    who,
    what,
    Object.entries(detail)
      .map(
        ([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`,
      )
      .join(", "),
  ]);
  return done(
    { records },
    table(
      [
        { title: "INDEX", align: "right" },
        { title: "AT" },
        { title: "WHO" },
        { title: "WHAT", cutTo: 12 },
        { title: "DETAIL", cutTo: 20 },
      ],
      rows,
    ),
  );
}
