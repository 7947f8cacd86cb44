import type { RepositoryFiles, SigningKey } from "@suture/release";
import { type Arguments, type Command, UsageError } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import type { ReleaseParts } from "../parts.ts";
import {
  KEY_OPTION,
  onRelease,
  openKeys,
  PASSPHRASE_OPTIONS,
  REPOSITORY_OPTION,
  repositoryOf,
  shortId,
  waitingReport,
  whileLocked,
} from "./release-request.ts";

export const releaseSign: Command = {
  name: "release sign",
  summary: "sign what waits to be published, each signer by itself",
  usage: "[--key FILE]... [--role ROLE]... [--renew ROLE] [--repository DIR]",
  about:
    "Without a key: shows what is staged, which is what a signature would say. With one: signs every\n" +
    "staged file that lists the key, or only those of --role, and says who else must sign. --renew\n" +
    "first stages the next version of a role with the same content, before the old one expires.",
  options: {
    ...REPOSITORY_OPTION,
    ...KEY_OPTION,
    role: {
      type: "string",
      multiple: true,
      value: "ROLE",
      help: "root, targets or a product (may be repeated; all, where it is absent)",
    },
    renew: { type: "string", value: "ROLE", help: "stage a new version of it first" },
    ...PASSPHRASE_OPTIONS,
  },
  example:
    "suture release sign --repository channel\n" +
    "suture release sign --repository channel --key keys/offline/root-1.key\n" +
    "suture release sign --renew targets --key keys/offline/targets-1.key",
  run: onRelease(run),
};

async function run(args: Arguments, parts: ReleaseParts): Promise<Outcome> {
  if (args.positionals[0] !== undefined) {
    throw new UsageError(`release sign takes options only, not ${args.positionals[0]}`);
  }
  const files = repositoryOf(args, parts);
  const keys = args.texts("key").length > 0 ? await openKeys(args, parts) : [];
  const isChange = keys.length > 0 || args.text("renew") !== undefined;
  const act = () => sign(args, parts, { files, keys });
  const { changes, signed } = isChange
    ? await whileLocked(args, { parts, task: releaseSign.name }, act)
    : await act();
  const { waiting, isReady, lines } = await waitingReport(parts, files);
  return done(
    { changes, signed, waiting, ready: isReady },
    ...changes.map(({ role, change, subject, detail }) =>
      line(`${role}: ${change} ${subject}: ${detail}`),
    ),
    ...signed.map(({ keyid, roles }) => line(`${shortId(keyid)} signed ${roles.join(", ")}`)),
    ...lines,
    ...(isReady ? [line("next: suture release publish")] : []),
  );
}

/** What there is to sign, and who signed it now. */
async function sign(
  args: Arguments,
  parts: ReleaseParts,
  { files, keys }: { readonly files: RepositoryFiles; readonly keys: readonly SigningKey[] },
) {
  const renew = args.text("renew");
  if (renew !== undefined) await parts.renewMetadata({ files, now: parts.now(), role: renew });
  const changes = parts.changesOf(await parts.readRepository(files));
  const roles = args.texts("role");
  const signed: { keyid: string; roles: string[] }[] = [];
  for (const key of keys) {
    const request = { files, key, ...(roles.length > 0 && { roles }) };
    signed.push({ keyid: key.keyid, roles: await parts.signMetadata(request) });
  }
  return { changes, signed };
}
