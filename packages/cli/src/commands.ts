/** The table of commands, in the order in which the help shows them. */
import type { Command } from "./command.ts";
import { apply } from "./commands/apply.ts";
import { build } from "./commands/build.ts";
import { check } from "./commands/check.ts";
import { createCompletion } from "./commands/completion.ts";
import { createHelp } from "./commands/help.ts";
import { inspect } from "./commands/inspect.ts";
import { ps } from "./commands/ps.ts";
import { revert } from "./commands/revert.ts";
import { status } from "./commands/status.ts";
import { verify } from "./commands/verify.ts";

export const COMMANDS: readonly Command[] = [
  build,
  verify,
  inspect,
  ps,
  check,
  apply,
  status,
  revert,
  createCompletion(() => COMMANDS),
  createHelp(() => COMMANDS),
];
