/** What the commands on a release channel have in common: their folders, keys and answers. */
import { basename, resolve } from "node:path";
import type { PublicKey, RepositoryFiles, SigningKey } from "@suture/release";
import { type Arguments, type Context, type Option, UsageError } from "../command.ts";
import { failed, line, type Outcome } from "../outcome.ts";
import type { ReleaseParts } from "../parts.ts";

export const REPOSITORY_OPTION: Readonly<Record<string, Option>> = {
  repository: { type: "string", value: "DIR", help: "the folder of the repository (.)" },
};

export const PASSPHRASE_OPTIONS: Readonly<Record<string, Option>> = {
  "passphrase-file": { type: "string", value: "FILE", help: "its first line is the passphrase" },
  "passphrase-fd": { type: "string", value: "N", help: "read it from this file descriptor" },
};

export const KEY_OPTION: Readonly<Record<string, Option>> = {
  key: { type: "string", multiple: true, value: "FILE", help: "a key file (may be repeated)" },
};

/** Runs a command with the package loaded; what the package refuses is an outcome. */
export const onRelease =
  (act: (args: Arguments, parts: ReleaseParts, context: Context) => Promise<Outcome>) =>
  async (args: Arguments, context: Context): Promise<Outcome> => {
    const parts = await context.release();
    try {
      return await act(args, parts, context);
    } catch (error) {
      if (!(error instanceof parts.ReleaseError)) throw error;
      const { outcome, next } = parts.RELEASE_PROBLEMS[error.code];
      return failed(outcome, { reason: error.code, detail: error.message, next });
    }
  };

export const repositoryFolder = (args: Arguments): string =>
  resolve(args.text("repository") ?? ".");

export const repositoryOf = (args: Arguments, parts: ReleaseParts): RepositoryFiles =>
  parts.folderFiles(repositoryFolder(args));

/** Runs what changes the repository while no other command does. */
export const whileLocked = async <Result>(
  args: Arguments,
  { parts, task, create }: { parts: ReleaseParts; task: string; create?: true },
  act: () => Promise<Result>,
): Promise<Result> =>
  await parts.withRepositoryLock(
    { folder: repositoryFolder(args), task, ...(create && { create }) },
    act,
  );

export function requiredText(args: Arguments, option: string): string {
  const value = args.text(option);
  if (value === undefined) throw new UsageError(`--${option} is missing`);
  return value;
}

/** A whole number from an option. Throws UsageError where it is none, or out of bounds. */
export function numberOf(
  args: Arguments,
  option: string,
  { min, max }: { readonly min: number; readonly max: number },
): number | undefined {
  const text = args.text(option);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d{1,9}$/.test(text) || value < min || value > max) {
    throw new UsageError(`--${option} ${text}: a number from ${min} to ${max}`);
  }
  return value;
}

/** A passphrase from a file, a descriptor or the terminal; never from the command line. */
export async function passphraseOf(
  args: Arguments,
  parts: ReleaseParts,
  question: { readonly for: string; readonly twice?: true },
): Promise<string> {
  const file = args.text("passphrase-file");
  const descriptor = numberOf(args, "passphrase-fd", { min: 0, max: 1023 });
  if (file !== undefined && descriptor !== undefined) {
    throw new UsageError("--passphrase-file and --passphrase-fd exclude each other");
  }
  if (file !== undefined) {
    const { userId, keyFileBytesMax: bytesMax } = parts;
    return firstLine(await parts.readSecretFile(resolve(file), { userId, bytesMax }));
  }
  if (descriptor !== undefined) return firstLine(parts.readDescriptor(descriptor));
  const passphrase = await parts.askSecret(`passphrase for ${question.for}: `);
  if (question.twice && (await parts.askSecret("once more: ")) !== passphrase) {
    throw new UsageError("the two passphrases differ");
  }
  return passphrase;
}

const firstLine = (bytes: Uint8Array): string =>
  (new TextDecoder().decode(bytes).split("\n")[0] ?? "").replace(/\r$/, "");

/** Opens the key files of `--key`, one after the other. */
export async function openKeys(args: Arguments, parts: ReleaseParts): Promise<SigningKey[]> {
  const paths = args.texts("key");
  if (paths.length === 0) throw new UsageError("--key FILE is missing");
  const keys: SigningKey[] = [];
  // A descriptor can be read once: what it says opens all of the keys.
  let given: string | undefined;
  for (const path of paths) {
    const { userId, keyFileBytesMax: bytesMax } = parts;
    const bytes = await parts.readSecretFile(resolve(path), { userId, bytesMax });
    const file = parts.parseKeyFile(bytes, path);
    const question = { for: `${file.label} (${basename(path)})` };
    const passphrase = given ?? (await passphraseOf(args, parts, question));
    if (args.text("passphrase-fd") !== undefined) given = passphrase;
    keys.push(parts.openKey(file, passphrase));
  }
  return keys;
}

/** The public part of a key, from its `.pub` file or from the key file itself. */
export function readPublicKey(path: string, parts: ReleaseParts, context: Context): PublicKey {
  const bytes = context.readFile(resolve(path));
  if (!path.endsWith(".pub")) return parts.parseKeyFile(bytes, path).publicKey;
  return parts.parsePublicKeyFile(bytes, path);
}

/** Makes a key file, mode 600, and beside it the `.pub` file for others. */
export async function makeKeyFile(
  parts: ReleaseParts,
  request: { readonly path: string; readonly label: string; readonly passphrase: string },
): Promise<SigningKey> {
  const { path, label, passphrase } = request;
  const { bytes, key } = parts.createKeyFile({ label, passphrase, randomBytes: parts.randomBytes });
  await parts.writeSecretFile(path, bytes);
  await parts.writeSecretFile(`${path}.pub`, parts.publicKeyFile(key.publicKey));
  return key;
}

/** What still waits for signatures, of all or of some roles: a line a file, and the same as data. */
export async function waitingReport(
  parts: ReleaseParts,
  files: RepositoryFiles,
  roles?: readonly string[],
) {
  const all = parts.waitingFor(await parts.readRepository(files));
  const some = all.filter(({ role }) => roles?.includes(role) ?? true);
  const waiting = some.map((file) => ({
    role: file.role,
    version: file.version,
    signers: file.signers.map((set) => {
      const signed = parts.signersOf(file.envelope, set);
      return {
        of: set.label,
        signed,
        missing: Math.max(0, set.role.threshold - signed.length),
        open: set.role.keyids.filter((keyid) => !signed.includes(keyid)),
      };
    }),
  }));
  const isReady = waiting.every(({ signers }) => signers.every(({ missing }) => missing === 0));
  const lines = waiting.flatMap(({ role, version, signers }) =>
    signers.map(({ missing, open, of }) =>
      line(
        missing === 0
          ? `${role} ${version}: signed by enough of ${of}`
          : `${role} ${version}: ${missing} more of ${of} must sign: ${open.map(shortId).join(", ")}`,
      ),
    ),
  );
  return { waiting, isReady, lines };
}

export const shortId = (keyid: string): string => keyid.slice(0, 12);
