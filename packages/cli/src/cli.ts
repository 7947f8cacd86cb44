/** From the words of a command line to an outcome. */
import { parseArgs } from "node:util";
import {
  type Arguments,
  type Command,
  type Context,
  commandNamed,
  parseArgsOptions,
  UsageError,
} from "./command.ts";
import { commandHelp, generalHelp } from "./help.ts";
import { done, failed, line, type Outcome } from "./outcome.ts";

/** Runs one command line; what it cannot understand, or what breaks, is an outcome too. */
export async function runCli(
  argv: readonly string[],
  commands: readonly Command[],
  context: Context,
): Promise<Outcome> {
  const words = argv.filter((word, at) => !(word === "--json" && at === 0));
  const [name] = words;
  if (name === "--version") {
    return done({ version: context.version }, line(`suture ${context.version}`));
  }
  if (name === undefined || name === "--help" || name === "-h") return generalHelp(commands);
  const command = commandNamed(words, commands);
  if (command === undefined) return noCommand(words, commands);
  try {
    const args = parse(command, words.slice(command.name.split(" ").length));
    return args.flag("help") ? commandHelp(command) : await command.run(args, context);
  } catch (error) {
    return outcomeOf(error, command);
  }
}

/** `suture release` alone, or with a word that is none of its commands, shows what there is. */
function noCommand([name = "", second]: readonly string[], commands: readonly Command[]): Outcome {
  const group = commands.filter((command) => command.name.startsWith(`${name} `));
  if (group.length > 0 && (second === undefined || second === "--help" || second === "-h")) {
    return generalHelp(group);
  }
  const known = group.length > 0 ? group : commands;
  const names = known.map((candidate) => candidate.name).join(", ");
  const missing = group.length > 0 ? `${name} ${second}` : name;
  return usage(`there is no command ${missing}`, `commands: ${names}; see: suture help`);
}

function parse(command: Command, words: readonly string[]): Arguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      options: parseArgsOptions(command),
      allowPositionals: true,
      strict: true,
    });
    const texts = (option: string): string[] =>
      [values[option] ?? []].flat().filter((value) => typeof value === "string");
    return {
      positionals,
      texts,
      text: (option) => texts(option).at(-1),
      flag: (option) => values[option] === true,
    };
  } catch (error) {
    if (error instanceof TypeError && "code" in error) throw new UsageError(error.message);
    throw error;
  }
}

function outcomeOf(error: unknown, command: Command): Outcome {
  if (error instanceof UsageError) {
    return usage(error.message, `see: suture ${command.name} --help`);
  }
  if (!(error instanceof Error) || error.name === "AssertionError") throw error;
  // What the system or a part of ours says of a file or a process: a failure with a code.
  const code = "code" in error ? String(error.code) : error.name;
  const isOfSystem = "syscall" in error;
  return failed("failed", {
    reason: code,
    detail: error.message,
    next: isOfSystem
      ? "check the file's name and permissions and run the command again"
      : `run it again; if it stays, report this: ${firstPlace(error)}`,
  });
}

/** Where in our code an error began, for a report. */
const firstPlace = ({ stack = "" }: Error): string =>
  /\bat .*$/m.exec(stack)?.[0].trim() ?? "no place is known";

const usage = (detail: string, next: string): Outcome =>
  failed("usage", { reason: "usage", detail, next });
