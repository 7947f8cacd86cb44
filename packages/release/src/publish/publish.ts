/**
 * Publication: what is staged and signed by enough becomes what clients see.
 *
 * The order of writes makes it safe to be killed at any of them. Files with a version or digest in
 * their name are invisible until the timestamp leads to them, and the timestamp changes in one
 * step. A new root is visible at once, so it comes last where the new files are signed for the old
 * root as well (give the old online keys too); only where they are not (an online key was lost)
 * does it come first, and clients refuse the channel until the timestamp follows. The next
 * publication finishes what a killed one began.
 */
import { ReleaseError } from "../errors.ts";
import type { RepositoryFiles } from "../files/repository-files.ts";
import { EXPIRY_DAYS } from "../limits.ts";
import { envelopeBytes, fileMetaOf, type SigningKey, signatureOf } from "../metadata/canonical.ts";
import { momentText } from "../metadata/fields.ts";
import {
  type Envelope,
  type FileMeta,
  metadataPath,
  type RootSigned,
  type SnapshotSigned,
  SPEC_VERSION,
  type TimestampSigned,
  targetPath,
} from "../metadata/metadata.ts";
import {
  comingChannel,
  comingRoot,
  expiryAfter,
  nextVersion,
  onlyRoles,
  publicPath,
  type Repository,
  readRepository,
  stagedPath,
} from "./repository.ts";
import { checkSigned, isSignedByRole, type Waiting, waitingFor } from "./sign.ts";

export interface PublishRequest {
  readonly files: RepositoryFiles;
  readonly now: Date;
  /** The online keys: those of snapshot and timestamp, and the former ones when they change. */
  readonly keys: readonly SigningKey[];
  /** Which staged roles; all of them where it is absent, only the timestamp where it is empty. */
  readonly roles?: readonly string[];
  readonly expiryDays?: { readonly snapshot?: number; readonly timestamp?: number };
}

export interface Publication {
  /** By role. */
  readonly versions: Readonly<Record<string, number>>;
  /** When the timestamp has to be signed anew, at the latest. */
  readonly expires: string;
}

/**
 * Publishes all that is staged, or signs the timestamp anew where nothing is.
 *
 * Throws ReleaseError, and has changed nothing that clients see, where a file lacks signatures, an
 * online key is missing, or root or targets have expired.
 */
export async function publish(request: PublishRequest): Promise<Publication> {
  const { files, now } = request;
  const whole = await readRepository(files);
  const repository = request.roles ? onlyRoles(whole, request.roles) : whole;
  // From here to the first write: everything is there and signed by enough.
  const waiting = waitingFor(repository);
  for (const file of waiting) checkSigned(file);
  checkComing(repository);
  checkNotExpired(repository, now);
  const staged = waiting.map(stagedFileOf);
  const roots = rootsOf(repository);
  const snapshot = snapshotOf(repository, { ...request, roots, staged });
  const timestamp = timestampOf(repository, { ...request, roots, snapshot });
  const payloads = await payloadsOf(repository);

  // The writes. Clients see nothing of them before the timestamp changes.
  for (const { path, bytes } of payloads) await files.write(publicPath(path), bytes);
  const others = staged.filter(({ role }) => role !== "root");
  for (const file of others) await writeRole(files, file);
  if (isNewSnapshot(repository, snapshot)) await writeRole(files, snapshot);
  const root = staged.find(({ role }) => role === "root");
  const isRootLast = isSignedForRootBefore(repository, { roots, snapshot, timestamp });
  if (root !== undefined && !isRootLast) await writeRole(files, root);
  await writeRole(files, timestamp);
  if (root !== undefined && isRootLast) await writeRole(files, root);

  // It is published. What is left is to tidy up, which the next publication does as well.
  await removeWithdrawn(repository);
  await removeStaged(repository, waiting);
  const meta = snapshot.envelope.signed.meta;
  const products = Object.entries(meta).map(([name, { version }]) => [name.slice(0, -5), version]);
  return {
    versions: {
      root: comingRoot(repository).version,
      ...Object.fromEntries(products),
      snapshot: snapshot.envelope.signed.version,
      timestamp: timestamp.envelope.signed.version,
    },
    expires: timestamp.envelope.signed.expires,
  };
}

