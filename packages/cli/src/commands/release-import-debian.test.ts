/**
 * Imports into real repositories. What is built is made up here; a build of a real package takes
 * minutes and has tests of its own.
 */
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BuildResult, DebRequest } from "@suture/builder";
import * as release from "@suture/release";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCli } from "../cli.ts";
import { COMMANDS } from "../commands.ts";
import { EXIT_CODES } from "../exit-codes.ts";
import type { Outcome } from "../outcome.ts";
import type { BuilderParts } from "../parts.ts";
import {
  bothFixed,
  component,
  hotpatch,
  inFile,
  packageOf,
  server,
  tool,
} from "./import-fixture.ts";
import { filesOf, releaseContext } from "./release-fixture.ts";

const online = "--key @keys/online/snapshot.key --key @keys/online/timestamp.key";
const signers = "--key @keys/offline/targets-1.key --key @red.key";

let home: string;
let now: Date;
let requests: DebRequest[];
/** What the builder comes to. */
let build: (request: DebRequest) => BuildResult | Promise<BuildResult>;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "suture-import-"));
  now = new Date("2026-11-22T08:00:00Z");
  requests = [];
  build = (request) => bothFixed(request);
  await writeFile(join(home, "pass"), "correct horse battery\n", { mode: 0o600 });
  await expectDone("init --keys @keys", true);
  await expectDone("keys new @red.key", true);
});
afterEach(async () => await rm(home, { recursive: true }));

const builder: BuilderParts = {
  buildHotpatch: async (request) => {
    if (request.kind !== "deb") throw new Error("a package is asked for");
    requests.push(request);
    return await build(request);
  },
  compareVersions: (one, other) => Number(one) - Number(other),
  isBuildRefusal: (value): value is never =>
    typeof value === "object" && value !== null && "refused" in value,
  isSameHotpatch: (one, other) => withoutPlace(one) === withoutPlace(other),
  verifyHotpatch: () => Promise.reject(new Error("nothing is verified here")),
};

const withoutPlace = (bytes: Uint8Array): string =>
  JSON.stringify({ ...release.parseManifest(bytes), id: "", sequence: 0 });

async function run(text: string, needsPassphrase = text.includes("--key")): Promise<Outcome> {
  const words = `release ${text} --repository @channel`.split(" ");
  if (needsPassphrase) words.push("--passphrase-file", "@pass");
  const argv = words.map((word) => word.replace("@", `${home}/`));
  const askSecret = () => Promise.reject(new Error("nobody is asked"));
  return await runCli(argv, COMMANDS, releaseContext({ now: () => now, askSecret, builder }));
}

async function expectDone(text: string, needsPassphrase?: boolean): Promise<Outcome> {
  const outcome = await run(text, needsPassphrase);
  expect(outcome.problem, text).toBeUndefined();
  expect(outcome.exit).toBe("done");
  return outcome;
}

const import_ = "import-debian redis --from 2";
const baselineTarget = "redis/2026-10/baseline.json";
const targetOf = (buildId: string, sequence: number) =>
  `redis/2026-10/${buildId}.${sequence}.hotpatch`;
const textOf = ({ blocks }: Outcome) => JSON.stringify(blocks);
const updates = async () => {
  const { document } = await expectDone("verify --root @channel/public/metadata/1.root.json");
  return (document as { catalog: release.Catalog }).catalog.updates;
};

test("without its product it says which command makes it, and builds nothing", async () => {
  const before = await filesOf(join(home, "channel"));
  const { exit, problem } = await run(import_);
  expect({ exit, reason: problem?.reason }).toEqual({ exit: "refused", reason: "product-missing" });
  expect(problem?.next).toContain("--create redis.key.pub");
  expect(problem?.next).toContain(
    `suture release add product redis --repository ${home}/channel --key redis.key.pub`,
  );
  expect(requests).toEqual([]);
  expect(await filesOf(join(home, "channel"))).toEqual(before);
});

