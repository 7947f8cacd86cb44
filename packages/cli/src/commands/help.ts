import { type Arguments, type Command, commandNamed, UsageError } from "../command.ts";
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

function run({ positionals }: Arguments, commands: readonly Command[]): Outcome {
  if (positionals.length === 0) return generalHelp(commands);
  const command = commandNamed(positionals, commands);
  const group = commands.filter(({ name }) => name.startsWith(`${positionals[0]} `));
  if (command === undefined && positionals.length === 1 && group.length > 0) {
    return generalHelp(group);
  }
  if (command === undefined) throw new UsageError(`there is no command ${positionals.join(" ")}`);
  return commandHelp(command);
}
