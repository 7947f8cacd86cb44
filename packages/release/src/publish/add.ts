/** Changes to what a channel offers. Each stages one or two metadata files for their signers. */
import { asRequest, ReleaseError } from "../errors.ts";
import type { RepositoryFiles } from "../files/repository-files.ts";
import { EXPIRY_DAYS } from "../limits.ts";
import { type Calendar, parseCalendar } from "../metadata/calendar.ts";
import { canonicalBytes } from "../metadata/canonical.ts";
import { matching } from "../metadata/fields.ts";
import {
  CALENDAR_TARGET,
  type ChannelSigned,
  type ProductSigned,
  pathsOfProduct,
  type Role,
  SPEC_VERSION,
  targetPath,
} from "../metadata/metadata.ts";
import {
  parseUpdateEntry,
  productPattern,
  targetOf,
  type UpdateEntry,
} from "../metadata/update-entry.ts";
import { checkKeysApart, keysOf, roleOf, type Signers } from "./create.ts";
import {
  comingChannel,
  comingProduct,
  comingRoot,
  expiryAfter,
  nextVersion,
  type Repository,
  readRepository,
  stageRole,
  stageTarget,
} from "./repository.ts";

interface Change {
  readonly files: RepositoryFiles;
  readonly now: Date;
}

/**
 * Delegates a product to its signers.
 *
 * Where it is there already, they replace the former ones, and have to sign its targets anew.
 */
export async function addProduct(
  request: Change & { readonly product: string; readonly signers: Signers },
): Promise<void> {
  const { files, now, product, signers } = request;
  const repository = await readRepository(files);
  const role = checkProduct(repository, { product, signers });
  const channel = comingChannel(repository);
  const others = channel.delegations.roles.filter(({ name }) => name !== product);
  const isNew = others.length === channel.delegations.roles.length;
  const targets = isNew ? {} : comingProduct(repository, product).targets;
  const roles = [
    ...others,
    { name: product, ...role, terminating: true as const, paths: pathsOfProduct(product) },
  ];
  const needed = new Set(roles.flatMap(({ keyids }) => keyids));
  const keys = { ...channel.delegations.keys, ...keysOf(signers.keys) };
  const kept = Object.entries(keys).filter(([keyid]) => needed.has(keyid));
  await stageRole(files, product, nextProduct(repository, { product, now, targets }));
  await stageRole(
    files,
    "targets",
    nextChannel(repository, {
      now,
      targets: channel.targets,
      delegations: { keys: Object.fromEntries(kept), roles },
    }),
  );
}

/** The role of a product with these signers. Throws ReleaseError where it may not be one. */
export function checkProduct(
  repository: Repository,
  { product, signers }: { readonly product: string; readonly signers: Signers },
): Role {
  const name = asRequest(() => matching(product, "product", productPattern));
  const role = roleOf(name, signers);
  checkKeysApart(comingRoot(repository), [role]);
  return role;
}

/** The calendar as it will be after the next publication. */
export const readCalendar = async (files: RepositoryFiles): Promise<Calendar> =>
  comingChannel(await readRepository(files)).targets[CALENDAR_TARGET].custom;

/** Replaces the calendar. */
export async function setCalendar({
  files,
  now,
  calendar,
}: Change & { readonly calendar: Calendar }) {
  const custom = asRequest(() => parseCalendar(calendar, "calendar"));
  const repository = await readRepository(files);
  const bytes = canonicalBytes(custom);
  const meta = await stageTarget(files, { target: CALENDAR_TARGET, bytes, custom });
  const { delegations } = comingChannel(repository);
  const targets = { [CALENDAR_TARGET]: meta };
  await stageRole(files, "targets", nextChannel(repository, { now, targets, delegations }));
}

export interface AddRequest extends Change {
  readonly product: string;
  readonly entry: UpdateEntry;
  /** The hotpatch file. Absent for a baseline, whose content is its entry. */
  readonly payload?: Uint8Array;
}

/** Adds a baseline or hotpatch to a product; gives its target. A target is never replaced. */
export async function addTarget(request: AddRequest): Promise<string> {
  const { files, now, product } = request;
  const entry = asRequest(() => parseUpdateEntry(request.entry, "update"));
  const repository = await readRepository(files);
  const { targets } = comingProduct(repository, product);
  const target = targetOf(product, entry);
  const isPublished = repository.published?.products.get(product)?.signed.targets[target];
  if (isPublished !== undefined) throw new ReleaseError("target-exists", target, "published");
  checkNewest(
    product,
    entry,
    Object.values(targets).map(({ custom }) => custom),
  );
  const payload = entry.sequence === 0 ? canonicalBytes(entry) : request.payload;
  if (payload === undefined || payload.length === 0) {
    throw new ReleaseError("wrong-request", target, "a hotpatch without its file");
  }
  const meta = await stageTarget(files, { target, bytes: payload, custom: entry });
  const next = nextProduct(repository, { product, now, targets: { ...targets, [target]: meta } });
  await stageRole(files, product, next);
  return target;
}

