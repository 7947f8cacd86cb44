/**
 * A repository as its publisher sees it: what is published, and what waits for signatures.
 *
 *     public/                 what a web server serves, and nothing else
 *       metadata/             N.root.json N.targets.json N.PRODUCT.json N.snapshot.json
 *                             timestamp.json
 *       targets/              PRODUCT/BASELINE/SHA256.BUILD-ID.SEQUENCE.hotpatch
 *     staged/                 the same, not published yet: a fix may be secret until its day
 *       metadata/             root.json targets.json PRODUCT.json, signed by some or by none
 *       targets/
 *
 * Every change is one new version of one metadata file, put into `staged`. To change a staged file
 * again drops its signatures, for they were over other bytes.
 */
import { asRequest, ReleaseError } from "../errors.ts";
import type { RepositoryFiles } from "../files/repository-files.ts";
import { CLIENT_LIMITS } from "../limits.ts";
import { envelopeBytes, fileMetaOf, sha256Of } from "../metadata/canonical.ts";
import { momentText } from "../metadata/fields.ts";
import {
  type ChannelSigned,
  type Envelope,
  metadataPath,
  type ProductSigned,
  type RootSigned,
  type SnapshotSigned,
  type TargetMeta,
  type TimestampSigned,
  targetPath,
} from "../metadata/metadata.ts";
import {
  parseChannel,
  parseProduct,
  parseRoot,
  parseSnapshot,
  parseTimestamp,
} from "../metadata/parse-metadata.ts";

export interface Published {
  readonly root: Envelope<RootSigned>;
  readonly timestamp: Envelope<TimestampSigned>;
  readonly snapshot: Envelope<SnapshotSigned>;
  readonly channel: Envelope<ChannelSigned>;
  readonly products: ReadonlyMap<string, Envelope<ProductSigned>>;
}

export interface Staged {
  readonly root?: Envelope<RootSigned>;
  readonly channel?: Envelope<ChannelSigned>;
  readonly products: ReadonlyMap<string, Envelope<ProductSigned>>;
}

export interface Repository {
  readonly files: RepositoryFiles;
  /** Absent until the first publication. */
  readonly published?: Published;
  readonly staged: Staged;
  /** Staged files that are published already: a killed publication did not get to remove them. */
  readonly leftovers: readonly string[];
}

/** Reads a repository. Throws ReleaseError where there is none, or its files do not fit. */
export async function readRepository(files: RepositoryFiles): Promise<Repository> {
  const published = await readPublished(files);
  const all = await readStaged(files);
  const staged = withoutPublished(all, published);
  if (published === undefined && staged.root === undefined) {
    throw new ReleaseError("repository-missing", "repository", "no root");
  }
  const kept = rolesIn(staged);
  const leftovers = rolesIn(all).filter((role) => !kept.includes(role));
  return { files, staged, leftovers: leftovers.map(stagedPath), ...(published && { published }) };
}

const rolesIn = ({ root, channel, products }: Staged): string[] => [
  ...(root ? ["root"] : []),
  ...(channel ? ["targets"] : []),
  ...products.keys(),
];

/** The repository as if only these roles were staged. */
export function onlyRoles(repository: Repository, roles: readonly string[]): Repository {
  const { root, channel, products } = repository.staged;
  const staged = {
    ...(root && roles.includes("root") && { root }),
    ...(channel && roles.includes("targets") && { channel }),
    products: new Map([...products].filter(([name]) => roles.includes(name))),
  };
  return { ...repository, staged };
}

/** A publication that was killed while tidying up left staged files that are published already. */
function withoutPublished(staged: Staged, published: Published | undefined): Staged {
  if (published === undefined) return staged;
  const isNewer = (
    file: Envelope<{ readonly version: number }>,
    than: Envelope<{ readonly version: number }> | undefined,
  ) => file.signed.version > (than?.signed.version ?? 0);
  const { root, channel, products } = staged;
  return {
    ...(root && isNewer(root, published.root) && { root }),
    ...(channel && isNewer(channel, published.channel) && { channel }),
    products: new Map(
      [...products].filter(([name, file]) => isNewer(file, published.products.get(name))),
    ),
  };
}

/** The root that will hold after the next publication. */
export const comingRoot = ({ published, staged }: Repository): RootSigned =>
  present(staged.root ?? published?.root, "root.json").signed;

/** The top-level targets that will hold after the next publication. */
export const comingChannel = ({ published, staged }: Repository): ChannelSigned =>
  present(staged.channel ?? published?.channel, "targets.json").signed;

/** A product's targets as they will be. Throws ReleaseError where there is no such product. */
export function comingProduct({ published, staged }: Repository, product: string): ProductSigned {
  const envelope = staged.products.get(product) ?? published?.products.get(product);
  if (envelope !== undefined) return envelope.signed;
  throw new ReleaseError("product-missing", product, "not in the channel");
}

function present<Content>(content: Content | undefined, file: string): Content {
  if (content === undefined) throw new ReleaseError("repository-damaged", file, "missing");
  return content;
}

/**
 * Puts a new version of a role beside what is published, without signatures.
 *
 * Throws ReleaseError `wrong-request` for what clients would not read: too many targets, say.
 */
