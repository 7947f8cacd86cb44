/** The texts of `suture help` and `suture COMMAND --help`. */
import { COMMON_OPTIONS, type Command, type Option } from "./command.ts";
import { EXIT_CODES } from "./exit-codes.ts";
import { type Block, done, line, type Outcome } from "./outcome.ts";

export function generalHelp(commands: readonly Command[]): Outcome {
  const width = Math.max(...commands.map(({ name }) => name.length));
  return lines([
    "suture: security fixes for programs while they run",
    "",
    "usage: suture COMMAND [OPTIONS] [--json]",
    "",
    ...commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`),
    "",
    "exit codes:",
    ...Object.values(EXIT_CODES).map(({ code, meaning }) => `  ${code}  ${meaning}`),
    "",
    "example:",
    "  suture check --pid 1234 fix.hotpatch && suture apply --pid 1234 fix.hotpatch",
    "",
    "suture COMMAND --help tells more about one command.",
  ]);
}

export function commandHelp(command: Command): Outcome {
  const options = Object.entries({ ...command.options, ...COMMON_OPTIONS });
  const names = options.map(([name, option]) =>
    [option.short && `-${option.short}, `, `--${name}`, valueName(option)].join(""),
  );
  const width = Math.max(...names.map((name) => name.length));
  return lines([
    `usage: suture ${command.name} ${command.usage}`.trimEnd(),
    "",
    command.about,
    "",
    "options:",
    ...options.map(([, { help }], at) => `  ${(names[at] ?? "").padEnd(width)}  ${help}`),
    "",
    "example:",
    ...command.example.split("\n").map((text) => `  ${text}`),
  ]);
}

const valueName = ({ type, value }: Option): string =>
  type === "string" ? ` ${value ?? "VALUE"}` : "";

function lines(texts: readonly string[]): Outcome {
  const blocks: Block[] = texts.flatMap((text) => text.split("\n")).map(line);
  return done({ help: texts.join("\n") }, ...blocks);
}
