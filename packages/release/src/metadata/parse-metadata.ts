/**
 * Strict parsers of the metadata files. What is parsed is not yet trusted: signatures, versions
 * and expiry are client/trusted-metadata.ts.
 *
 * Strictness here is part of the security model. Only Ed25519 is let in, a key id must be the
 * digest of its key (or else one key could count as two signers), a product may be delegated its
 * own paths only, and a field that is not known is refused.
 */
import {
  productKeysMax,
  productsMax,
  rootKeysMax,
  signersMax,
  targetsMax,
  versionMax,
} from "../limits.ts";
import { parseCalendar } from "./calendar.ts";
import { keyIdOf } from "./canonical.ts";
import {
  distinctOf,
  entriesOf,
  type Fields,
  integerOf,
  listOf,
  matching,
  momentOf,
  objectOf,
  parseJson,
  wrong,
} from "./fields.ts";
import {
  CALENDAR_TARGET,
  type ChannelSigned,
  type Envelope,
  type FileMeta,
  type Keys,
  type ProductRole,
  type ProductSigned,
  type PublicKey,
  pathsOfProduct,
  type Role,
  type RootSigned,
  type Signature,
  type SnapshotSigned,
  type TimestampSigned,
  TopRole,
} from "./metadata.ts";
import { parseUpdateEntry, productPattern, targetOf, updateTargetPattern } from "./update-entry.ts";

const digestPattern = /^[0-9a-f]{64}$/;
const signaturePattern = /^[0-9a-f]{128}$/;
const specPattern = /^1\.0(?:\.[0-9]{1,4})?$/;
const metaNamePattern = /^[a-z0-9][a-z0-9.+-]{0,63}\.json$/;
/** The library that checks signatures treats lengths as numbers, so ours stay well below 2^53. */
const lengthMax = 2 ** 40;

export interface Source {
  /** Names the file in errors. */
  readonly file: string;
  readonly bytesMax: number;
}

export const parseRoot = (bytes: Uint8Array, source: Source): Envelope<RootSigned> =>
  parseEnvelope(bytes, source, parseRootSigned);

export const parseTimestamp = (bytes: Uint8Array, source: Source): Envelope<TimestampSigned> =>
  parseEnvelope(bytes, source, parseTimestampSigned);

export const parseSnapshot = (bytes: Uint8Array, source: Source): Envelope<SnapshotSigned> =>
  parseEnvelope(bytes, source, parseSnapshotSigned);

export const parseChannel = (bytes: Uint8Array, source: Source): Envelope<ChannelSigned> =>
  parseEnvelope(bytes, source, parseChannelSigned);

/** The targets of one product; each must be the product's own and named as its entry says. */
export const parseProduct = (
  bytes: Uint8Array,
  source: Source,
  product: string,
): Envelope<ProductSigned> =>
  parseEnvelope(bytes, source, (signed, field) => parseProductSigned(signed, field, product));

function parseEnvelope<Content>(
  bytes: Uint8Array,
  { file, bytesMax }: Source,
  parseSigned: (value: unknown, field: string) => Content,
): Envelope<Content> {
  const fields = objectOf(parseJson(bytes, file, bytesMax), file, ["signatures", "signed"]);
  const signatures = listOf(fields.signatures, `${file}.signatures`, signersMax).map((item, at) =>
    parseSignature(item, `${file}.signatures[${at}]`),
  );
  if (new Set(signatures.map(({ keyid }) => keyid)).size !== signatures.length) {
    throw wrong(`${file}.signatures`, "one key twice");
  }
  return { signatures, signed: parseSigned(fields.signed, `${file}.signed`) };
}

function parseSignature(value: unknown, field: string): Signature {
  const fields = objectOf(value, field, ["keyid", "sig"]);
  return {
    keyid: matching(fields.keyid, `${field}.keyid`, digestPattern),
    sig: matching(fields.sig, `${field}.sig`, signaturePattern),
  };
}

interface Header<Type extends TopRole> {
  readonly fields: Fields;
  readonly header: {
    readonly _type: Type;
    readonly spec_version: string;
    readonly version: number;
    readonly expires: string;
  };
}

