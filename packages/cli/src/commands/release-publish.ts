import { type Arguments, type Command, UsageError } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import type { ReleaseParts } from "../parts.ts";
import {
  KEY_OPTION,
  numberOf,
  onRelease,
  openKeys,
  PASSPHRASE_OPTIONS,
  REPOSITORY_OPTION,
  repositoryOf,
} from "./release-request.ts";

export const releasePublish: Command = {
  name: "release publish",
  summary: "make what is signed visible, or sign the timestamp anew",
  usage: "--key FILE --key FILE [--repository DIR] [--timestamp-days N] [--snapshot-days N]",
  about:
    "Publishes all that is staged, once every threshold is reached, with the online keys of\n" +
    "snapshot and timestamp. Where nothing is staged, only the timestamp is signed anew: do that\n" +
    "every day, for clients refuse a channel whose timestamp has expired. When the online keys\n" +
    "change, give the old ones too. Killed at any moment it leaves the old state or the new.",
  options: {
    ...REPOSITORY_OPTION,
    ...KEY_OPTION,
    "timestamp-days": { type: "string", value: "N", help: "how long clients believe it (7)" },
    "snapshot-days": { type: "string", value: "N", help: "the same for the snapshot (30)" },
    ...PASSPHRASE_OPTIONS,
  },
  example:
    "suture release publish --repository channel --passphrase-file online.pass \\\n" +
    "    --key keys/online/snapshot.key --key keys/online/timestamp.key",
  run: onRelease(run),
};

async function run(args: Arguments, parts: ReleaseParts): Promise<Outcome> {
  if (args.positionals[0] !== undefined) {
    throw new UsageError(`release publish takes options only, not ${args.positionals[0]}`);
  }
  const limits = { min: 1, max: 3650 };
  const timestamp = numberOf(args, "timestamp-days", limits);
  const snapshot = numberOf(args, "snapshot-days", limits);
  const expiryDays = {
    ...(timestamp !== undefined && { timestamp }),
    ...(snapshot !== undefined && { snapshot }),
  };
  const keys = await openKeys(args, parts);
  const files = repositoryOf(args, parts);
  const publication = await parts.publish({ files, now: parts.now(), keys, expiryDays });
  const versions = Object.entries(publication.versions).map(([role, at]) => `${role} ${at}`);
  return done(
    { publication },
    line(`published ${versions.join(", ")}`),
    line(`sign the timestamp anew before ${publication.expires}`),
  );
}
