/** What a signature would say: the difference between what is staged and what is published. */
import { isDeepStrictEqual } from "node:util";
import { type ProductSigned, type Role, type RootSigned, TopRole } from "../metadata/metadata.ts";
import type { Repository } from "./repository.ts";

export interface StagedChange {
  /** The staged file that says so. */
  readonly role: string;
  readonly subject: string;
  readonly change: "added" | "changed" | "withdrawn" | "removed" | "renewed";
  /** For people: keys and thresholds, what an update fixes, the reason of a withdrawal. */
  readonly detail: string;
}

/** Every change that waits for signatures, in the order of root, targets and products. */
export function changesOf(repository: Repository): StagedChange[] {
  const { root, channel, products } = repository.staged;
  return [
    ...(root ? changesOfRoot(root.signed, repository) : []),
    ...(channel ? changesOfChannel(repository) : []),
    ...[...products].flatMap(([product, { signed }]) =>
      changesOfProduct(product, signed, repository),
    ),
  ];
}

function changesOfRoot(root: RootSigned, { published }: Repository): StagedChange[] {
  const before = published?.root.signed;
  return orRenewed("root", root.expires, [
    ...Object.values(TopRole).flatMap((name) =>
      changeOfRole("root", name, before?.roles[name], root.roles[name]),
    ),
  ]);
}

function changesOfChannel({ staged, published }: Repository): StagedChange[] {
  const role = "targets";
  const signed = staged.channel?.signed;
  if (signed === undefined) return [];
  const before = published?.channel.signed;
  const calendar = signed.targets["calendar.json"].custom;
  const isSame = isDeepStrictEqual(before?.targets["calendar.json"].custom, calendar);
  const months = `baselines planned in months ${calendar.plannedMonths.join(", ")}`;
  const detail = `${months}; ${calendar.entries.length} announced dates`;
  const change = before ? "changed" : "added";
  return orRenewed(role, signed.expires, [
    ...(isSame ? [] : [{ role, subject: "calendar", change, detail } as const]),
    ...signed.delegations.roles.flatMap((after) => {
      const former = before?.delegations.roles.find(({ name }) => name === after.name);
      return changeOfRole(role, after.name, former, after);
    }),
  ]);
}

function changesOfProduct(
  role: string,
  { targets, expires }: ProductSigned,
  { published }: Repository,
): StagedChange[] {
  const before = published?.products.get(role)?.signed.targets ?? {};
  const changes = Object.entries(targets).flatMap(([target, after]): StagedChange[] => {
    const former = before[target];
    if (isDeepStrictEqual(former, after)) return [];
    const { kind, severity, cves, leftOut, withdrawn } = after.custom;
    if (withdrawn !== undefined) {
      return [{ role, subject: target, change: "withdrawn", detail: withdrawn.reason }];
    }
    const fixes = cves.length > 0 ? `fixes ${cves.join(", ")}` : "names no CVE";
    const detail = `${kind}, ${severity}, ${fixes}, leaves out ${leftOut.length}`;
    const change = former === undefined ? "added" : "changed";
    return [{ role, subject: target, change, detail: `${detail}, SHA-256 ${after.hashes.sha256}` }];
  });
  const removed = Object.keys(before).filter((target) => targets[target] === undefined);
  return orRenewed(role, expires, [
    ...changes,
    ...removed.map((subject) => ({ role, subject, change: "removed", detail: "" }) as const),
  ]);
}

function changeOfRole(
  role: string,
  subject: string,
  before: Role | undefined,
  after: Role,
): StagedChange[] {
  const isSame =
    before?.threshold === after.threshold && isDeepStrictEqual(before.keyids, after.keyids);
  if (isSame) return [];
  const detail = `signed by ${after.threshold} of ${after.keyids.join(", ")}`;
  return [{ role, subject, change: before ? "changed" : "added", detail }];
}

/** A staged file that says nothing new is there for its new expiry. */
const orRenewed = (role: string, expires: string, changes: StagedChange[]): StagedChange[] =>
  changes.length > 0
    ? changes
    : [{ role, subject: `${role}.json`, change: "renewed", detail: `until ${expires}` }];
