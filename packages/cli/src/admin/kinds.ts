/** What `suture admin show` can show: the route, the columns, and how one of it is found. */
import { AuditQuery, type Call, DeviceQuery, PageQuery } from "@suture/contract";
import type { Static, TObject } from "typebox";
import { UsageError } from "../command.ts";
import { checked } from "./check.ts";
import type { FieldColumn } from "./describe.ts";

export type Fields = Readonly<Record<string, unknown>>;

export interface Page {
  readonly items: readonly Fields[];
  /** Cursor of the next page; absent on the last. */
  readonly next?: string;
  readonly total: number;
}

export interface Kind {
  /** Options that the list takes, such as `search`; none for what comes as a whole. */
  readonly query: readonly string[];
  readonly page: (call: Call, query: Fields) => Promise<Page>;
  readonly columns: readonly FieldColumn[];
  /** One with all that is known of it, by id; absent where the list has it all. */
  readonly one?: (call: Call, id: string) => Promise<Fields>;
  /** Fields of the list that name one, besides `id`. */
  readonly named: readonly string[];
  /** Said where the list is empty. */
  readonly empty: string;
}

type About = Pick<Kind, "columns" | "empty"> & Partial<Pick<Kind, "named" | "one">>;

/** A list that the server gives in pages. */
const inPages = <Schema extends TObject>(
  schema: Schema,
  page: (call: Call, query: Static<Schema>) => Promise<Page>,
  about: About,
): Kind => ({
  named: [],
  ...about,
  query: Object.keys(schema.properties),
  async page(call, query) {
    const result = checked(schema, query);
    if ("value" in result) return await page(call, result.value);
    throw new UsageError(
      result.complaints.map(({ path, text }) => `--${path.join(".")}: ${text}`).join("; "),
    );
  },
});

const asAWhole = (list: (call: Call) => Promise<readonly Fields[]>, about: About): Kind => ({
  named: ["name"],
  ...about,
  query: [],
  async page(call) {
    const items = await list(call);
    return { items, total: items.length };
  },
});

const columns = (...fields: readonly string[]): FieldColumn[] => fields.map((field) => ({ field }));

async function policiesWithGroups(call: Call): Promise<Fields[]> {
  const names = new Map((await call("groups")).map(({ id, name }) => [id, name]));
  const policies = await call("policies");
  return policies.map((policy) => ({
    ...policy,
    groups: policy.groupIds.map((id) => names.get(id) ?? id),
  }));
}

export const KINDS = {
  devices: inPages(DeviceQuery, (call, query) => call("devices", { query }), {
    columns: [
      ...columns("id", "hostname", "ring", "compliance", "readiness"),
      { field: "openCves", title: "cves" },
      ...columns("connected", "tags", "reason"),
    ],
    one: (call, id) => call("device", { params: { id } }),
    named: ["hostname"],
    empty: "no device; make a token to enrol one: suture admin token new",
  }),
  groups: asAWhole((call) => call("groups"), {
    columns: columns("id", "name", "devices", "scope", "description"),
    empty: "no group",
  }),
  rings: asAWhole((call) => call("rings"), {
    columns: [
      ...columns("id", "order", "name", "kind"),
      { field: "deferralDays", title: "deferral" },
      { field: "deadlineDays", title: "deadline" },
      { field: "graceDays", title: "grace" },
      ...columns("devices"),
    ],
    empty: "no ring; make some: suture admin apply",
  }),
  policies: asAWhole(policiesWithGroups, {
    columns: columns("id", "precedence", "name", "groups", "changedBy", "changedAt"),
    empty: "no policy: the defaults hold",
  }),
  catalog: asAWhole(async (call) => (await call("catalog")).updates, {
    columns: [
      ...columns("target", "kind", "severity", "released"),
      { field: "devicesConcerned", title: "concerned" },
      { field: "devicesProtected", title: "protected" },
      ...columns("cves"),
    ],
    named: ["target"],
    empty: "no update is known; is the channel set? see: suture server --help",
  }),
  rollouts: inPages(PageQuery, (call, query) => call("rollouts", { query }), {
    columns: [
      ...columns("id", "name", "state", "devices"),
      { field: "protectedDevices", title: "protected" },
      ...columns("createdBy", "target", "waitsFor"),
    ],
    one: (call, id) => call("rollout", { params: { id } }),
    named: ["name"],
    empty: "no rollout; draft one: suture admin rollout create",
  }),
  approvals: asAWhole((call) => call("approvals"), {
    columns: columns("rolloutId", "rollout", "group", "author", "askedAt", "allowed", "effect"),
    named: ["rolloutId", "rollout"],
    empty: "nothing waits for an approver",
  }),
  alerts: inPages(PageQuery, (call, query) => call("alerts", { query }), {
    columns: [
      ...columns("id", "severity", "code", "hostname", "text", "raisedAt"),
      { field: "acknowledgedBy", title: "looked after" },
      { field: "resolvedAt", title: "resolved" },
    ],
    empty: "no alert",
  }),
  audit: inPages(AuditQuery, (call, query) => call("audit", { query }), {
    columns: columns("index", "at", "who", "action", "object", "reason"),
    named: ["index"],
    empty: "no record",
  }),
  accounts: asAWhole((call) => call("accounts"), {
    columns: columns("id", "login", "name", "roles", "disabled", "lastSignInAt"),
    named: ["login"],
    empty: "no account",
  }),
  tokens: asAWhole((call) => call("enrolmentTokens"), {
    columns: columns("id", "name", "uses", "usesMax", "expiresAt", "tags", "createdBy"),
    empty: "no enrolment token; make one: suture admin token new",
  }),
  "api-tokens": asAWhole((call) => call("apiTokens"), {
    columns: columns("id", "name", "roles", "createdBy", "expiresAt", "lastUsedAt"),
    empty: "no API token",
  }),
} as const satisfies Record<string, Kind>;

export type KindName = keyof typeof KINDS;
export const isKindName = (text: string): text is KindName => Object.hasOwn(KINDS, text);
