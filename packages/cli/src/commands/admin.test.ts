/** `suture admin` against a real server, by its command lines. */
import { once } from "node:events";
import { chmod, readFile, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { Role } from "@suture/contract";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { EXIT_CODES } from "../exit-codes.ts";
import type { Outcome } from "../outcome.ts";
import { createOutput } from "../output.ts";
import { type AdminWorld, openAdminWorld, TARGET } from "./admin-fixture.ts";

let world: AdminWorld;
let device: string;

beforeAll(async () => {
  world = await openAdminWorld();
  const made = await world.as(Role.admin, [
    ...["token", "new", "--name", "web", "--tag", "web", "--ring", "Test", "--uses", "2"],
  ]);
  const { token } = made.document.token as { token: string };
  device = await world.enrol(token, "web-1");
  await world.enrol(token, "web-2");
}, 60_000);
afterAll(async () => await world.close());

/** What people would read, in a terminal of this width. */
function textOf(outcome: Outcome, columns?: number): string {
  const parts: string[] = [];
  const stdout = { write: (part: string) => parts.push(part), isTTY: true, columns };
  createOutput({ stdout, stderr: stdout, json: false, mayColour: false }).show(outcome);
  return parts.join("");
}

const itemsOf = ({ document }: Outcome) => document.items as readonly Record<string, unknown>[];

describe("show", () => {
  test.each([
    ...["devices", "groups", "rings", "policies", "catalog", "rollouts", "approvals", "alerts"],
    ...["compliance", "audit", "accounts", "tokens", "api-tokens"],
  ])("%s ends well and fits the terminal", async (kind) => {
    const role = kind === "audit" ? Role.auditor : Role.admin;
    const outcome = await world.as(role, ["show", kind]);
    expect(outcome.problem).toBeUndefined();
    expect(textOf(outcome, 120).length).toBeGreaterThan(5);
    for (const line of textOf(outcome, 150).split("\n")) expect(line.length).toBeLessThan(151);
  });

  test("one device by its hostname, with all that is known", async () => {
    const outcome = await world.as(Role.viewer, ["show", "devices", "web-1"]);
    expect(outcome.document.item).toMatchObject({ id: device, hostname: "web-1", ring: "Test" });
    expect(textOf(outcome)).toMatch(/^hostname +web-1$/m);
    const byId = await world.as(Role.viewer, ["show", "devices", device]);
    expect(byId.document).toEqual(outcome.document);
  });

  test("filters are those of the route, and rings go by name", async () => {
    const some = await world.as(Role.viewer, ["show", "devices", "--ring", "Test", "--tag", "web"]);
    expect(itemsOf(some)).toHaveLength(2);
    const none = await world.as(Role.viewer, ["show", "devices", "--ring", "Last"]);
    expect(itemsOf(none)).toEqual([]);
    expect(textOf(none)).toContain("suture admin token new");
    const wrong = await world.as(Role.viewer, ["show", "rings", "--tag", "web"]);
    expect(wrong.problem?.detail).toBe("show rings takes no --tag");
    const word = await world.as(Role.viewer, ["show", "devices", "--compliance", "perfect"]);
    expect(word.problem?.detail).toMatch(/--compliance: must be one of .*not-up-to-date/);
  });

  test("pages: one, the next, and all of them", async () => {
    const first = await world.as(Role.viewer, ["show", "devices", "--limit", "1"]);
    expect(itemsOf(first).map(({ hostname }) => hostname)).toEqual(["web-1"]);
    expect(first.document.total).toBe(2);
    const cursor = String(first.document.next);
    expect(textOf(first)).toContain(`1 of 2; the next: --cursor ${cursor}`);
    const second = ["show", "devices", "--limit", "1", "--cursor", cursor];
    expect(itemsOf(await world.as(Role.viewer, second))).toMatchObject([{ hostname: "web-2" }]);
    const all = await world.as(Role.viewer, ["show", "devices", "--limit", "1", "--all"]);
    expect(itemsOf(all).map(({ hostname }) => hostname)).toEqual(["web-1", "web-2"]);
    expect(all.document.next).toBeUndefined();
  });
});

describe("the server's address and the token", () => {
  test("a token that others can read is refused, and not sent", async () => {
    const file = join(world.folder, "open.token");
    await writeFile(file, await readFile(world.tokenFile(Role.admin)));
    await chmod(file, 0o644);
    const words = ["admin", "show", "rings", "--server", world.url, "--token-file", file];
    const outcome = await world.run(words);
    expect(outcome.exit).toBe("refused");
    expect(outcome.problem).toMatchObject({ reason: "key-file-access" });
  });

  test.each([
    ["http://suture.example", /http to another machine/],
    ["https://suture.example/console", /https:\/\/HOST/],
    ["https://ann@suture.example", /https:\/\/HOST/],
    ["suture.example", /https:\/\/HOST/],
  ])("%s is no address", async (address, complaint) => {
    const words = ["admin", "show", "rings", "--server", address];
    const outcome = await world.run([...words, "--token-file", world.tokenFile(Role.admin)]);
    expect(outcome.exit).toBe("usage");
    expect(outcome.problem?.detail).toMatch(complaint);
  });

  test("nobody listening, and a token that nobody made, say so", async () => {
    const file = join(world.folder, "wrong.token");
    await writeFile(file, `${"x".repeat(43)}\n`, { mode: 0o600 });
    const wrong = await world.run([
      ...["admin", "show", "rings", "--server", world.url, "--token-file", file],
    ]);
    expect(wrong.exit).toBe("refused");
    expect(wrong.problem).toMatchObject({ reason: "not-signed-in" });
    const gone = await world.run([
      ...["admin", "show", "rings", "--server", "http://127.0.0.1:1", "--token-file", file],
    ]);
    expect(gone.exit).toBe("failed");
    expect(gone.problem).toMatchObject({ reason: "unreachable" });
  });
});

describe("a server that is none of ours", () => {
  const asked: string[] = [];
  const strange = createServer(({ url = "", headers }, response) => {
    asked.push(`${url} ${headers.authorization === undefined ? "without" : "with"} token`);
    if (url === "/v1/groups") response.writeHead(302, { location: "/elsewhere" });
    else response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify([{ id: "1", name: "\u001b[31mred" }]));
  });
  beforeAll(async () => await once(strange.listen(0, "127.0.0.1"), "listening"));
  afterAll(() => strange.close());

  test.each([
    ["rings", "strange-answer"],
    ["groups", "unreachable"],
  ])("show %s: %s", async (kind, reason) => {
    const { port } = strange.address() as AddressInfo;
    const outcome = await world.run([
      ...["admin", "show", kind, "--server", `http://127.0.0.1:${port}`],
      ...["--token-file", world.tokenFile(Role.viewer)],
    ]);
    expect(outcome.exit).toBe("failed");
    expect(outcome.problem?.reason).toBe(reason);
    expect(asked.at(-1)).toBe(`/v1/${kind} with token`);
  });
});