/** A hotpatch belongs to a baseline that is there, and is newer than all for its component. */
function checkNewest(product: string, entry: UpdateEntry, others: readonly UpdateEntry[]): void {
  if (entry.sequence === 0) return;
  const ofBaseline = others.filter(({ baseline }) => baseline === entry.baseline);
  const name = targetOf(product, entry);
  if (!ofBaseline.some(({ sequence }) => sequence === 0)) {
    throw new ReleaseError("wrong-request", name, `there is no baseline ${entry.baseline}`);
  }
  const [component] = entry.components;
  const newest = Math.max(
    0,
    ...ofBaseline
      .filter(({ components }) => components[0]?.buildId === component?.buildId)
      .map(({ sequence }) => sequence),
  );
  if (entry.sequence < newest) {
    const found = `sequence ${entry.sequence} after ${newest}`;
    throw new ReleaseError("wrong-request", name, found);
  }
}

/** What an entry supersedes unless its publisher says otherwise: all before it, not withdrawn. */
export async function supersededBy(
  files: RepositoryFiles,
  product: string,
  entry: Pick<UpdateEntry, "baseline" | "sequence" | "components">,
): Promise<string[]> {
  const { targets } = comingProduct(await readRepository(files), product);
  const [component] = entry.components;
  return Object.entries(targets)
    .filter(([, { custom }]) => custom.withdrawn === undefined)
    .filter(
      ([
        ,
        {
          custom: { baseline, sequence, components },
        },
      ]) =>
        entry.sequence === 0
          ? sequence === 0 && baseline !== entry.baseline
          : baseline === entry.baseline &&
            sequence > 0 &&
            sequence < entry.sequence &&
            components[0]?.buildId === component?.buildId,
    )
    .map(([target]) => target);
}

/**
 * Says that a published target must no longer be applied.
 *
 * It stays listed with the reason, so that who has applied it learns of it; its file is removed at
 * publication. What was only staged is taken back as if it had never been.
 */
export async function withdraw(
  request: Change & { readonly target: string; readonly reason: string },
): Promise<void> {
  const { files, now, target, reason } = request;
  const repository = await readRepository(files);
  const [product = ""] = target.split("/");
  const { targets } = comingProduct(repository, product);
  const meta = targets[target];
  if (meta === undefined) throw new ReleaseError("target-unknown", target, "not in the channel");
  const isPublished = repository.published?.products.get(product)?.signed.targets[target];
  const { [target]: _, ...others } = targets;
  const withdrawn = { date: now.toISOString().slice(0, 10), reason };
  const custom = asRequest(() => parseUpdateEntry({ ...meta.custom, withdrawn }, "update"));
  const left = isPublished === undefined ? others : { ...targets, [target]: { ...meta, custom } };
  await stageRole(files, product, nextProduct(repository, { product, now, targets: left }));
  if (isPublished === undefined) {
    await files.remove(`staged/${targetPath(target, meta.hashes.sha256)}`);
  }
}

/** The same content as the next version with a new expiry, for its signers to sign again. */
export async function renewMetadata({
  files,
  now,
  role,
}: Change & { readonly role: string }): Promise<void> {
  const repository = await readRepository(files);
  if (role === "root") {
    const version = nextVersion(repository.published?.root);
    const expires = expiryAfter(now, EXPIRY_DAYS.root);
    await stageRole(files, role, { ...comingRoot(repository), version, expires });
  } else if (role === "targets") {
    const { targets, delegations } = comingChannel(repository);
    await stageRole(files, role, nextChannel(repository, { now, targets, delegations }));
  } else {
    const { targets } = comingProduct(repository, role);
    await stageRole(files, role, nextProduct(repository, { product: role, now, targets }));
  }
}

const nextChannel = (
  { published }: Repository,
  { now, ...content }: { now: Date } & Pick<ChannelSigned, "targets" | "delegations">,
): ChannelSigned => ({
  _type: "targets",
  spec_version: SPEC_VERSION,
  version: nextVersion(published?.channel),
  expires: expiryAfter(now, EXPIRY_DAYS.targets),
  ...content,
});

const nextProduct = (
  { published }: Repository,
  { product, now, targets }: { product: string; now: Date } & Pick<ProductSigned, "targets">,
): ProductSigned => ({
  _type: "targets",
  spec_version: SPEC_VERSION,
  version: nextVersion(published?.products.get(product)),
  expires: expiryAfter(now, EXPIRY_DAYS.product),
  targets,
});
