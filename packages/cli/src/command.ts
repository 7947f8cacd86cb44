/** What a command of the command line is, and what it is given to work with. */
import type { ParseArgsConfig } from "node:util";
import type { AgentParts } from "./agent-parts.ts";
import type { Outcome } from "./outcome.ts";
import type { BuilderParts, EngineParts, ReleaseParts } from "./parts.ts";

export interface Option {
  readonly type: "string" | "boolean";
  readonly multiple?: true;
  /** One letter: `-f`. */
  readonly short?: string;
  /** What stands after the option in the help: `PID`, `FILE`. */
  readonly value?: string;
  readonly help: string;
}

export interface Command {
  /** One word, or two for a command of a group: `release publish`. */
  readonly name: string;
  readonly summary: string;
  /** Behind `suture NAME`, such as `--pid PID|--all FILE`. */
  readonly usage: string;
  /** A few sentences on what the command does and does not do. */
  readonly about: string;
  readonly options: Readonly<Record<string, Option>>;
  readonly example: string;
  readonly run: (args: Arguments, context: Context) => Promise<Outcome>;
}

export interface Arguments {
  readonly positionals: readonly string[];
  readonly text: (option: string) => string | undefined;
  readonly texts: (option: string) => readonly string[];
  readonly flag: (option: string) => boolean;
}

/** The parts that main.ts builds. Our packages are loaded when a command asks for them. */
export interface Context {
  readonly engine: () => Promise<EngineParts>;
  readonly builder: () => Promise<BuilderParts>;
  readonly release: () => Promise<ReleaseParts>;
  readonly agent: () => Promise<AgentParts>;
  /** Aborts when the command is to end. Once asked for, signals no longer end it at once. */
  readonly endSignal: () => AbortSignal;
  readonly readFile: (path: string) => Uint8Array;
  readonly writeFile: (path: string, bytes: Uint8Array) => void;
  readonly progress: (step: string) => void;
  readonly version: string;
  /** Handed on to the programs that a build runs. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where builds are kept unless `--cache` says otherwise. */
  readonly cacheFolder: string;
}

/** A command line that cannot be understood. `message` says what is wrong with it. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Options that every command has. */
export const COMMON_OPTIONS: Readonly<Record<string, Option>> = {
  json: { type: "boolean", help: "print one JSON document instead of text" },
  help: { type: "boolean", help: "show this help" },
};

/** The command that a command line begins with: the one of two words before that of one. */
export const commandNamed = (
  [first, second]: readonly string[],
  commands: readonly Command[],
): Command | undefined =>
  commands.find(({ name }) => name === `${first} ${second}`) ??
  commands.find(({ name }) => name === first);

export const parseArgsOptions = (command: Command): NonNullable<ParseArgsConfig["options"]> =>
  Object.fromEntries(
    Object.entries({ ...command.options, ...COMMON_OPTIONS }).map(([name, option]) => [
      name,
      {
        type: option.type,
        multiple: option.multiple ?? false,
        ...(option.short !== undefined && { short: option.short }),
      },
    ]),
  );
