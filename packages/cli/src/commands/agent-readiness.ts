import type { AgentParts } from "../agent-parts.ts";
import type { Arguments, Command } from "../command.ts";
import { done, line, type Outcome, table } from "../outcome.ts";
import { ask, noPositionals, onAgent, ROOT_OPTION } from "./agent-request.ts";

export const readiness: Command = {
  name: "readiness",
  summary: "tell whether this machine can take hotpatches, and if not, why",
  usage: "[--root DIR]",
  about:
    "Asks the agent. Ready, not ready with each reason and what to do about it, or not registered\n" +
    "where there is neither a policy nor a control plane. A machine that is not ready is refused: exit\n" +
    "code 3.",
  options: ROOT_OPTION,
  example: "suture readiness",
  run: onAgent(run),
};

const WORDS = {
  ready: "ready: hotpatches can be applied here",
  "not-ready": "not ready",
  "not-registered": "not registered: neither a policy nor a control plane says what to apply",
} as const;

async function run(args: Arguments, parts: AgentParts): Promise<Outcome> {
  noPositionals(args, "readiness");
  const answer = await ask(args, parts, { name: "readiness", request: {} });
  const { findings } = answer;
  const blocks = [
    line(WORDS[answer.readiness]),
    ...(findings.length === 0
      ? []
      : [
          table(
            [
              { title: "REASON" },
              { title: "DETAIL", cutTo: 20 },
              { title: "WHAT TO DO", cutTo: 20 },
            ],
            findings.map(({ reason, detail, remediation }) => [reason, detail, remediation]),
          ),
        ]),
  ];
  if (answer.readiness === "ready") return done({ ...answer }, ...blocks);
  const [first] = findings;
  const problem = {
    reason: first?.reason ?? answer.readiness,
    detail: first?.detail ?? WORDS[answer.readiness],
    next: first?.remediation ?? "enrol it: suture agent enroll",
  };
  return { exit: "refused", document: { ...answer }, blocks, problem };
}
