import { type Arguments, COMMON_OPTIONS, type Command, UsageError } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import { onlyPositional } from "../selection.ts";

const SHELLS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

/** `suture completion SHELL`, made from the table of the other commands. */
export const createCompletion = (commands: () => readonly Command[]): Command => ({
  name: "completion",
  summary: "print a completion script for a shell",
  usage: Object.keys(SHELLS).join("|"),
  about: "Prints a script that completes commands, options and files when TAB is pressed.",
  options: {},
  example:
    "source <(suture completion bash)\n" +
    "suture completion fish > ~/.config/fish/completions/suture.fish",
  run: async (args) => run(args, commands()),
});

function run(args: Arguments, commands: readonly Command[]): Outcome {
  const shell = onlyPositional(args, "the shell's name");
  if (!(shell === "bash" || shell === "zsh" || shell === "fish")) {
    throw new UsageError(`no completion for ${shell}; there is ${Object.keys(SHELLS).join(", ")}`);
  }
  const script = SHELLS[shell](commands);
  return done({ shell, script }, ...script.split("\n").map(line));
}

const optionsOf = (command: Command) => Object.entries({ ...command.options, ...COMMON_OPTIONS });
const flagsOf = (command: Command): string =>
  optionsOf(command)
    .map(([name]) => `--${name}`)
    .join(" ");
const namesOf = (commands: readonly Command[]): string =>
  [...new Set(commands.map(firstWord))].join(" ");

const firstWord = ({ name }: Command): string => name.split(" ")[0] ?? name;

/** The groups of commands of two words: `release` with `init`, `add` … */
function groupsOf(commands: readonly Command[]): Map<string, Command[]> {
  const groups = new Map<string, Command[]>();
  for (const command of commands.filter(({ name }) => name.includes(" "))) {
    groups.set(firstWord(command), [...(groups.get(firstWord(command)) ?? []), command]);
  }
  return groups;
}

const secondWord = ({ name }: Command): string => name.split(" ")[1] ?? "";

function bashScript(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const pattern = command.name.includes(" ") ? `"${command.name}"` : `"${command.name} "*`;
    return `    ${pattern}) words="${flagsOf(command)}" ;;`;
  });
  const groups = [...groupsOf(commands)].map(
    ([name, members]) =>
      `    if [[ \${COMP_WORDS[1]} == ${name} ]]; then\n` +
      `      COMPREPLY=($(compgen -W "${members.map(secondWord).join(" ")}" -- "$word"))\n` +
      "      return\n    fi",
  );
  return `# bash completion of suture
_suture() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  if [[ $COMP_CWORD == 1 ]]; then
    COMPREPLY=($(compgen -W "${namesOf(commands)}" -- "$word"))
    return
  fi
  if [[ $before == --pid ]]; then
    COMPREPLY=($(compgen -W "$(cd /proc && printf '%s ' [0-9]*)" -- "$word"))
    return
  fi
  if [[ $COMP_CWORD == 2 && $word != -* ]]; then
${groups.join("\n")}
    :
  fi
  case "\${COMP_WORDS[1]} \${COMP_WORDS[2]}" in
    "completion "*) COMPREPLY=($(compgen -W "${Object.keys(SHELLS).join(" ")}" -- "$word")); return ;;
    "help "*) COMPREPLY=($(compgen -W "${namesOf(commands)}" -- "$word")); return ;;
${cases.filter((text) => !/^ *"(completion|help) "/.test(text)).join("\n")}
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _suture suture`;
}

function zshScript(commands: readonly Command[]): string {
  const described = describedForZsh(commands.filter(({ name }) => !name.includes(" ")));
  const groups = [...groupsOf(commands)].map(([name, members]) => ({
    name,
    summary: `${members.map(secondWord).join(", ")}`,
    described: describedForZsh(
      members.map((command) => ({ ...command, name: secondWord(command) })),
    ),
  }));
  const cases = commands.map((command) => {
    const specs = optionsOf(command).map(([name, option]) => {
      const repeat = option.multiple ? "*" : "";
      const value =
        option.type === "string" ? `:${option.value ?? "value"}:${zshAction(name)}` : "";
      return `'${repeat}--${name}[${zshText(option.help)}]${value}'`;
    });
    const pattern = command.name.includes(" ") ? `"${command.name}"` : `"${command.name} "*`;
    return `    ${pattern}) _arguments ${specs.join(" ")} '*:file:_files' ;;`;
  });
  return `#compdef suture
# zsh completion of suture
_suture() {
  local -a commands
  commands=(
${[...described, ...groups.flatMap(({ name, summary }) => describedForZsh([{ name, summary }]))].join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  shift words; (( CURRENT-- ))
${groups.map(({ name, described }) => `  if [[ $words[1] == ${name} ]] && (( CURRENT == 2 )); then\n    commands=(\n${described.join("\n")}\n    )\n    _describe command commands\n    return\n  fi`).join("\n")}
  case "$words[1] $words[2]" in
${cases.join("\n")}
  esac
}
if [[ $funcstack[1] == _suture ]]; then _suture "$@"; else compdef _suture suture; fi`;
}

const describedForZsh = (commands: readonly Pick<Command, "name" | "summary">[]): string[] =>
  commands.map(({ name, summary }) => `    '${name}:${zshText(summary)}'`);
const zshText = (text: string): string =>
  text.replace(/[[\]:']/g, (character) => (character === "'" ? "" : `\\${character}`));
const zshAction = (option: string): string => (option === "pid" ? "_pids" : "_files");

function fishScript(commands: readonly Command[]): string {
  const quote = (text: string): string => `'${text.replaceAll("'", "\\'")}'`;
  const lines = commands.flatMap((command) => [
    nameForFish(command, quote(command.summary)),
    ...optionsOf(command).map(([name, { type, help }]) => {
      const value =
        type === "boolean" ? "" : name === "pid" ? " -x -a '(__fish_complete_pids)'" : " -r";
      const seen = command.name.split(" ").map((word) => `__fish_seen_subcommand_from ${word}`);
      const condition = `'${seen.join("; and ")}'`;
      return `complete -c suture -n ${condition} -l ${name}${value} -d ${quote(help)}`;
    }),
  ]);
  const shells = Object.keys(SHELLS).join(" ");
  return [
    "# fish completion of suture",
    ...lines,
    `complete -c suture -n '__fish_seen_subcommand_from completion' -f -a '${shells}'`,
  ].join("\n");
}

/** A command of a group is offered once the group's name stands there. */
function nameForFish(command: Command, summary: string): string {
  const [first = "", second] = command.name.split(" ");
  const condition =
    second === undefined ? "__fish_use_subcommand" : `'__fish_seen_subcommand_from ${first}'`;
  const name = `complete -c suture -n ${condition} -f -a ${second ?? first} -d ${summary}`;
  return second === undefined
    ? name
    : `complete -c suture -n __fish_use_subcommand -f -a ${first}\n${name}`;
}
