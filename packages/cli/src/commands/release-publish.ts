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
  whileLocked,
} from "./release-request.ts";

export const releasePublish: Command = {
  name: "release publish",
  summary: "make what is signed visible, or sign the timestamp anew",
  usage: "--key FILE --key FILE [--repository DIR] [--role ROLE|--timestamp-only]...",
  about:
    "Publishes all that is staged, once every threshold is reached, with the online keys of\n" +
    "snapshot and timestamp. Run it with --timestamp-only every day, for clients refuse a channel\n" +
    "whose timestamp has expired. When the online keys change, give the old ones too. Killed at\n" +
    "any moment it leaves the old state or the new.",
  options: {
    ...REPOSITORY_OPTION,
    ...KEY_OPTION,
    role: {
      type: "string",
      multiple: true,
      value: "ROLE",
      help: "publish only this staged role (may be repeated)",
    },
    "timestamp-only": { type: "boolean", help: "publish nothing that is staged" },
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
  const named = args.texts("role");
  if (named.length > 0 && args.flag("timestamp-only")) {
    throw new UsageError("--role and --timestamp-only exclude each other");
  }
  const roles = named.length > 0 || args.flag("timestamp-only") ? { roles: named } : {};
  const keys = await openKeys(args, parts);
  const files = repositoryOf(args, parts);
  const request = { files, now: parts.now(), keys, expiryDays, ...roles };
  const act = () => parts.publish(request);
  const publication = await whileLocked(args, { parts, task: releasePublish.name }, act);
  const versions = Object.entries(publication.versions).map(([role, at]) => `${role} ${at}`);
  return done(
    { publication },
    line(`published ${versions.join(", ")}`),
    line(`sign the timestamp anew before ${publication.expires}`),
  );
}
