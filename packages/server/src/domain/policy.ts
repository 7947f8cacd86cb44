/**
 * Which quality update policy holds for a device.
 *
 * Of the policies that are for the device, one holds as a whole: settings of several are never
 * mixed, so that a person can read on one page what a device does. It is the one with the highest
 * precedence; at the same precedence one for certain groups before one for every device; then the
 * first by name, and by id, so that the answer is always the same.
 */
import { POLICY_DEFAULT, type Policy, type PolicySettings } from "@suture/contract";

export type PolicyOrder = Pick<Policy, "id" | "name" | "groupIds" | "precedence" | "settings">;

export interface EffectivePolicy {
  /** Absent where no policy is for the device, and the defaults hold. */
  readonly id?: string;
  readonly name: string;
  readonly why: string;
  readonly settings: PolicySettings;
  /** For each setting, who set it. */
  readonly sources: Readonly<Record<keyof PolicySettings, string>>;
  /** Policies that are for the device too, and do not hold. */
  readonly overruled: readonly {
    readonly id: string;
    readonly name: string;
    readonly why: string;
  }[];
}

/** The policies in the order in which they hold. Order once, ask for many devices. */
export const orderPolicies = <P extends PolicyOrder>(policies: readonly P[]): P[] =>
  [...policies].sort(
    (a, b) =>
      b.precedence - a.precedence ||
      Number(b.groupIds.length > 0) - Number(a.groupIds.length > 0) ||
      compareTexts(a.name, b.name) ||
      compareTexts(a.id, b.id),
  );

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const isFor = ({ groupIds }: PolicyOrder, groups: ReadonlySet<string>): boolean =>
  groupIds.length === 0 || groupIds.some((id) => groups.has(id));

/** The policy that holds for a device in these groups. `ordered` comes from orderPolicies. */
export function policyOf(
  ordered: readonly PolicyOrder[],
  groups: ReadonlySet<string>,
): EffectivePolicy {
  const [first, ...others] = ordered.filter((policy) => isFor(policy, groups));
  if (first === undefined) {
    const why = "No policy is for this device, so the defaults hold.";
    const sources = sourcesOf("default");
    return { name: "Default", why, settings: POLICY_DEFAULT, sources, overruled: [] };
  }
  return {
    id: first.id,
    name: first.name,
    why: whyText(first, others),
    settings: first.settings,
    sources: sourcesOf(first.name),
    overruled: others.map((policy) => ({
      id: policy.id,
      name: policy.name,
      why: overruledText(policy, first),
    })),
  };
}

/** Only the settings, where nobody asks why. */
export const settingsOf = (
  ordered: readonly PolicyOrder[],
  groups: ReadonlySet<string>,
): PolicySettings => ordered.find((policy) => isFor(policy, groups))?.settings ?? POLICY_DEFAULT;

const sourcesOf = (name: string): EffectivePolicy["sources"] => ({
  hotpatch: name,
  restart: name,
  windows: name,
  hotpatchInWindowOnly: name,
  health: name,
  fallback: name,
});

function whyText(policy: PolicyOrder, others: readonly PolicyOrder[]): string {
  const whom = policy.groupIds.length > 0 ? "a group of the device" : "every device";
  if (others.length === 0) return `It is the only policy for this device, being for ${whom}.`;
  const count = `${others.length} other ${others.length === 1 ? "policy" : "policies"}`;
  return `It is for ${whom} and comes before ${count} (precedence ${policy.precedence}).`;
}

function overruledText(policy: PolicyOrder, first: PolicyOrder): string {
  if (policy.precedence < first.precedence) {
    return `Its precedence ${policy.precedence} is lower than ${first.precedence} of ${first.name}.`;
  }
  const isGeneral = policy.groupIds.length === 0 && first.groupIds.length > 0;
  return isGeneral
    ? `It is for every device, ${first.name} of the same precedence for a group.`
    : `It has the same precedence as ${first.name}, which comes first by name.`;
}