function parseHeader<Type extends TopRole>(
  value: unknown,
  field: string,
  { type, rest }: { readonly type: Type; readonly rest: readonly string[] },
): Header<Type> {
  const fields = objectOf(value, field, ["_type", "spec_version", "version", "expires", ...rest]);
  if (fields._type !== type) throw wrong(`${field}._type`, `expected ${type}`);
  return {
    fields,
    header: {
      _type: type,
      spec_version: matching(fields.spec_version, `${field}.spec_version`, specPattern),
      version: versionOf(fields.version, `${field}.version`),
      expires: momentOf(fields.expires, `${field}.expires`),
    },
  };
}

const versionOf = (value: unknown, field: string): number =>
  integerOf(value, field, { min: 1, max: versionMax });

function parseRootSigned(value: unknown, field: string): RootSigned {
  const rest = ["consistent_snapshot", "keys", "roles"];
  const { fields, header } = parseHeader(value, field, { type: TopRole.root, rest });
  if (fields.consistent_snapshot !== true) {
    throw wrong(`${field}.consistent_snapshot`, "expected true");
  }
  const keys = parseKeys(fields.keys, `${field}.keys`, rootKeysMax);
  const roles = objectOf(fields.roles, `${field}.roles`, Object.values(TopRole));
  const roleNamed = (name: TopRole): Role => {
    const place = `${field}.roles.${name}`;
    return parseRole(objectOf(roles[name], place, ["keyids", "threshold"]), place, keys);
  };
  return {
    ...header,
    consistent_snapshot: true,
    keys,
    roles: {
      root: roleNamed("root"),
      targets: roleNamed("targets"),
      snapshot: roleNamed("snapshot"),
      timestamp: roleNamed("timestamp"),
    },
  };
}

function parseTimestampSigned(value: unknown, field: string): TimestampSigned {
  const { fields, header } = parseHeader(value, field, { type: TopRole.timestamp, rest: ["meta"] });
  const meta = objectOf(fields.meta, `${field}.meta`, ["snapshot.json"]);
  const snapshot = parseFileMeta(meta["snapshot.json"], `${field}.meta.snapshot.json`);
  return { ...header, meta: { "snapshot.json": snapshot } };
}

function parseSnapshotSigned(value: unknown, field: string): SnapshotSigned {
  const { fields, header } = parseHeader(value, field, { type: TopRole.snapshot, rest: ["meta"] });
  const limits = { pattern: metaNamePattern, countMax: productsMax + 1 };
  const meta = entriesOf(fields.meta, `${field}.meta`, limits).map(
    ([name, item]) => [name, parseFileMeta(item, `${field}.meta.${name}`)] as const,
  );
  if (!meta.some(([name]) => name === "targets.json")) {
    throw wrong(`${field}.meta.targets.json`, "missing");
  }
  return { ...header, meta: Object.fromEntries(meta) };
}

function parseChannelSigned(value: unknown, field: string): ChannelSigned {
  const rest = ["targets", "delegations"];
  const { fields, header } = parseHeader(value, field, { type: TopRole.targets, rest });
  const targets = objectOf(fields.targets, `${field}.targets`, [CALENDAR_TARGET]);
  const place = `${field}.delegations`;
  const delegations = objectOf(fields.delegations, place, ["keys", "roles"]);
  const keys = parseKeys(delegations.keys, `${place}.keys`, productKeysMax);
  const roles = listOf(delegations.roles, `${place}.roles`, productsMax).map((role, at) =>
    parseProductRole(role, `${place}.roles[${at}]`, keys),
  );
  if (new Set(roles.map(({ name }) => name)).size !== roles.length) {
    throw wrong(`${place}.roles`, "one product twice");
  }
  const calendar = parseTargetMeta(
    targets[CALENDAR_TARGET],
    `${field}.targets.${CALENDAR_TARGET}`,
    parseCalendar,
  );
  return { ...header, targets: { [CALENDAR_TARGET]: calendar }, delegations: { keys, roles } };
}

