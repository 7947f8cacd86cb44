import type { AgentParts } from "../agent-parts.ts";
import type { Arguments, Command } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import { counted } from "../selection.ts";
import { ask, noPositionals, onAgent, ROOT_OPTION } from "./agent-request.ts";

export const auditVerify: Command = {
  name: "audit verify",
  summary: "check that nobody changed the agent's audit log",
  usage: "[--root DIR]",
  about:
    "Follows the chain of hashes from the first record to the last. Keep the head that it prints\n" +
    "elsewhere: a log that was cut or written anew has another one.",
  options: ROOT_OPTION,
  example: "suture audit verify",
  run: onAgent(run),
};

async function run(args: Arguments, parts: AgentParts): Promise<Outcome> {
  noPositionals(args, "audit verify");
  const answer = await ask(args, parts, { name: "audit-verify", request: {} });
  const { records, head, problem } = answer;
  const blocks = [line(`${counted(records, "record")}, head ${head}`)];
  if (problem === undefined) {
    return done({ ...answer }, ...blocks, line("each record is the one that was written"));
  }
  return {
    exit: "failed",
    document: { ...answer },
    blocks,
    problem: {
      reason: "audit-damaged",
      detail: `record ${problem.index}: ${problem.found}`,
      next: parts.AGENT_PROBLEMS["audit-damaged"].next,
    },
  };
}
