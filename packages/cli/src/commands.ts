/** The table of commands, in the order in which the help shows them. */
import type { Command } from "./command.ts";
import { adminAccount } from "./commands/admin-account.ts";
import { adminApiToken } from "./commands/admin-api-token.ts";
import { adminApply, adminDiff } from "./commands/admin-apply.ts";
import { adminDevice } from "./commands/admin-device.ts";
import { adminPause, adminResume } from "./commands/admin-pause.ts";
import { adminRollout } from "./commands/admin-rollout.ts";
import { adminShow } from "./commands/admin-show.ts";
import { adminToken } from "./commands/admin-token.ts";
import { auditVerify } from "./commands/agent-audit-verify.ts";
import { agentEnroll } from "./commands/agent-enroll.ts";
import { history } from "./commands/agent-history.ts";
import { readiness } from "./commands/agent-readiness.ts";
import { remove } from "./commands/agent-remove.ts";
import { agentRun } from "./commands/agent-run.ts";
import { show } from "./commands/agent-show.ts";
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
import { server } from "./commands/server.ts";
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
  readiness,
  show,
  remove,
  history,
  auditVerify,
  agentRun,
  agentEnroll,
  server,
  adminShow,
  adminRollout,
  adminPause,
  adminResume,
  adminDevice,
  adminToken,
  adminAccount,
  adminApiToken,
  adminApply,
  adminDiff,
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