test("stages the baseline and a hotpatch for each program; again, it stages nothing", async () => {
  const first = await expectDone(`${import_} --create @red.key.pub`);
  expect(first.document).toMatchObject({
    imported: {
      baseline: {
        ...{ name: "2026-10", target: baselineTarget, isStaged: true },
        entry: { sequence: 0, restartNeeded: true, components: packageOf().components },
      },
      hotpatches: [
        {
          ...{ state: "staged", target: targetOf(server, 1) },
          entry: {
            cves: ["CVE-2026-1001", "CVE-2026-1002"],
            // What the other program does not get stands in the signed entry as well.
            leftOut: [
              {
                ...{ source: "CVE-2026-1002.patch", cves: ["CVE-2026-1002"] },
                reason: "changed-data: limit: 3 becomes 4",
                component: { file: "redis-cli", buildId: tool },
              },
            ],
          },
        },
        {
          ...{ state: "staged", target: targetOf(tool, 1) },
          entry: {
            cves: ["CVE-2026-1001"],
            leftOut: [{ cves: ["CVE-2026-1002"], reason: "changed-data: limit" }],
          },
        },
      ],
    },
    waiting: [{ role: "targets" }, { role: "redis" }],
  });
  expect(textOf(first)).toContain("fixes: 1 in-hotpatch, 1 restart-needed");
  expect(textOf(first)).toContain(
    "needs a restart: CVE-2026-1002 (CVE-2026-1002.patch) in usr/bin",
  );
  expect(textOf(first)).toContain("note: look at this");
  const before = await filesOf(join(home, "channel"));
  const second = await expectDone(`${import_} --create @red.key.pub`);
  expect(textOf(second)).toContain("nothing is new: nothing was staged");
  expect(second.document).toMatchObject({
    imported: { baseline: { isStaged: false }, hotpatches: [{ state: "unchanged" }, {}] },
  });
  expect(await filesOf(join(home, "channel"))).toEqual(before);
});

test("signs and publishes with the keys, and the next update supersedes this one", async () => {
  await mkdir(join(home, "files"));
  const all = `${signers} ${online} --publish`;
  const first = await expectDone(`${import_} --create @red.key.pub ${all} --keep @files`);
  expect(first.document).toMatchObject({ publication: { versions: { redis: 1, targets: 2 } } });
  expect(await readdir(join(home, "files"))).toEqual([
    "redis-cli-1.hotpatch",
    "redis-server-1.hotpatch",
  ]);
  expect((await updates()).map(({ target }) => target)).toEqual(
    expect.arrayContaining([baselineTarget, targetOf(server, 1), targetOf(tool, 1)]),
  );
  const again = await expectDone(`${import_} ${all}`);
  expect(again.document).toMatchObject({ signed: [], waiting: [] });
  expect(again.document).not.toHaveProperty("publication");
  now = new Date("2026-11-25T08:00:00Z");
  build = (request) => bothFixed(request, "redis 4");
  await expectDone(`${import_} --severity critical --out-of-band ${signers} ${online} --publish`);
  expect(await updates()).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        ...{ target: targetOf(server, 2), kind: "out-of-band", severity: "critical" },
        supersedes: [targetOf(server, 1)],
      }),
    ]),
  );
});

test("what lacks signatures is staged and not published, and the answer says so", async () => {
  const outcome = await run(`${import_} --create @red.key.pub --key @red.key ${online} --publish`);
  expect(outcome).toMatchObject({
    exit: "refused",
    problem: { reason: "too-few-signatures" },
    document: { imported: { hotpatches: [{ state: "staged" }, {}] } },
  });
  expect(textOf(outcome)).toContain("targets 2: 1 more of targets must sign");
  expect(await updates()).toEqual([]);
  await expectDone("sign --key @keys/offline/targets-2.key");
  await expectDone(`publish ${online}`);
  expect(await updates()).toHaveLength(3);
});

