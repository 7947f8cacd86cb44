/** Who signs what: as it will be, and changed by a new root or new delegations. */
import { ReleaseError } from "../errors.ts";
import type { RepositoryFiles } from "../files/repository-files.ts";
import { EXPIRY_DAYS } from "../limits.ts";
import { type Role, type RootSigned, TopRole } from "../metadata/metadata.ts";
import { renewMetadata } from "./add.ts";
import { checkKeysApart, keysOf, roleOf, type Signers } from "./create.ts";
import {
  comingChannel,
  comingRoot,
  expiryAfter,
  nextVersion,
  type Repository,
  readRepository,
  stageRole,
} from "./repository.ts";

/** A role with those who may sign for it. */
export interface RoleSigners extends Role {
  readonly role: string;
}

/** Every role, as it will be after the next publication. */
export function rolesOf(repository: Repository): RoleSigners[] {
  const { roles } = comingRoot(repository);
  return [
    ...Object.values(TopRole).map((role) => ({ role, ...roles[role] })),
    ...comingChannel(repository).delegations.roles.map(({ name, keyids, threshold }) => ({
      role: name,
      keyids,
      threshold,
    })),
  ];
}

export interface SetSignersRequest {
  readonly files: RepositoryFiles;
  readonly now: Date;
  readonly role: TopRole;
  readonly signers: Signers;
}

/**
 * Stages the next root, in which these signers replace the former ones of a role.
 *
 * A threshold of the former root keys has to sign it, and a threshold of its own. Where the signers
 * of the targets change, they have to sign the targets too, which are staged with it. For those
 * of a product: `addProduct`. Throws ReleaseError for a threshold that cannot be reached, and for
 * an online key that is an offline key too.
 */
export async function setSigners({ files, now, role, signers }: SetSignersRequest): Promise<void> {
  const repository = await readRepository(files);
  if (repository.published === undefined) {
    throw new ReleaseError("wrong-request", "root.json", "the first root is not published yet");
  }
  const root = comingRoot(repository);
  const roles = { ...root.roles, [role]: roleOf(role, signers) };
  const needed = new Set(Object.values(roles).flatMap(({ keyids }) => keyids));
  const keys = { ...root.keys, ...keysOf(signers.keys) };
  const next: RootSigned = {
    ...root,
    version: nextVersion(repository.published.root),
    expires: expiryAfter(now, EXPIRY_DAYS.root),
    keys: Object.fromEntries(Object.entries(keys).filter(([keyid]) => needed.has(keyid))),
    roles,
  };
  const channel = comingChannel(repository);
  checkKeysApart(next, channel.delegations.roles);
  if (role === "targets") await renewMetadata({ files, now, role });
  await stageRole(files, "root", next);
}