const isNewSnapshot = ({ published }: Repository, { version }: RoleFile<SnapshotSigned>) =>
  version !== published?.snapshot.signed.version;

interface RoleFile<Content> {
  readonly role: string;
  readonly version: number;
  readonly envelope: Envelope<Content>;
  readonly bytes: Uint8Array;
}

const roleFileOf = <Content extends { readonly version: number }>(
  role: string,
  envelope: Envelope<Content>,
): RoleFile<Content> => ({
  role,
  version: envelope.signed.version,
  envelope,
  bytes: envelopeBytes(envelope),
});

const stagedFileOf = ({ role, version, envelope }: Waiting): RoleFile<unknown> => ({
  role,
  version,
  envelope,
  bytes: envelopeBytes(envelope),
});

const writeRole = async (files: RepositoryFiles, { role, version, bytes }: RoleFile<unknown>) =>
  await files.write(publicPath(metadataPath(role, version)), bytes);

/**
 * What is not staged has to go with what is: a new root may take the targets' keys away, and new
 * delegations a product's.
 */
function checkComing(repository: Repository): void {
  const { staged, published } = repository;
  const root = comingRoot(repository);
  const channel = staged.channel ?? published?.channel;
  if (channel === undefined) {
    throw new ReleaseError("wrong-request", "targets.json", "the first root comes with it");
  }
  const set = { role: root.roles.targets, keys: root.keys, label: "targets" };
  checkSigned({ role: "targets", envelope: channel, signers: [set] });
  const { keys, roles } = channel.signed.delegations;
  for (const role of roles) {
    const envelope = staged.products.get(role.name) ?? published?.products.get(role.name);
    if (envelope === undefined) {
      throw new ReleaseError("wrong-request", `${role.name}.json`, "its delegation comes with it");
    }
    checkSigned({ role: role.name, envelope, signers: [{ role, keys, label: role.name }] });
  }
}

/** Clients would refuse it: better to hear of it before than after. */
function checkNotExpired(repository: Repository, now: Date): void {
  for (const { _type, expires } of [comingRoot(repository), comingChannel(repository)]) {
    if (expires <= momentText(now)) {
      const found = `on ${expires}; renew it with: suture release sign --renew ${_type}`;
      throw new ReleaseError("expired", `${_type}.json`, found);
    }
  }
}

/** The root that will hold, and the one before it while clients may still have that. */
function rootsOf(repository: Repository): readonly RootSigned[] {
  const before = repository.staged.root && repository.published?.root.signed;
  return [comingRoot(repository), ...(before ? [before] : [])];
}

interface Signing extends PublishRequest {
  readonly roots: readonly RootSigned[];
}

const dayMs = 24 * 60 * 60 * 1000;

/** The published snapshot, where it lists what is there and is far from its expiry; or a new one. */
function snapshotOf(
  { published }: Repository,
  { staged, ...signing }: Signing & { readonly staged: readonly RoleFile<unknown>[] },
): RoleFile<SnapshotSigned> {
  const { now, roots, expiryDays } = signing;
  const days = expiryDays?.snapshot ?? EXPIRY_DAYS.snapshot;
  if (published !== undefined && staged.length === 0) {
    const left = Date.parse(published.snapshot.signed.expires) - now.getTime();
    if (left > (days * dayMs) / 2) return roleFileOf("snapshot", published.snapshot);
  }
  const metas = staged
    .filter(({ role }) => role !== "root")
    .map(({ role, bytes, version }): [string, FileMeta] => [
      `${role}.json`,
      fileMetaOf(bytes, version),
    ]);
  const signed: SnapshotSigned = {
    _type: "snapshot",
    spec_version: SPEC_VERSION,
    version: nextVersion(published?.snapshot),
    expires: expiryAfter(now, days),
    meta: { ...published?.snapshot.signed.meta, ...Object.fromEntries(metas) },
  };
  return roleFileOf("snapshot", signOnline("snapshot", signed, { ...signing, roots }));
}