describe("devices, tokens, accounts", () => {
  test("tags are added and taken away, rings go by name", async () => {
    await world.as(Role.operator, ["device", "tag", "web-1", "--add", "canary"]);
    const less = await world.as(Role.operator, ["device", "tag", device, "--remove", "web"]);
    expect(less.document.tags).toEqual(["canary"]);
    const moved = await world.as(Role.operator, ["device", "ring", "web-1", "Ring 1"]);
    expect(moved.document.ring).toBe("Ring 1");
    const out = await world.as(Role.operator, ["device", "ring", "web-1", "--none"]);
    expect(out.document.ring).toBeUndefined();
    const unknown = await world.as(Role.operator, ["device", "ring", "web-1", "Ring 9"]);
    expect(unknown.problem?.detail).toMatch(/there is no ring Ring 9; there is: Test, Ring 1/);
    const bad = await world.as(Role.operator, ["device", "tag", "web-1", "--add", "No Tag"]);
    expect(bad).toMatchObject({
      exit: "usage",
      problem: { detail: expect.stringMatching(/^tags\.1: must match/) },
    });
  });

  test("a token comes with the command to paste; a removed device is gone", async () => {
    const words = ["token", "new", "--name", "short", "--valid-hours", "0.5"];
    const { document } = await world.as(Role.admin, words);
    const { token } = document.token as { token: string };
    expect(document.command).toBe(
      `suture agent enroll --server ${world.url} --token ${token} --channel-root 1.root.json`,
    );
    await world.enrol(token, "short-1");
    const refused = await world.as(Role.operator, ["device", "remove", "short-1"]);
    expect(refused).toMatchObject({ exit: "refused", problem: { reason: "not-permitted" } });
    expect((await world.as(Role.admin, ["device", "remove", "short-1"])).exit).toBe("done");
    const gone = await world.as(Role.admin, ["show", "devices", "short-1"]);
    expect(gone.problem?.detail).toBe("there is no short-1 in that list");
    expect((await world.as(Role.admin, ["token", "remove", "short"])).exit).toBe("done");
  });

  test("an account is made, disabled, and what the roles forbid is the server's to say", async () => {
    const file = join(world.folder, "ann.pass");
    await writeFile(file, "correct horse battery\n", { mode: 0o600 });
    const words = ["account", "new", "ann", "--name", "Ann", "--password-file", file];
    const both = await world.as(Role.admin, [...words, "--role", "author", "--role", "approver"]);
    expect(both.exit).toBe("refused");
    expect((await world.as(Role.admin, [...words, "--role", "author"])).exit).toBe("done");
    const off = await world.as(Role.admin, ["account", "disable", "ann"]);
    expect(off.document.account).toMatchObject({ login: "ann", disabled: true });
  });

  test("an API token goes into a file of its own, and works", async () => {
    const file = join(world.folder, "deploy.token");
    const words = ["api-token", "new", "--name", "deploy", "--role", "viewer", "--out", file];
    const made = await world.as(Role.admin, words);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(JSON.stringify(made)).not.toContain((await readFile(file, "utf8")).trim());
    const show = ["admin", "show", "rings", "--server", world.url, "--token-file", file];
    expect((await world.run(show)).exit).toBe("done");
  });
});

