/** How a service is restarted: its systemd unit, or a command that root has written down. */
import { AgentError } from "../errors.ts";
import { objectFromBytes, objectOf } from "../fields.ts";
import type { RunningProcess } from "../inventory/scan.ts";
import { readIfThere } from "./journal.ts";

export type Command = readonly [string, ...string[]];

export interface RestartCommand {
  /** The program or library whose processes it restarts. */
  readonly file: string;
  readonly command: Command;
}

const commandsMax = 200;

/**
 * `restart.json`: `{"commands":[{"file":"/usr/sbin/thing","command":["/usr/local/bin/again"]}]}`.
 * No file: no commands. Throws AgentError `settings-field`.
 */
export function readRestartCommands(path: string): readonly RestartCommand[] {
  const bytes = readIfThere(path);
  if (bytes.length === 0) return [];
  const place = { code: "settings-field", field: path } as const;
  const { commands } = objectOf(objectFromBytes(bytes, place), place, { required: ["commands"] });
  const wrong = (found: string) => new AgentError("settings-field", path, found);
  if (!Array.isArray(commands) || commands.length > commandsMax) throw wrong("a list of commands");
  return commands.map((value: unknown) => {
    const { file, command } = objectOf(value, place, { required: ["file", "command"] });
    if (typeof file !== "string" || !file.startsWith("/")) throw wrong("file: an absolute path");
    const words: unknown[] = Array.isArray(command) ? command : [];
    const texts = words.filter((word) => typeof word === "string");
    const [program, ...rest] = texts;
    if (program === undefined || texts.length !== words.length || !program.startsWith("/")) {
      throw wrong(`${file}: a command whose program is an absolute path`);
    }
    return { file, command: [program, ...rest] };
  });
}

/** The commands that restart all of the processes, each once; undefined where one has none. */
export function restartsOf(
  file: string,
  processes: readonly Pick<RunningProcess, "executable" | "unit">[],
  commands: readonly RestartCommand[],
): readonly Command[] | undefined {
  const found = new Map<string, Command>();
  for (const { executable, unit } of processes) {
    const configured = commands.find((entry) => entry.file === executable || entry.file === file);
    const command: Command | undefined =
      configured?.command ??
      (unit === undefined ? undefined : ["systemctl", "restart", "--", unit]);
    if (command === undefined) return undefined;
    found.set(command.join("\0"), command);
  }
  return [...found.values()];
}
