import type { Arguments, Command } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import type { ReleaseParts } from "../parts.ts";
import { onlyPositional } from "../selection.ts";
import {
  onRelease,
  REPOSITORY_OPTION,
  repositoryOf,
  requiredText,
  whileLocked,
} from "./release-request.ts";

export const releaseWithdraw: Command = {
  name: "release withdraw",
  summary: "say that an update must no longer be applied",
  usage: "TARGET --reason TEXT [--repository DIR]",
  about:
    "Marks a published update as withdrawn, with the reason, for the product's signers to sign. Its\n" +
    "file is removed at publication; the mark stays, so that machines which applied it learn of it.\n" +
    "An update that was not published yet is taken back as if it had never been added.",
  options: {
    ...REPOSITORY_OPTION,
    reason: { type: "string", value: "TEXT", help: "what is wrong with it, for people" },
  },
  example:
    "suture release withdraw redis/2026-10/b2bcad6d23563e10222dc42e7a9b0e07f5c56033.3.hotpatch \\\n" +
    "    --reason 'leaks memory'",
  run: onRelease(run),
};

async function run(args: Arguments, parts: ReleaseParts): Promise<Outcome> {
  const target = onlyPositional(args, "TARGET");
  const reason = requiredText(args, "reason");
  const files = repositoryOf(args, parts);
  const act = () => parts.withdraw({ files, now: parts.now(), target, reason });
  await whileLocked(args, { parts, task: releaseWithdraw.name }, act);
  return done(
    { withdrawn: { target, reason } },
    line(`${target} is marked as withdrawn`),
    line("next: suture release sign, then suture release publish"),
  );
}
