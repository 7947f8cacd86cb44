/** Signatures on what is staged: each signer by itself, and whether there are enough. */
import { ReleaseError } from "../errors.ts";
import type { RepositoryFiles } from "../files/repository-files.ts";
import { envelopeBytes, isSignedBy, type SigningKey, signatureOf } from "../metadata/canonical.ts";
import type { Envelope, Keys, Role, RootSigned, TopRole } from "../metadata/metadata.ts";
import {
  comingChannel,
  comingRoot,
  type Repository,
  readRepository,
  stagedPath,
} from "./repository.ts";

/** Signers of a role, of which a threshold must have signed. */
export interface SignerSet {
  readonly role: Role;
  readonly keys: Keys;
  /** Tells two sets of one file apart: a root is signed by the old keys and by its own. */
  readonly label: string;
}

export interface Waiting {
  readonly role: string;
  readonly version: number;
  readonly envelope: Envelope<unknown>;
  readonly signers: readonly SignerSet[];
}

/** All that is staged, with who has to sign it. */
export function waitingFor(repository: Repository): Waiting[] {
  const { staged, published } = repository;
  const root = comingRoot(repository);
  const waiting: Waiting[] = [];
  const push = (role: string, envelope: Envelope<{ version: number }>, signers: SignerSet[]) =>
    waiting.push({ role, version: envelope.signed.version, envelope, signers });
  if (staged.root !== undefined) {
    const before = published?.root.signed;
    push("root", staged.root, [
      ...(before ? [{ role: before.roles.root, keys: before.keys, label: "before" }] : []),
      { role: root.roles.root, keys: root.keys, label: "new" },
    ]);
  }
  if (staged.channel !== undefined) {
    const signers = { role: root.roles.targets, keys: root.keys, label: "targets" };
    push("targets", staged.channel, [signers]);
  }
  const { keys, roles } = comingChannel(repository).delegations;
  for (const [product, envelope] of staged.products) {
    const role = roles.find(({ name }) => name === product);
    if (role === undefined) {
      const found = "no delegation to it; publish targets with it";
      throw new ReleaseError("wrong-request", `${product}.json`, found);
    }
    push(product, envelope, [{ role, keys, label: product }]);
  }
  return waiting;
}

/** The keys of the set that have signed, each counted once, however often it signed. */
export function signersOf(envelope: Envelope<unknown>, { role, keys }: SignerSet): string[] {
  return role.keyids.filter((keyid) => {
    const signature = envelope.signatures.find((candidate) => candidate.keyid === keyid);
    const key = keys[keyid];
    return signature && key && isSignedBy(key, envelope.signed, signature);
  });
}

/** Throws ReleaseError `too-few-signatures` where a set has not reached its threshold. */
export function checkSigned({ role: name, envelope, signers }: Omit<Waiting, "version">): void {
  for (const set of signers) {
    const count = signersOf(envelope, set).length;
    if (count < set.role.threshold) {
      const found = `${count} of ${set.role.threshold}, of the keys of ${set.label}`;
      throw new ReleaseError("too-few-signatures", `${name}.json`, found);
    }
  }
}

/** Whether a threshold of the keys that a root lists for a role have signed. */
export function isSignedByRole(
  { keys, roles }: RootSigned,
  role: TopRole,
  envelope: Envelope<unknown>,
): boolean {
  const set = { role: roles[role], keys, label: role };
  return signersOf(envelope, set).length >= set.role.threshold;
}

export interface SignRequest {
  readonly files: RepositoryFiles;
  readonly key: SigningKey;
  /** Which of the staged files; all that list the key, where it is absent. */
  readonly roles?: readonly string[];
}

/** Adds the key's signature to what is staged and lists it; gives the roles that were signed. */
export async function signMetadata({ files, key, roles }: SignRequest): Promise<string[]> {
  const waiting = waitingFor(await readRepository(files)).filter(
    ({ role, signers }) =>
      (roles === undefined || roles.includes(role)) &&
      signers.some((set) => set.role.keyids.includes(key.keyid)),
  );
  if (waiting.length === 0) {
    throw new ReleaseError("key-not-listed", `key ${key.keyid}`, "nothing to sign with it");
  }
  for (const { role, envelope } of waiting) {
    const others = envelope.signatures.filter(({ keyid }) => keyid !== key.keyid);
    const signatures = [...others, signatureOf(key, envelope.signed)];
    await files.write(stagedPath(role), envelopeBytes({ ...envelope, signatures }));
  }
  return waiting.map(({ role }) => role);
}
