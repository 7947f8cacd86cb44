import { type Arguments, type Command, UsageError } from "../command.ts";
import { commandHelp, generalHelp } from "../help.ts";
import type { Outcome } from "../outcome.ts";

/** `suture help`, which knows the other commands. */
export const createHelp = (commands: () => readonly Command[]): Command => ({
  name: "help",
  summary: "explain suture, or one command",
  usage: "[COMMAND]",
  about: "Shows the commands and the exit codes, or one command with its options and an example.",
  options: {},
  example: "suture help apply",
  run: async (args) => run(args, commands()),
});

function run({ positionals: [name] }: Arguments, commands: readonly Command[]): Outcome {
  if (name === undefined) return generalHelp(commands);
  const command = commands.find((candidate) => candidate.name === name);
  if (command === undefined) throw new UsageError(`there is no command ${name}`);
  return commandHelp(command);
}
