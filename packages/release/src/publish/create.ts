/** A new repository: its first root and targets, waiting for their signatures. */
import { ReleaseError } from "../errors.ts";
import type { RepositoryFiles } from "../files/repository-files.ts";
import { EXPIRY_DAYS } from "../limits.ts";
import { type Calendar, DEFAULT_CALENDAR } from "../metadata/calendar.ts";
import { canonicalBytes, keyIdOf } from "../metadata/canonical.ts";
import {
  CALENDAR_TARGET,
  type ChannelSigned,
  type Keys,
  type PublicKey,
  type Role,
  type RootSigned,
  SPEC_VERSION,
  type TopRole,
} from "../metadata/metadata.ts";
import { expiryAfter, stageRole, stageTarget } from "./repository.ts";

/** Who may sign for a role, and how many of them must. */
export interface Signers {
  readonly keys: readonly PublicKey[];
  readonly threshold: number;
}

export interface CreateRequest {
  readonly files: RepositoryFiles;
  readonly now: Date;
  readonly roles: Readonly<Record<TopRole, Signers>>;
  readonly calendar?: Calendar;
}

/**
 * Stages version 1 of root and targets. Next: `signMetadata` by each signer, then `publish`.
 *
 * Throws ReleaseError where there is a repository already, a threshold cannot be reached, or an
 * online key is an offline key too.
 */
export async function createRepository(request: CreateRequest): Promise<void> {
  const { files, now, roles, calendar = DEFAULT_CALENDAR } = request;
  const present = [...(await files.list("public")), ...(await files.list("staged"))];
  if (present[0] !== undefined) {
    throw new ReleaseError("repository-exists", "repository", present[0]);
  }
  const root: RootSigned = {
    _type: "root",
    spec_version: SPEC_VERSION,
    version: 1,
    expires: expiryAfter(now, EXPIRY_DAYS.root),
    consistent_snapshot: true,
    ...rolesAndKeys(roles),
  };
  checkKeysApart(root);
  const meta = await stageTarget(files, {
    target: CALENDAR_TARGET,
    bytes: canonicalBytes(calendar),
    custom: calendar,
  });
  const channel: ChannelSigned = {
    _type: "targets",
    spec_version: SPEC_VERSION,
    version: 1,
    expires: expiryAfter(now, EXPIRY_DAYS.targets),
    targets: { [CALENDAR_TARGET]: meta },
    delegations: { keys: {}, roles: [] },
  };
  await stageRole(files, "targets", channel);
  // The root last: a repository that has one is whole.
  await stageRole(files, "root", root);
}

function rolesAndKeys(signers: Readonly<Record<TopRole, Signers>>) {
  const keys = keysOf(Object.values(signers).flatMap((role) => role.keys));
  const roles = {
    root: roleOf("root", signers.root),
    targets: roleOf("targets", signers.targets),
    snapshot: roleOf("snapshot", signers.snapshot),
    timestamp: roleOf("timestamp", signers.timestamp),
  };
  return { keys, roles };
}

export const keysOf = (keys: readonly PublicKey[]): Keys =>
  Object.fromEntries(keys.map((key) => [keyIdOf(key), key]));

/** A role of these signers. Throws ReleaseError where its threshold can never be reached. */
export function roleOf(name: string, { keys, threshold }: Signers): Role {
  const keyids = [...new Set(keys.map(keyIdOf))];
  if (!Number.isSafeInteger(threshold) || threshold < 1 || threshold > keyids.length) {
    const found = `a threshold of ${threshold} with ${keyids.length} different keys`;
    throw new ReleaseError("wrong-request", `role ${name}`, found);
  }
  return { keyids, threshold };
}

/** Online keys lie on a server. None of them may say what is software, or who says so. */
export function checkKeysApart({ roles }: RootSigned, offline: readonly Role[] = []): void {
  const online = new Set([...roles.snapshot.keyids, ...roles.timestamp.keyids]);
  for (const { keyids } of [roles.root, roles.targets, ...offline]) {
    const both = keyids.find((keyid) => online.has(keyid));
    if (both !== undefined) throw new ReleaseError("keys-not-apart", `key ${both}`, "in both");
  }
}
