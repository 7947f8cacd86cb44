/** Every page's address, in one place. */
import { ComplianceState, Readiness } from "@suture/contract";

/** What a link leads to: for PageLink and for the router's navigate. */
export interface Place {
  readonly to: string;
  readonly search?: Readonly<Record<string, string>>;
}

export interface DeviceSearch {
  readonly search?: string;
  readonly ringId?: string;
  readonly groupId?: string;
  readonly tag?: string;
  readonly readiness?: Readiness;
  readonly compliance?: ComplianceState;
  readonly cve?: string;
  readonly sort?: "hostname" | "last-seen" | "compliance";
}

const defined = (search: object): Record<string, string> =>
  Object.fromEntries(
    Object.entries(search).flatMap(([name, value]) =>
      typeof value === "string" && value !== "" ? [[name, value]] : [],
    ),
  );

export const paths = {
  overview: (): Place => ({ to: "/" }),
  devices: (search: DeviceSearch = {}): Place => ({ to: "/devices", search: defined(search) }),
  device: (id: string): Place => ({ to: `/devices/${id}` }),
  catalog: (): Place => ({ to: "/catalog" }),
  policies: (): Place => ({ to: "/policies" }),
  rings: (): Place => ({ to: "/rings" }),
  groups: (): Place => ({ to: "/groups" }),
  rollouts: (): Place => ({ to: "/rollouts" }),
  newRollout: (target?: string): Place => ({
    to: "/rollouts/new",
    search: defined({ target }),
  }),
  rollout: (id: string): Place => ({ to: `/rollouts/${id}` }),
  approvals: (): Place => ({ to: "/approvals" }),
  compliance: (): Place => ({ to: "/compliance" }),
  alerts: (): Place => ({ to: "/alerts" }),
  audit: (): Place => ({ to: "/audit" }),
  settings: (section: SettingsSection = "enrolment"): Place => ({ to: `/settings/${section}` }),
} as const;

export const SETTINGS_SECTIONS = ["enrolment", "accounts", "api-tokens"] as const;
export type SettingsSection = (typeof SETTINGS_SECTIONS)[number];

type Raw = Readonly<Record<string, unknown>>;

const text = (raw: Raw, name: string): Record<string, string> => {
  const value = raw[name];
  if (typeof value === "number") return { [name]: String(value) };
  return typeof value === "string" && value !== "" ? { [name]: value } : {};
};

const word = <Word extends string>(
  raw: Raw,
  name: string,
  words: readonly Word[],
): Record<string, Word> => {
  const found = words.find((one) => one === raw[name]);
  return found === undefined ? {} : { [name]: found };
};

/** The filters in the address of the device list; what is not one of them is left out. */
export const parseDeviceSearch = (raw: Raw): DeviceSearch => ({
  ...text(raw, "search"),
  ...text(raw, "ringId"),
  ...text(raw, "groupId"),
  ...text(raw, "tag"),
  ...text(raw, "cve"),
  ...word(raw, "readiness", Object.values(Readiness)),
  ...word(raw, "compliance", Object.values(ComplianceState)),
  ...word(raw, "sort", ["hostname", "last-seen", "compliance"] as const),
});

/** The target that a new rollout is for, where the address names one. */
export const parseNewRolloutSearch = (raw: Raw): { readonly target?: string } =>
  text(raw, "target");
