import { join, relative, resolve } from "node:path";
import type { Publication, PublicKey, RepositoryFiles, SigningKey, TopRole } from "@suture/release";
import { type Arguments, type Command, type Context, type Option, UsageError } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import type { ReleaseParts } from "../parts.ts";
import { counted } from "../selection.ts";
import {
  makeKeyFile,
  numberOf,
  onRelease,
  PASSPHRASE_OPTIONS,
  passphraseOf,
  REPOSITORY_OPTION,
  readPublicKey,
  repositoryFolder,
  repositoryOf,
  requiredText,
  waitingReport,
  whileLocked,
} from "./release-request.ts";

/** How many keys are made for a role, and how many of them must sign, unless options say so. */
const DEFAULTS = {
  root: { place: "offline", count: 3, threshold: 2 },
  targets: { place: "offline", count: 2, threshold: 1 },
  snapshot: { place: "online", count: 1, threshold: 1 },
  timestamp: { place: "online", count: 1, threshold: 1 },
} as const;

const roleOptions = (role: TopRole): Record<string, Option> => ({
  [`${role}-key`]: {
    type: "string",
    multiple: true,
    value: "FILE",
    help: `public key for ${role}, made elsewhere (else ${DEFAULTS[role].count} made here)`,
  },
  [`${role}-threshold`]: {
    type: "string",
    value: "N",
    help: `how many ${role} keys must sign (${DEFAULTS[role].threshold})`,
  },
});

export const releaseInit: Command = {
  name: "release init",
  summary: "begin a release channel: its keys and an empty repository",
  usage: "--keys DIR [--repository DIR] [--root-key FILE]... [--root-threshold N]...",
  about:
    "Makes the keys that are not given, in DIR/offline (root, targets) and DIR/online (snapshot,\n" +
    "timestamp), and the first root and targets. What the keys made here can sign is signed; once\n" +
    "every threshold is reached, the empty channel is published. Move the offline keys to where\n" +
    "they belong afterwards. Machines pin public/metadata/1.root.json.",
  options: {
    ...REPOSITORY_OPTION,
    keys: { type: "string", value: "DIR", help: "where new keys go; not within the repository" },
    ...roleOptions("root"),
    ...roleOptions("targets"),
    ...roleOptions("snapshot"),
    ...roleOptions("timestamp"),
    ...PASSPHRASE_OPTIONS,
  },
  example:
    "suture release init --repository channel --keys keys\n" +
    "suture release init --repository channel --keys keys --root-key ann.pub --root-key ben.pub",
  run: onRelease(run),
};

interface MadeKey {
  readonly role: TopRole;
  readonly file: string;
  readonly key: SigningKey;
}

async function run(args: Arguments, parts: ReleaseParts, context: Context): Promise<Outcome> {
  if (args.positionals[0] !== undefined) {
    throw new UsageError(`release init takes options only, not ${args.positionals[0]}`);
  }
  const folder = resolve(requiredText(args, "keys"));
  if (!relative(repositoryFolder(args), folder).startsWith("..")) {
    throw new UsageError("--keys lies within the repository: keep keys and repository apart");
  }
  const act = () => createChannel(args, { parts, context, folder });
  return await whileLocked(args, { parts, task: releaseInit.name, create: true }, act);
}

async function createChannel(
  args: Arguments,
  { parts, context, folder }: { parts: ReleaseParts; context: Context; folder: string },
): Promise<Outcome> {
  const files = repositoryOf(args, parts);
  await checkEmpty(args, parts, files);
  const given = givenKeys(args, parts, context);
  const made = await makeKeys(args, parts, { folder, given });
  const signersOf = (role: TopRole) => {
    const ofRole = made.filter((key) => key.role === role).map(({ key }) => key.publicKey);
    const keys = [...given[role], ...ofRole];
    const threshold = numberOf(args, `${role}-threshold`, { min: 1, max: 64 });
    return { keys, threshold: threshold ?? Math.min(keys.length, DEFAULTS[role].threshold) };
  };
  const roles = {
    root: signersOf("root"),
    targets: signersOf("targets"),
    snapshot: signersOf("snapshot"),
    timestamp: signersOf("timestamp"),
  };
  await parts.createRepository({ files, now: parts.now(), roles });
  for (const { role, key } of made) {
    if (DEFAULTS[role].place === "offline") await parts.signMetadata({ files, key });
  }
  return await publishIfSigned(args, parts, { files, made });
}

/** Before any key is made: what there is stays as it is. */
async function checkEmpty(args: Arguments, parts: ReleaseParts, files: RepositoryFiles) {
  const [present] = [...(await files.list("public")), ...(await files.list("staged"))];
  if (present === undefined) return;
  throw new parts.ReleaseError("repository-exists", repositoryFolder(args), present);
}

type GivenKeys = Readonly<Record<TopRole, readonly PublicKey[]>>;

function givenKeys(args: Arguments, parts: ReleaseParts, context: Context): GivenKeys {
  const of = (role: TopRole) =>
    args.texts(`${role}-key`).map((path) => readPublicKey(path, parts, context));
  return {
    root: of("root"),
    targets: of("targets"),
    snapshot: of("snapshot"),
    timestamp: of("timestamp"),
  };
}

async function makeKeys(
  args: Arguments,
  parts: ReleaseParts,
  { folder, given }: { readonly folder: string; readonly given: GivenKeys },
): Promise<MadeKey[]> {
  const made: MadeKey[] = [];
  let known: string | undefined;
  for (const place of ["offline", "online"] as const) {
    const roles = (["root", "targets", "snapshot", "timestamp"] as const).filter(
      (role) => DEFAULTS[role].place === place && given[role].length === 0,
    );
    if (roles.length === 0) continue;
    const question = { for: `the new ${place} keys`, twice: true } as const;
    const passphrase = known ?? (await passphraseOf(args, parts, question));
    // A descriptor can be read once.
    if (args.text("passphrase-fd") !== undefined) known = passphrase;
    for (const role of roles) {
      const { count } = DEFAULTS[role];
      for (let number = 1; number <= count; number += 1) {
        const label = count === 1 ? role : `${role}-${number}`;
        const file = join(folder, place, `${label}.key`);
        made.push({ role, file, key: await makeKeyFile(parts, { path: file, label, passphrase }) });
      }
    }
  }
  return made;
}

async function publishIfSigned(
  args: Arguments,
  parts: ReleaseParts,
  { files, made }: { readonly files: RepositoryFiles; readonly made: readonly MadeKey[] },
): Promise<Outcome> {
  const { waiting, isReady, lines } = await waitingReport(parts, files);
  const online = (role: TopRole) => made.filter((key) => key.role === role).length > 0;
  let publication: Publication | undefined;
  if (isReady && online("snapshot") && online("timestamp")) {
    const keys = made.map(({ key }) => key);
    publication = await parts.publish({ files, now: parts.now(), keys });
  }
  const root = join(repositoryFolder(args), "public/metadata/1.root.json");
  const keys = made.map(({ role, file, key }) => ({ role, file, keyid: key.keyid }));
  return done(
    { keys, ...(publication ? { publication, root } : { waiting }) },
    line(`made ${counted(made.length, "key")}`),
    ...keys.map(({ file, keyid }) => line(`  ${keyid.slice(0, 12)}  ${file}`)),
    ...(publication
      ? [line("published the empty channel"), line(`machines pin ${root}`)]
      : [...lines, line("next: suture release sign, then suture release publish")]),
    line("move the offline keys to where they belong, and keep copies of them"),
  );
}