describe("rollouts", () => {
  test("from the draft to the pause, with the server's refusals", async () => {
    const draft = await world.as(Role.author, [
      ...["rollout", "create", "--name", "redis", "--target", TARGET, "--ring", "Test"],
      ...["--soak-hours", "0.5"],
    ]);
    expect(draft.problem).toBeUndefined();
    const { id, gates } = draft.document.rollout as { id: string; gates: object };
    expect(gates).toMatchObject({ soakHours: 0.5, successThreshold: 0.9 });
    expect(textOf(draft)).toContain("possible now: submit:");
    const act = (role: Role, ...words: string[]) => world.as(role, ["rollout", ...words]);
    expect((await act(Role.operator, "pause", id)).problem?.reason).toBe("not-now");
    expect((await act(Role.author, "submit", id)).exit).toBe("done");
    const waiting = await world.as(Role.viewer, ["show", "approvals"]);
    expect(itemsOf(waiting)).toMatchObject([{ rolloutId: id }]);
    const approved = await act(Role.approver, "approve", id, "--reason", "looked at it");
    expect(approved.document.rollout).toMatchObject({ state: "running" });
    const paused = await act(Role.operator, "pause", id, "--reason", "latency");
    expect(paused.document.rollout).toMatchObject({ state: "paused" });
    expect((await act(Role.author, "pause", id)).problem?.reason).toBe("not-permitted");
    expect((await act(Role.author, "frobnicate", id)).exit).toBe("usage");
  });

  test("everything is paused and resumed", async () => {
    expect((await world.as(Role.operator, ["pause"])).problem?.detail).toMatch(/--reason/);
    const paused = await world.as(Role.operator, ["pause", "--reason", "generators"]);
    expect(paused.exit).toBe("done");
    expect((await world.as(Role.operator, ["resume"])).exit).toBe("done");
    const records = itemsOf(await world.as(Role.auditor, ["show", "audit", "--limit", "5"]));
    expect(records.map(({ reason }) => reason)).toContain("generators");
  });
});

