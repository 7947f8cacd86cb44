import type { AgentParts } from "../agent-parts.ts";
import type { Arguments, Command } from "../command.ts";
import type { Outcome } from "../outcome.ts";
import { onlyPositional } from "../selection.ts";
import { actionsOutcome } from "./agent-actions.ts";
import { ask, onAgent, ROOT_OPTION } from "./agent-request.ts";
import { requiredText } from "./release-request.ts";

export const remove: Command = {
  name: "remove",
  summary: "revert a hotpatch of the channel live, and keep the agent from applying it again",
  usage: "TARGET --reason TEXT [--dry-run]",
  about:
    "Asks the agent, which reverts the hotpatch in all processes and notes the reason in its audit\n" +
    "log. What the agent did not apply is reverted with: suture revert.",
  options: {
    reason: { type: "string", value: "TEXT", help: "why; it goes to the audit log" },
    "dry-run": { type: "boolean", help: "only say what would be done" },
    ...ROOT_OPTION,
  },
  example:
    'suture remove redis/2026-10/b2bcad6d23563e10222dc42e7a9b0e07f5c56033.1.hotpatch \\\n    --reason "slower since"',
  run: onAgent(run),
};

async function run(args: Arguments, parts: AgentParts): Promise<Outcome> {
  const target = onlyPositional(args, "TARGET");
  const request = { target, reason: requiredText(args, "reason"), dryRun: args.flag("dry-run") };
  const { actions } = await ask(args, parts, { name: "remove", request });
  return actionsOutcome(actions, "the hotpatch is in no process");
}
