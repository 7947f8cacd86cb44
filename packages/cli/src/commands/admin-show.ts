import type { Fields, Kind, Page } from "../admin/kinds.ts";
import { type Command, UsageError } from "../command.ts";
import { done, line, type Outcome } from "../outcome.ts";
import { type Admin, idNamed, isId, onServer, SERVER_OPTIONS } from "./admin-request.ts";
import { numberOf } from "./release-request.ts";

const KIND_NAMES =
  "devices, groups, rings, policies, catalog, rollouts, approvals, alerts, compliance, audit,\n" +
  "accounts, tokens, api-tokens";

export const adminShow: Command = {
  name: "admin show",
  summary: "show what the control plane knows",
  usage: "KIND [ID|NAME] [--all]",
  about:
    `KIND is one of ${KIND_NAMES}.\n` +
    "With an id, or a name where it has one, shows all that is known of one of it. Long lists come\n" +
    "in pages: --cursor shows the next one, --all all of them.",
  options: {
    ...SERVER_OPTIONS,
    all: { type: "boolean", help: "every page" },
    limit: { type: "string", value: "N", help: "rows of a page, 500 at most" },
    cursor: { type: "string", value: "TEXT", help: "where the page before ended" },
    search: { type: "string", value: "TEXT", help: "devices: part of the hostname" },
    ring: { type: "string", value: "NAME", help: "devices of a ring" },
    group: { type: "string", value: "NAME", help: "devices of a group" },
    tag: { type: "string", value: "TAG", help: "devices with a tag" },
    readiness: { type: "string", value: "STATE", help: "devices: ready, not-ready …" },
    compliance: { type: "string", value: "STATE", help: "devices: not-up-to-date, paused …" },
    cve: { type: "string", value: "ID", help: "devices that are exposed to it" },
    sort: { type: "string", value: "FIELD", help: "devices: hostname, last-seen or compliance" },
    who: { type: "string", value: "NAME", help: "audit: records of one account or device" },
    action: { type: "string", value: "NAME", help: "audit: records of one action" },
    from: { type: "string", value: "INDEX", help: "audit: records from this one on" },
  },
  example:
    "suture admin show devices --compliance not-up-to-date --server https://suture.example \\\n" +
    "    --token-file token\n" +
    "suture admin show rollouts 6f1d8f5e-0c1c-4f7a-9c1e-0c9a8f1b2d3e --json",
  run: onServer(run),
};

const FILTERS = [
  ...["limit", "cursor", "search", "ring", "group", "tag", "readiness", "compliance"],
  ...["cve", "sort", "who", "action", "from"],
] as const;
/** What is a number in the query. */
const NUMBERS: readonly string[] = ["limit", "from"];
const ROWS_MAX = 1_000_000;

async function run(admin: Admin): Promise<Outcome> {
  const [name, id, extra] = admin.args.positionals;
  if (extra !== undefined) throw new UsageError(`one word too many: ${extra}`);
  const { isKindName, KINDS } = await import("../admin/kinds.ts");
  if (name === "compliance" && id === undefined) return await showCompliance(admin);
  if (name === undefined || !isKindName(name)) {
    throw new UsageError(`what is to be shown? ${KIND_NAMES.replace("\n", " ")}`);
  }
  const kind: Kind = KINDS[name];
  return id === undefined ? await showList(name, kind, admin) : await showOne(kind, id, admin);
}

async function showList(name: string, kind: Kind, admin: Admin): Promise<Outcome> {
  const { args, call } = admin;
  const query = await queryOf(name, kind, admin);
  const all = args.flag("all");
  const first = await kind.page(call, all ? { limit: 500, ...query } : query);
  const items = [...first.items];
  let last: Page = first;
  while (all && last.next !== undefined && items.length < ROWS_MAX) {
    last = await kind.page(call, { limit: 500, ...query, cursor: last.next });
    items.push(...last.items);
  }
  const document = {
    items,
    total: first.total,
    ...(last.next !== undefined && { next: last.next }),
  };
  if (items.length === 0) return done(document, line(kind.empty));
  const { columnsTable } = await import("../admin/describe.ts");
  const more =
    last.next === undefined
      ? []
      : [line(`${items.length} of ${first.total}; the next: --cursor ${last.next}, or --all`)];
  return done(document, columnsTable(kind.columns, items), ...more);
}

async function queryOf(name: string, kind: Kind, { args, call }: Admin): Promise<Fields> {
  const query: Record<string, unknown> = {};
  for (const option of FILTERS) {
    const text = args.text(option);
    if (text === undefined) continue;
    const field = option === "ring" || option === "group" ? `${option}Id` : option;
    if (!kind.query.includes(field)) throw new UsageError(`show ${name} takes no --${option}`);
    if (option === "ring") query[field] = idNamed(await call("rings"), text, "ring");
    else if (option === "group") query[field] = idNamed(await call("groups"), text, "group");
    else if (NUMBERS.includes(option)) {
      query[field] = numberOf(args, option, { min: 0, max: 999_999_999 });
    } else query[field] = text;
  }
  return query;
}

async function showOne(kind: Kind, text: string, { call }: Admin): Promise<Outcome> {
  const { describe } = await import("../admin/describe.ts");
  if (kind.one !== undefined && isId(text)) {
    const thing = await kind.one(call, text);
    return done({ item: thing }, ...describe(thing));
  }
  // A name may stand on any page; a device is looked for by it.
  const search = kind.query.includes("search") ? { search: text } : {};
  const limit = kind.query.includes("limit") ? { limit: 500 } : {};
  const found: Fields[] = [];
  let cursor: string | undefined;
  do {
    const page = await kind.page(call, { ...search, ...limit, ...(cursor && { cursor }) });
    found.push(
      ...page.items.filter((item) =>
        ["id", ...kind.named].some((field) => String(item[field]) === text),
      ),
    );
    cursor = page.next;
  } while (cursor !== undefined && found.length < 2);
  const [item, other] = found;
  if (item === undefined) throw new UsageError(`there is no ${text} in that list`);
  if (other !== undefined) throw new UsageError(`several are called ${text}; give the id`);
  const thing = kind.one === undefined ? item : await kind.one(call, String(item.id));
  return done({ item: thing }, ...describe(thing));
}

async function showCompliance({ call }: Admin): Promise<Outcome> {
  const report = await call("compliance");
  const { describe } = await import("../admin/describe.ts");
  // The days are for charts.
  const { days: _, ...shown } = report;
  const cves = report.cves.map(({ exposure, ...cve }) => ({
    ...cve,
    exposed: exposure.open,
    medianHours: exposure.medianHours,
  }));
  return done({ ...report }, ...describe({ ...shown, cves }));
}