function timestampOf(
  { published }: Repository,
  { snapshot, ...signing }: Signing & { readonly snapshot: RoleFile<SnapshotSigned> },
): RoleFile<TimestampSigned> {
  const days = signing.expiryDays?.timestamp ?? EXPIRY_DAYS.timestamp;
  const kept = published?.timestamp.signed.meta["snapshot.json"];
  const meta =
    kept?.version === snapshot.version ? kept : fileMetaOf(snapshot.bytes, snapshot.version);
  const signed: TimestampSigned = {
    _type: "timestamp",
    spec_version: SPEC_VERSION,
    version: nextVersion(published?.timestamp),
    expires: expiryAfter(signing.now, days),
    meta: { "snapshot.json": meta },
  };
  return roleFileOf("timestamp", signOnline("timestamp", signed, signing));
}

/** Signs with every given key that a root lists for the role; enough for the coming root. */
function signOnline<Content>(
  role: "snapshot" | "timestamp",
  signed: Content,
  { keys, roots }: Signing,
): Envelope<Content> {
  const listed = keys.filter(({ keyid }) =>
    roots.some((root) => root.roles[role].keyids.includes(keyid)),
  );
  const unique = new Map(listed.map((key) => [key.keyid, key]));
  const signatures = [...unique.values()].map((key) => signatureOf(key, signed));
  const envelope = { signatures, signed };
  const [root] = roots;
  if (root !== undefined) {
    const set = { role: root.roles[role], keys: root.keys, label: role };
    checkSigned({ role, envelope, signers: [set] });
  }
  return envelope;
}

/** Whether a client that has the former root still accepts all of the new files. */
function isSignedForRootBefore(
  repository: Repository,
  files: {
    readonly roots: readonly RootSigned[];
    readonly snapshot: RoleFile<SnapshotSigned>;
    readonly timestamp: RoleFile<TimestampSigned>;
  },
): boolean {
  const [, before] = files.roots;
  const channel = repository.staged.channel ?? repository.published?.channel;
  if (before === undefined || channel === undefined) return false;
  return (
    isSignedByRole(before, "targets", channel) &&
    isSignedByRole(before, "snapshot", files.snapshot.envelope) &&
    isSignedByRole(before, "timestamp", files.timestamp.envelope)
  );
}

/** The staged content of every target that will be published. */
async function payloadsOf({ files, staged }: Repository) {
  const metas = [staged.channel, ...staged.products.values()].flatMap((envelope) =>
    Object.entries(envelope?.signed.targets ?? {}),
  );
  const payloads = [];
  for (const [target, { hashes, custom }] of metas) {
    const path = targetPath(target, hashes.sha256);
    const bytes = await files.read(`staged/${path}`);
    if (bytes !== undefined) payloads.push({ path, bytes });
    else if (!("withdrawn" in custom) && (await files.read(publicPath(path))) === undefined) {
      throw new ReleaseError("repository-damaged", target, "its file is neither staged nor public");
    }
  }
  return payloads;
}

/** Nobody can fetch any more what was withdrawn. */
async function removeWithdrawn({ files, staged, published }: Repository): Promise<void> {
  const envelopes = [...(published?.products.values() ?? []), ...staged.products.values()];
  for (const { signed } of envelopes) {
    for (const [target, { hashes, custom }] of Object.entries(signed.targets)) {
      if (custom.withdrawn === undefined) continue;
      await files.remove(publicPath(targetPath(target, hashes.sha256)));
    }
  }
}

/** What is public now waits no longer. What waits for other signers stays. */
async function removeStaged(
  { files, leftovers }: Repository,
  published: readonly Waiting[],
): Promise<void> {
  const paths = [...leftovers, ...published.map(({ role }) => stagedPath(role))];
  for (const path of paths) await files.remove(path);
  const present = new Set(await files.list("public/targets"));
  for (const path of await files.list("staged/targets")) {
    if (present.has(publicPath(path.slice("staged/".length)))) await files.remove(path);
  }
}