describe("where no hotpatch can be made", () => {
  const refused = (verdict: release.FixVerdict): BuildResult => ({
    refused: verdict === "restart-needed" ? "not-patchable" : "no-change",
    items: [{ name: "limit", code: "changed-data", detail: "3 becomes 4" }],
    next: "ship this fix as a traditional update",
    fixes: [
      {
        ...{ source: "a.patch", cves: ["CVE-2026-1001"], verdict },
        binaries: [inFile("redis-server", server, verdict)],
      },
    ],
    package: packageOf(),
  });

  test("a restart is the answer, which the exit code says; only the baseline is staged", async () => {
    build = () => refused("restart-needed");
    const outcome = await run(`${import_} --create @red.key.pub`);
    expect(outcome).toMatchObject({
      exit: "restart",
      problem: { reason: "restart-needed", next: "install redis 3 and restart what runs redis" },
      document: { imported: { baseline: { isStaged: true }, hotpatches: [] } },
    });
    expect(EXIT_CODES[outcome.exit].code).toBe(5);
    expect(textOf(outcome)).toContain("needs a restart: CVE-2026-1001 (a.patch)");
    const staged = await readdir(join(home, "channel/staged/targets"), { recursive: true });
    expect(staged.filter((name) => name.endsWith(".hotpatch"))).toEqual([]);
  });

  test("and none is needed, because nothing that runs changes, all is well", async () => {
    build = () => refused("nothing-to-do");
    const outcome = await expectDone(`${import_} --create @red.key.pub`);
    expect(outcome.document).toMatchObject({ imported: { hotpatches: [] } });
    expect(textOf(outcome)).toContain("fixes: 1 nothing-to-do");
  });

  const failing: [string, BuildResult, Outcome["exit"], string][] = [
    [
      "the build fails",
      { refused: "build-failed", items: [{ name: "x", code: "x", detail: "y" }], next: "see x" },
      ...(["refused", "build-failed"] as const),
    ],
    [
      "both versions are the same",
      {
        refused: "no-change",
        items: [{ name: "redis 2", code: "x", detail: "the same" }],
        next: "",
      },
      ...(["done", ""] as const),
    ],
  ];
  test.each(failing)("nothing is staged when %s", async (_, result, exit, reason) => {
    build = () => result;
    const before = await filesOf(join(home, "channel"));
    const outcome = await run(`${import_} --create @red.key.pub`);
    expect(outcome.exit).toBe(exit);
    expect(outcome.problem?.reason ?? "").toBe(reason);
    expect(await filesOf(join(home, "channel"))).toEqual(before);
  });
});

test("a hotpatch that was withdrawn is not brought back by the same update", async () => {
  const all = `${signers} ${online} --publish`;
  await expectDone(`${import_} --create @red.key.pub ${all}`);
  await expectDone(`withdraw ${targetOf(server, 1)} --reason leaks`);
  await expectDone("sign --key @red.key");
  await expectDone(`publish ${online}`);
  const outcome = await run(import_);
  expect(outcome).toMatchObject({
    exit: "refused",
    problem: { reason: "target-withdrawn" },
    document: { imported: { hotpatches: [{ state: "withdrawn" }, { state: "unchanged" }] } },
  });
  expect(outcome.problem?.detail).toContain("leaks");
});