function parseProductSigned(value: unknown, field: string, product: string): ProductSigned {
  const { fields, header } = parseHeader(value, field, {
    type: TopRole.targets,
    rest: ["targets"],
  });
  const place = `${field}.targets`;
  const limits = { pattern: updateTargetPattern, countMax: targetsMax };
  const targets = entriesOf(fields.targets, place, limits).map(([target, item]) => {
    const meta = parseTargetMeta(item, `${place}.${target}`, parseUpdateEntry);
    const [owner = ""] = target.split("/");
    if (owner === product && target !== targetOf(product, meta.custom)) {
      throw wrong(`${place}.${target}`, `its entry belongs to ${targetOf(product, meta.custom)}`);
    }
    return [target, meta] as const;
  });
  return { ...header, targets: Object.fromEntries(targets) };
}

function parseTargetMeta<Custom>(
  value: unknown,
  field: string,
  parseCustom: (value: unknown, field: string) => Custom,
) {
  const fields = objectOf(value, field, ["length", "hashes", "custom"]);
  return {
    length: lengthOf(fields.length, `${field}.length`),
    hashes: parseHashes(fields.hashes, `${field}.hashes`),
    custom: parseCustom(fields.custom, `${field}.custom`),
  };
}

function parseFileMeta(value: unknown, field: string): FileMeta {
  const fields = objectOf(value, field, ["version", "length", "hashes"]);
  return {
    version: versionOf(fields.version, `${field}.version`),
    length: lengthOf(fields.length, `${field}.length`),
    hashes: parseHashes(fields.hashes, `${field}.hashes`),
  };
}

const lengthOf = (value: unknown, field: string): number =>
  integerOf(value, field, { min: 1, max: lengthMax });

function parseHashes(value: unknown, field: string): { readonly sha256: string } {
  const { sha256 } = objectOf(value, field, ["sha256"]);
  return { sha256: matching(sha256, `${field}.sha256`, digestPattern) };
}

function parseKeys(value: unknown, field: string, countMax: number): Keys {
  const limits = { pattern: digestPattern, countMax };
  const keys = entriesOf(value, field, limits).map(([keyid, item]) => {
    const key = parsePublicKey(item, `${field}.${keyid}`);
    // Else two ids could stand for one key, which would then count twice towards a threshold.
    if (keyIdOf(key) !== keyid) throw wrong(`${field}.${keyid}`, "not the digest of its key");
    return [keyid, key] as const;
  });
  return Object.fromEntries(keys);
}

/** An Ed25519 public key in the form of TUF. Throws ReleaseError. */
export function parsePublicKey(value: unknown, field: string): PublicKey {
  const fields = objectOf(value, field, ["keytype", "scheme", "keyval"]);
  if (fields.keytype !== "ed25519") throw wrong(`${field}.keytype`, "expected ed25519");
  if (fields.scheme !== "ed25519") throw wrong(`${field}.scheme`, "expected ed25519");
  const keyval = objectOf(fields.keyval, `${field}.keyval`, ["public"]);
  const hex = matching(keyval.public, `${field}.keyval.public`, digestPattern);
  return { keytype: "ed25519", scheme: "ed25519", keyval: { public: hex } };
}

function parseRole(fields: Fields, field: string, keys: Keys): Role {
  const keyids = distinctOf(fields.keyids, `${field}.keyids`, {
    pattern: digestPattern,
    countMax: signersMax,
  });
  for (const keyid of keyids) {
    if (!Object.hasOwn(keys, keyid)) throw wrong(`${field}.keyids`, `no key ${keyid}`);
  }
  const limits = { min: 1, max: Math.max(1, keyids.length) };
  return { keyids, threshold: integerOf(fields.threshold, `${field}.threshold`, limits) };
}

function parseProductRole(value: unknown, field: string, keys: Keys): ProductRole {
  const names = ["name", "keyids", "threshold", "terminating", "paths"];
  const fields = objectOf(value, field, names);
  const name = matching(fields.name, `${field}.name`, productPattern);
  const [path] = pathsOfProduct(name);
  const paths = listOf(fields.paths, `${field}.paths`, 1);
  if (paths[0] !== path) throw wrong(`${field}.paths`, `expected ${path}`);
  if (fields.terminating !== true) throw wrong(`${field}.terminating`, "expected true");
  return {
    name,
    ...parseRole(fields, field, keys),
    terminating: true,
    paths: pathsOfProduct(name),
  };
}