const RINGS = `rings:
  - {name: Test, kind: test, order: 0, deferralDays: 0, deadlineDays: 0, graceDays: 0}
  - {name: Ring 1, kind: ring, order: 2, deferralDays: 1, deadlineDays: 2, graceDays: 2}
  - {name: Ring 2, kind: ring, order: 1, deferralDays: 5, deadlineDays: 2, graceDays: 2}
  - {name: Ring 3, kind: ring, order: 3, deferralDays: 9, deadlineDays: 5, graceDays: 2}
  - {name: Ring 4, kind: ring, order: 4, deferralDays: 9, deadlineDays: 5, graceDays: 2}
  - {name: Last, kind: last, order: 5, deferralDays: 10, deadlineDays: 3, graceDays: 2}
`;
const policy = (hours: number) => `policies:
  - name: Web servers
    groups: [Web, Fixed]
    precedence: 10
    settings:
      hotpatch: allow
      restart: never
      windows: [{days: [0, 6], begin: "22:00", end: "04:00"}]
      hotpatchInWindowOnly: false
      health: {hours: ${hours}, memoryRatioMax: 2}
      fallback: true
    gates: {successThreshold: 0.95, errorThreshold: 0.02, soakHours: 24, approval: true}
`;
const GROUPS = `groups:
  - name: Web
    scope: {all: [{tag: web}, {not: {hostname: "test-*"}}]}
  - name: Fixed
    devices: [web-2, web-1]
`;