export async function stageRole(
  files: RepositoryFiles,
  role: string,
  signed: RootSigned | ChannelSigned | ProductSigned,
): Promise<void> {
  const bytes = envelopeBytes({ signatures: [], signed });
  asRequest(() => parseRole(role, bytes));
  await files.write(stagedPath(role), bytes);
}

/** Reads a file of a role as clients do. */
function parseRole(role: string, bytes: Uint8Array): unknown {
  const { rootBytesMax, targetsBytesMax } = CLIENT_LIMITS;
  const file = `${role}.json`;
  if (role === "root") return parseRoot(bytes, { file, bytesMax: rootBytesMax });
  if (role === "targets") return parseChannel(bytes, { file, bytesMax: targetsBytesMax });
  return parseProduct(bytes, { file, bytesMax: targetsBytesMax }, role);
}

/** Puts the content of a target beside what is published; gives what metadata says of it. */
export async function stageTarget<Custom>(
  files: RepositoryFiles,
  { target, bytes, custom }: { target: string; bytes: Uint8Array; custom: Custom },
): Promise<TargetMeta<Custom>> {
  const sha256 = sha256Of(bytes);
  await files.write(`staged/${targetPath(target, sha256)}`, bytes);
  return { length: bytes.length, hashes: { sha256 }, custom };
}

export const stagedPath = (role: string): string => `staged/metadata/${role}.json`;
export const publicPath = (path: string): string => `public/${path}`;

/** The version that a role gets next: one more than the published one, however often it is staged. */
export const nextVersion = (
  published: Envelope<{ readonly version: number }> | undefined,
): number => (published?.signed.version ?? 0) + 1;

const dayMs = 24 * 60 * 60 * 1000;

export const expiryAfter = (now: Date, days: number): string =>
  momentText(new Date(now.getTime() + days * dayMs));

async function readStaged(files: RepositoryFiles): Promise<Staged> {
  const paths = await files.list("staged/metadata");
  const products = new Map<string, Envelope<ProductSigned>>();
  let root: Envelope<RootSigned> | undefined;
  let channel: Envelope<ChannelSigned> | undefined;
  for (const file of paths) {
    const bytes = await readFile(files, file);
    const source = { file, bytesMax: CLIENT_LIMITS.targetsBytesMax };
    const name = file.slice("staged/metadata/".length).replace(/\.json$/, "");
    if (name === "root") root = parseRoot(bytes, source);
    else if (name === "targets") channel = parseChannel(bytes, source);
    else products.set(name, parseProduct(bytes, source, name));
  }
  return { products, ...(root && { root }), ...(channel && { channel }) };
}

async function readPublished(files: RepositoryFiles): Promise<Published | undefined> {
  const path = publicPath(metadataPath("timestamp", 0));
  const bytes = await files.read(path);
  if (bytes === undefined) return undefined;
  const bytesMax = CLIENT_LIMITS.targetsBytesMax;
  const timestamp = parseTimestamp(bytes, { file: path, bytesMax });
  const read = async (role: string, version: number) => {
    const file = publicPath(metadataPath(role, version));
    return { bytes: await readFile(files, file), source: { file, bytesMax } };
  };
  const { version } = timestamp.signed.meta["snapshot.json"];
  const snapshotFile = await read("snapshot", version);
  checkMeta(snapshotFile, timestamp.signed.meta["snapshot.json"]);
  const snapshot = parseSnapshot(snapshotFile.bytes, snapshotFile.source);
  const products = new Map<string, Envelope<ProductSigned>>();
  let channel: Envelope<ChannelSigned> | undefined;
  for (const [name, meta] of Object.entries(snapshot.signed.meta)) {
    const role = name.replace(/\.json$/, "");
    const file = await read(role, meta.version);
    checkMeta(file, meta);
    if (role === "targets") channel = parseChannel(file.bytes, file.source);
    else products.set(role, parseProduct(file.bytes, file.source, role));
  }
  const rootFile = await read("root", await lastRootVersion(files));
  const root = parseRoot(rootFile.bytes, rootFile.source);
  return { root, timestamp, snapshot, channel: present(channel, "targets.json"), products };
}

function checkMeta(
  { bytes, source }: { readonly bytes: Uint8Array; readonly source: { readonly file: string } },
  meta: { readonly version: number; readonly hashes: { readonly sha256: string } },
): void {
  const found = fileMetaOf(bytes, meta.version);
  if (found.hashes.sha256 === meta.hashes.sha256) return;
  throw new ReleaseError("repository-damaged", source.file, `SHA-256 ${found.hashes.sha256}`);
}

async function lastRootVersion(files: RepositoryFiles): Promise<number> {
  const paths = await files.list(publicPath("metadata"));
  const versions = paths.map((path) => Number(/\/(\d+)\.root\.json$/.exec(path)?.[1] ?? 0));
  return Math.max(0, ...versions);
}

async function readFile(files: RepositoryFiles, path: string): Promise<Uint8Array> {
  const bytes = await files.read(path);
  if (bytes === undefined) throw new ReleaseError("repository-damaged", path, "missing");
  return bytes;
}
