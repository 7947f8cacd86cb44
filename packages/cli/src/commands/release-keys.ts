import { basename, resolve } from "node:path";
import type { TopRole } from "@suture/release";
import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import { done, line, type Outcome, table } from "../outcome.ts";
import type { ReleaseParts } from "../parts.ts";
import {
  KEY_OPTION,
  makeKeyFile,
  numberOf,
  onRelease,
  PASSPHRASE_OPTIONS,
  passphraseOf,
  REPOSITORY_OPTION,
  readPublicKey,
  repositoryOf,
  shortId,
  waitingReport,
  whileLocked,
} from "./release-request.ts";

export const releaseKeys: Command = {
  name: "release keys",
  summary: "show who signs what, make a key, or change the signers of a role",
  usage: "[--repository DIR] | new FILE [--label TEXT] | set ROLE --key FILE... [--threshold N]",
  about:
    "Without words: the roles with their keys and thresholds, and what waits for which signature.\n" +
    "new makes a key file, encrypted with a passphrase, and FILE.pub to hand on. set replaces the\n" +
    "signers of root, targets, snapshot or timestamp by a new root (signed by the old root keys and\n" +
    "by the new ones), or those of a product by new delegations (signed by the targets keys).",
  options: {
    ...REPOSITORY_OPTION,
    label: { type: "string", value: "TEXT", help: "what people call the key (the file's name)" },
    ...KEY_OPTION,
    threshold: { type: "string", value: "N", help: "how many of the keys must sign (1)" },
    ...PASSPHRASE_OPTIONS,
  },
  example:
    "suture release keys --repository channel\n" +
    "suture release keys new ann.key\n" +
    "suture release keys set timestamp --key timestamp-2.key.pub",
  run: onRelease(run),
};

async function run(args: Arguments, parts: ReleaseParts, context: Context): Promise<Outcome> {
  const [verb, word, ...more] = args.positionals;
  if (verb === undefined) return await show(args, parts);
  if (verb !== "new" && verb !== "set") {
    throw new UsageError(`release keys ${verb}: there is new and set`);
  }
  const what = verb === "new" ? "FILE" : "ROLE";
  if (word === undefined) throw new UsageError(`release keys ${verb}: ${what} is missing`);
  if (more[0] !== undefined) throw new UsageError(`release keys ${verb}: one ${what} is enough`);
  return verb === "new" ? await make(word, args, parts) : await set(word, { args, parts, context });
}

async function show(args: Arguments, parts: ReleaseParts): Promise<Outcome> {
  const files = repositoryOf(args, parts);
  const roles = parts.rolesOf(await parts.readRepository(files));
  const { waiting, lines } = await waitingReport(parts, files);
  return done(
    { roles, waiting },
    table(
      [{ title: "ROLE" }, { title: "THRESHOLD", align: "right" }, { title: "KEYS", cutTo: 24 }],
      roles.map(({ role, threshold, keyids }) => [
        ...[role, `${threshold} of ${keyids.length}`],
        keyids.map(shortId).join(" "),
      ]),
    ),
    ...lines,
  );
}

async function make(path: string, args: Arguments, parts: ReleaseParts): Promise<Outcome> {
  const file = resolve(path);
  const label = args.text("label") ?? basename(file, ".key");
  const question = { for: `the new key ${label}`, twice: true } as const;
  const passphrase = await passphraseOf(args, parts, question);
  const { keyid, publicKey } = await makeKeyFile(parts, { path: file, label, passphrase });
  return done(
    { key: { keyid, file, public: `${file}.pub`, publicKey } },
    line(`made key ${shortId(keyid)}: ${file}`),
    line(`hand on ${file}.pub; keep a copy of the key file and its passphrase`),
  );
}

async function set(
  role: string,
  { args, parts, context }: { args: Arguments; parts: ReleaseParts; context: Context },
): Promise<Outcome> {
  const keys = args.texts("key").map((path) => readPublicKey(path, parts, context));
  const threshold = numberOf(args, "threshold", { min: 1, max: 64 }) ?? 1;
  const files = repositoryOf(args, parts);
  const request = { files, now: parts.now(), signers: { keys, threshold } };
  const topRole = topRoleNamed(role, parts);
  const act = () =>
    topRole !== undefined
      ? parts.setSigners({ ...request, role: topRole })
      : parts.addProduct({ ...request, product: role });
  await whileLocked(args, { parts, task: releaseKeys.name }, act);
  const { waiting, lines } = await waitingReport(parts, files);
  return done(
    { role, waiting },
    line(`${role} will be signed by ${threshold} of ${keys.length}`),
    ...lines,
  );
}

const topRoleNamed = (name: string, parts: ReleaseParts): TopRole | undefined =>
  Object.values(parts.TopRole).find((role) => role === name);