describe("apply and diff", () => {
  const file = () => join(world.folder, "fleet.yaml");
  const withFile = async (text: string, ...words: string[]) => {
    await writeFile(file(), text);
    return await world.as(Role.author, [...words, "-f", file()]);
  };
  const whole = RINGS + GROUPS + policy(48);

  test("makes what the file says, once", async () => {
    const dry = await withFile(whole, "apply", "--dry-run");
    expect(dry.document.applied).toBe(false);
    expect(itemsOf(await world.as(Role.viewer, ["show", "groups"]))).toEqual([]);
    const before = await withFile(whole, "diff");
    expect(EXIT_CODES[before.exit].code).toBe(6);
    expect(textOf(before)).toContain("~ change ring Ring 1\n    order: 1 -> 2\n");

    const applied = await withFile(whole, "apply");
    expect(applied.problem).toBeUndefined();
    expect(applied.document.changes).toEqual(dry.document.changes);
    const rings = itemsOf(await world.as(Role.viewer, ["show", "rings"]));
    expect(rings.map(({ name, order }) => [name, order])).toEqual([
      ...[
        ["Test", 0],
        ["Ring 2", 1],
        ["Ring 1", 2],
        ["Ring 3", 3],
        ["Ring 4", 4],
        ["Last", 5],
      ],
    ]);
    const groups = itemsOf(await world.as(Role.viewer, ["show", "groups"]));
    expect(groups.map(({ name }) => name).sort()).toEqual(["Fixed", "Web"]);

    const audit = async () => (await world.as(Role.auditor, ["show", "audit"])).document.total;
    const records = await audit();
    const again = await withFile(whole, "apply");
    expect(textOf(again)).toBe("nothing to do: the server is as the file says\n");
    expect((await withFile(whole, "diff")).exit).toBe("done");
    expect(await audit()).toBe(records);
  });

  test("shows a change field by field", async () => {
    const changed = await withFile(whole.replace("hours: 48", "hours: 24"), "diff");
    expect(changed.document.changes).toEqual([
      {
        kind: "policy",
        name: "Web servers",
        action: "change",
        fields: [{ field: "settings.health.hours", from: 48, to: 24 }],
      },
    ]);
    expect((await withFile(whole, "apply")).exit).toBe("done");
  });

  test("what the file does not name goes with --prune alone, sections that it lacks never", async () => {
    const less = `groups:\n${GROUPS.split("\n").slice(3).join("\n")}`;
    expect((await withFile(less, "diff")).exit).toBe("done");
    const used = await withFile(less, "apply", "--prune");
    expect(used.exit).toBe("refused");
    expect(used.problem?.detail).toMatch(
      /group Web is not in the file, and the policy Web servers/,
    );
    const gone = await withFile("groups: []\npolicies: []\n", "apply", "--prune");
    expect(gone.problem).toBeUndefined();
    expect(itemsOf(await world.as(Role.viewer, ["show", "policies"]))).toEqual([]);
    expect(itemsOf(await world.as(Role.viewer, ["show", "rings"]))).toHaveLength(6);
    const ringInUse = await withFile(RINGS.replace(/.*Test.*\n/, ""), "apply", "--prune");
    expect(ringInUse.problem?.detail).toMatch(/ring Test is not in the file and has 1 device/);
  });

  test("stops where the server refuses, says what was done, and goes on from there", async () => {
    const deep = (levels: number): string =>
      levels === 0 ? "{tag: a}" : `{not: ${deep(levels - 1)}}`;
    const text = (levels: number) =>
      `groups:\n  - {name: A, scope: {tag: a}}\n  - {name: B, scope: ${deep(levels)}}\n`;
    const stopped = await withFile(text(12), "apply");
    expect(stopped).toMatchObject({
      exit: "failed",
      document: { changes: [{ name: "A", action: "create" }], left: 1 },
      problem: { detail: expect.stringMatching(/^create group B: /) },
    });
    const rest = await withFile(text(3), "apply");
    expect(rest.document.changes).toMatchObject([{ name: "B", action: "create" }]);
    expect(rest.exit).toBe("done");
  });

  test.each([
    ["an unknown field", RINGS.replace("graceDays: 0", "graceDay: 0"), 2, /graceDay: there is no/],
    ["a key twice", "rings: []\nrings: []\n", 2, /unique/],
    ["an alias", "groups:\n  - &a {name: A, scope: {tag: a}}\n  - *a\n", 2, /anchors/],
    ["a tag", "groups:\n  - name: !!str A\n    scope: {tag: a}\n", 2, /tags are refused/],
    ["broken YAML", "rings:\n  - {name: Test\n", 3, /./],
    ["a scope that is none", "groups:\n  - name: A\n    scope: {tagg: a}\n", 3, /one of all, any/],
    ["a value out of bounds", policy(-1), 10, /hours: must be >= 0/],
    ["no such group", policy(1), 3, /there is no group Web/],
    [
      "no such device",
      "groups:\n  - name: A\n    devices:\n      - nobody\n",
      4,
      /no device nobody/,
    ],
    ["a name twice", `${GROUPS}${GROUPS.slice(8)}`, 6, /Web is there twice/],
    ["two documents", "rings: []\n---\nrings: []\n", 2, /document/],
    ["rings that cannot be", RINGS.replace("order: 5", "order: 3"), 1, /must be after all|same/],
  ])("%s is refused with its line", async (_, text, line, complaint) => {
    const outcome = await withFile(text, "apply");
    expect(outcome.exit).toBe("refused");
    const detail = [outcome.problem?.detail, JSON.stringify(outcome.problem?.items)].join(" ");
    expect(detail).toMatch(complaint);
    expect(detail).toMatch(new RegExp(`fleet.yaml:${line}(?!\\d)`));
  });
});
