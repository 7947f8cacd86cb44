import type { AgentParts } from "../agent-parts.ts";
import { type Arguments, type Command, UsageError } from "../command.ts";
import { type Block, done, line, type Outcome, table } from "../outcome.ts";
import { counted } from "../selection.ts";
import { ask, noPositionals, onAgent, ROOT_OPTION } from "./agent-request.ts";

export const show: Command = {
  name: "show",
  summary: "list the quality updates of the channel for what runs here",
  usage: "--available [--all]",
  about:
    "Asks the agent. Shows what the verified channel offers for the programs and libraries that run\n" +
    "on this machine, and whether the policy or the control plane allows it.",
  options: {
    available: { type: "boolean", help: "quality updates of the channel" },
    all: { type: "boolean", help: "those too that are for nothing that runs here" },
    ...ROOT_OPTION,
  },
  example: "suture show --available",
  run: onAgent(run),
};

async function run(args: Arguments, parts: AgentParts): Promise<Outcome> {
  noPositionals(args, "show");
  if (!args.flag("available")) throw new UsageError("what is to be shown? give --available");
  const all = args.flag("all");
  const answer = await ask(args, parts, { name: "available", request: { all } });
  const { channel, updates } = answer;
  return done({ ...answer }, ...channelLines(channel), updatesBlock(updates));
}

type Channel = Awaited<ReturnType<typeof ask<"available">>>["channel"];
type Updates = Awaited<ReturnType<typeof ask<"available">>>["updates"];

/** How current the view of the channel is, and why it is not newer. */
export function channelLines({ verifiedAt, expires, problem }: Channel): Block[] {
  const lines: Block[] = [];
  if (verifiedAt !== undefined) {
    lines.push(line(`channel verified ${verifiedAt}, valid until ${expires ?? "-"}`));
  }
  if (problem !== undefined) lines.push(line(`channel: ${problem.code}: ${problem.detail}`));
  return lines.length > 0 ? lines : [line("no channel was verified yet")];
}

function updatesBlock(updates: Updates): Block {
  if (updates.length === 0) return line("nothing is offered for what runs here");
  return table(
    [
      { title: "TARGET", cutTo: 24 },
      { title: "KIND" },
      { title: "SEVERITY" },
      { title: "CVES", cutTo: 14 },
      { title: "HERE" },
      { title: "ALLOWED", cutTo: 12 },
    ],
    updates.map(({ target, kind, severity, cves, withdrawn, applicable, allowed, reason }) => [
      target,
      withdrawn ? "withdrawn" : kind,
      severity,
      cves.length > 3 ? counted(cves.length, "CVE") : cves.join(" "),
      applicable ? "runs" : "-",
      allowed ? "yes" : `no${reason === undefined ? "" : `: ${reason}`}`,
    ]),
  );
}