describe("baselines", () => {
  test("an older one supersedes no newer one, and has a name of its own", async () => {
    await expectDone(`${import_} --create @red.key.pub`);
    const other = "a".repeat(40);
    const importOf = async (version: string, buildId: string, more = "") => {
      build = (request) => ({
        hotpatches: [
          hotpatch(request, ["redis-server", buildId], { fixes: [], fixedBy: "redis 9" }),
        ],
        ...{ fixes: [], notes: [] },
        package: {
          ...{ name: "redis", version, fixedBy: "redis 9" },
          components: [component("redis-server", buildId, version)],
        },
      });
      const { document } = await expectDone(`import-debian redis --from ${version} ${more}`.trim());
      return (document as { imported: { baseline: { entry: release.UpdateEntry } } }).imported
        .baseline.entry;
    };
    const older = await importOf("1", other);
    expect(older).toMatchObject({ baseline: "2026-10-1", supersedes: [] });
    const rebuilt = await importOf("1", "d".repeat(40));
    expect(rebuilt).toMatchObject({ baseline: "2026-10-1-dddddddd", supersedes: [] });
    const newer = await importOf("3", "b".repeat(40), "--baseline 2027-01");
    expect(newer).toMatchObject({
      baseline: "2027-01",
      supersedes: [
        ...[baselineTarget, "redis/2026-10-1/baseline.json"],
        "redis/2026-10-1-dddddddd/baseline.json",
      ],
    });
  });

  test("a name that means something else is refused", async () => {
    await expectDone("add product redis --key @red.key.pub", false);
    const argv = ["release", "add", "baseline", "--product", "redis", "--baseline", "2026-07"];
    const more = [
      "--component",
      `redis-server ${"c".repeat(40)}`,
      "--repository",
      `${home}/channel`,
    ];
    const askSecret = () => Promise.reject(new Error("nobody is asked"));
    await runCli([...argv, ...more], COMMANDS, releaseContext({ now: () => now, askSecret }));
    const { exit, problem } = await run(`${import_} --baseline 2026-07`);
    expect({ exit, reason: problem?.reason }).toEqual({ exit: "refused", reason: "wrong-request" });
    expect(problem?.detail).toContain(`it has no redis-server with Build-ID ${server}`);
  });
});

describe("others at the same time", () => {
  test("a command that holds the repository is named when the build is over", async () => {
    await expectDone("add product redis --key @red.key.pub", false);
    const folder = join(home, "channel");
    const act = () => run(import_);
    const { problem } = await release.withRepositoryLock({ folder, task: "release sign" }, act);
    expect(problem).toMatchObject({ reason: "repository-busy" });
  });

  test("a hotpatch that somebody staged during the build is not passed over", async () => {
    await expectDone(`${import_} --create @red.key.pub`);
    build = async (request) => {
      const late = bothFixed(request, "redis 4");
      build = (again) => bothFixed(again, "redis 5");
      await expectDone(import_);
      return late;
    };
    const { problem } = await run(import_);
    expect(problem?.detail).toContain("its sequence is 2, and the next one is 3; import again");
  });
});

describe("says no before anything is built", () => {
  const cases: [string, Outcome["exit"], string][] = [
    ["import-debian", "usage", "PACKAGE is missing"],
    ["import-debian redis nginx", "usage", "one PACKAGE is enough"],
    ["import-debian redis --publish", "usage", "--publish needs"],
    ["import-debian redis --to 3 --without a", "usage", "exclude each other"],
    ["import-debian redis --severity grave", "usage", "--severity grave"],
    ["import-debian Redis! --create @red.key.pub", "refused", "product"],
    ["import-debian redis --create @keys/online/snapshot.key.pub", "refused", "online key"],
    [`import-debian redis --create @red.key.pub ${online}`, "refused", "signs for none of redis"],
    ["import-debian redis --create @none.pub", "failed", "ENOENT"],
    ["import-debian redis --product targets", "refused", "product"],
    ["import-debian redis --create @red.key.pub --baseline a/b", "refused", "baseline"],
  ];
  test.each(cases)("%s", async (words, exit, complaint) => {
    const before = await filesOf(join(home, "channel"));
    const outcome = await run(words);
    expect({ exit: outcome.exit, detail: outcome.problem?.detail }).toMatchObject({ exit });
    expect(outcome.problem?.detail).toContain(complaint);
    expect(requests).toEqual([]);
    expect(await filesOf(join(home, "channel"))).toEqual(before);
  });
});
