/** The table of commands, in the order in which the help shows them. */
import type { Command } from "./command.ts";
import { agentEnroll } from "./commands/agent-enroll.ts";
import { agentRun } from "./commands/agent-run.ts";
import { apply } from "./commands/apply.ts";
import { build } from "./commands/build.ts";
import { check } from "./commands/check.ts";
import { createCompletion } from "./commands/completion.ts";
import { createHelp } from "./commands/help.ts";
import { inspect } from "./commands/inspect.ts";
import { ps } from "./commands/ps.ts";
import { releaseAdd } from "./commands/release-add.ts";
import { releaseImportDebian } from "./commands/release-import-debian.ts";
import { releaseInit } from "./commands/release-init.ts";
import { releaseKeys } from "./commands/release-keys.ts";
import { releasePublish } from "./commands/release-publish.ts";
import { releaseSign } from "./commands/release-sign.ts";
import { releaseVerify } from "./commands/release-verify.ts";
import { releaseWithdraw } from "./commands/release-withdraw.ts";
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
  agentRun,
  agentEnroll,
  releaseInit,
  releaseAdd,
  releaseImportDebian,
  releaseSign,
  releasePublish,
  releaseWithdraw,
  releaseVerify,
  releaseKeys,
  createCompletion(() => COMMANDS),
  createHelp(() => COMMANDS),
];
