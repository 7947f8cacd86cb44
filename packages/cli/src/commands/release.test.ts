/** The commands of a release channel, on real folders with real keys. */
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as release from "@suture/release";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runCli } from "../cli.ts";
import { UsageError } from "../command.ts";
import { COMMANDS } from "../commands.ts";
import type { Outcome } from "../outcome.ts";
import { filesOf, releaseContext } from "./release-fixture.ts";

const buildId = "b2bcad6d23563e10222dc42e7a9b0e07f5c56033";
const passphrase = "correct horse battery";
let home: string;
let now: Date;
let typed: string[];

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "suture-release-"));
  now = new Date("2026-10-13T08:00:00Z");
  typed = [];
  await writeFile(join(home, "pass"), `${passphrase}\n`, { mode: 0o600 });
});
afterEach(async () => await rm(home, { recursive: true }));

const manifestOf = (sequence: number): release.HotpatchManifest => ({
  format: 1,
  id: `redis-server-${sequence}`,
  sequence,
  component: { file: "redis-server", buildId, package: "redis", version: "5:7.0.15-1~deb12u7" },
  fixes: [
    { cves: ["CVE-2026-66373"], source: "a.patch", verdict: "in-hotpatch", functions: ["f"] },
    { cves: ["CVE-2026-1000"], source: "b.patch", verdict: "in-hotpatch", functions: ["g"] },
    {
      ...{ cves: ["CVE-2026-1000"], source: "c.patch", verdict: "restart-needed" },
      ...{ functions: [], reason: "struct client grows" },
    },
  ],
  builtFrom: {
    ...{ source: "redis 1", fixedBy: "redis 2", compiler: "gcc 12" },
    ...{ proof: "identical-build-id", units: ["src/rdb.c"] },
  },
});

const contextOf = () =>
  releaseContext({
    now: () => now,
    askSecret: async () => {
      const answer = typed.shift();
      if (answer === undefined) throw new UsageError("there is no terminal");
      return answer;
    },
  });

/** Runs words in which `@` is the folder of this test; adds repository and passphrase. */
async function run(text: string, more: readonly string[] = []): Promise<Outcome> {
  const words = text.split(" ").map((word) => word.replace("@", `${home}/`));
  return await runCli(["release", ...words, ...more], COMMANDS, contextOf());
}

const withRepository = ["--repository", "", "--passphrase-file", ""];
async function runHere(text: string, more: readonly string[] = []): Promise<Outcome> {
  const options = withRepository.map((word, at) =>
    at === 1 ? join(home, "channel") : at === 3 ? join(home, "pass") : word,
  );
  const needsPassphrase = /^(init|sign|publish|keys)/.test(text);
  return await run(text, [...(needsPassphrase ? options : options.slice(0, 2)), ...more]);
}

async function expectDone(text: string, more: readonly string[] = []): Promise<Outcome> {
  const outcome = await runHere(text, more);
  expect(outcome.problem, text).toBeUndefined();
  expect(outcome.exit).toBe("done");
  return outcome;
}

const online = "--key @keys/online/snapshot.key --key @keys/online/timestamp.key";

async function createChannel(): Promise<void> {
  await expectDone("init --keys @keys");
  await expectDone("keys new @red.key");
  await expectDone("add product redis --key @red.key.pub");
  const component = `redis-server ${buildId} redis 5:7.0.15-1~deb12u7`;
  await expectDone("add baseline --product redis --baseline 2026-10", ["--component", component]);
  await writeFile(join(home, "1.hotpatch"), JSON.stringify(manifestOf(1)));
  await expectDone("add hotpatch @1.hotpatch --product redis --baseline 2026-10");
  await expectDone("sign --key @keys/offline/targets-1.key --key @red.key");
  await expectDone(`publish ${online}`);
}

const verify = "verify --root @channel/public/metadata/1.root.json";

test("from nothing to a published hotpatch, a newer one, and its withdrawal", async () => {
  await createChannel();
  const first = await expectDone(verify);
  expect(first.document).toMatchObject({
    targets: 3,
    catalog: {
      updates: [
        { kind: "baseline", restartNeeded: true },
        {
          ...{ kind: "hotpatch", sequence: 1, severity: "important", restartNeeded: false },
          // One part of the second CVE's fix is left out, so it does not count as fixed.
          cves: ["CVE-2026-66373"],
          leftOut: [{ source: "c.patch", cves: ["CVE-2026-1000"], reason: "struct client grows" }],
        },
      ],
    },
  });
  await writeFile(join(home, "2.hotpatch"), JSON.stringify(manifestOf(2)));
  const { document } = await expectDone(
    "add out-of-band @2.hotpatch --product redis --baseline 2026-10 --severity critical",
  );
  expect(document).toMatchObject({
    added: {
      target: `redis/2026-10/${buildId}.2.hotpatch`,
      entry: { supersedes: [`redis/2026-10/${buildId}.1.hotpatch`], kind: "out-of-band" },
    },
    waiting: [{ role: "redis", version: 2, signers: [{ missing: 1 }] }],
  });
  const review = await expectDone("sign");
  expect(review.document).toMatchObject({
    changes: [{ role: "redis", change: "added", subject: `redis/2026-10/${buildId}.2.hotpatch` }],
    signed: [],
  });
  await expectDone("sign --key @red.key");
  await expectDone(`publish ${online}`);
  const target = `redis/2026-10/${buildId}.2.hotpatch`;
  await expectDone(`withdraw ${target} --reason leaks`);
  await expectDone("sign --key @red.key");
  await expectDone(`publish ${online}`);
  const last = await expectDone(verify);
  expect(last.document).toMatchObject({ targets: 3, findings: [] });
  expect(JSON.stringify(last.blocks)).toContain("withdrawn: leaks");
  const files = await readdir(join(home, "channel/public/targets/redis/2026-10"));
  expect(files.filter((name) => name.endsWith(".2.hotpatch"))).toEqual([]);
});

test("the keys made for root and targets lie apart from those of snapshot and timestamp", async () => {
  const { document } = await expectDone("init --keys @keys");
  expect(await readdir(join(home, "keys/online"))).toHaveLength(4);
  expect(await readdir(join(home, "keys/offline"))).toHaveLength(10);
  expect(document).toMatchObject({ publication: { versions: { root: 1, timestamp: 1 } } });
  expect(JSON.stringify(document)).not.toContain(passphrase);
});

test("signers with keys made elsewhere sign one by one, until there are enough", async () => {
  for (const name of ["ann", "ben"]) await expectDone(`keys new @${name}.key`);
  const made = await expectDone(
    "init --keys @keys --root-key @ann.key.pub --root-key @ben.key.pub --root-threshold 2",
  );
  expect(made.document).toMatchObject({
    waiting: [{ role: "root", signers: [{ missing: 2 }] }, { role: "targets" }],
  });
  const early = await runHere(`publish ${online}`);
  expect(early).toMatchObject({ exit: "refused", problem: { reason: "too-few-signatures" } });
  expect((await expectDone("sign --key @ann.key")).document).toMatchObject({ ready: false });
  // The same signer again is still one signer.
  expect((await expectDone("sign --key @ann.key")).document).toMatchObject({ ready: false });
  expect((await expectDone("sign --key @ben.key")).document).toMatchObject({ ready: true });
  await expectDone(`publish ${online}`);
  await expectDone(verify);
});

test("new online keys take over, and machines that pinned the first root follow", async () => {
  await createChannel();
  await expectDone("keys new @fresh.key");
  await expectDone("keys set timestamp --key @fresh.key.pub");
  await expectDone("sign --key @keys/offline/root-1.key --key @keys/offline/root-3.key");
  await expectDone(`publish ${online} --key @fresh.key`);
  expect((await expectDone(verify)).document).toMatchObject({ catalog: { versions: { root: 2 } } });
  const former = await runHere(`publish ${online}`);
  expect(former.problem?.reason).toBe("too-few-signatures");
  expect((await expectDone("keys")).document).toMatchObject({
    roles: [{ role: "root", threshold: 2 }, {}, {}, { role: "timestamp" }, { role: "redis" }],
  });
});

test("the calendar is signed data", async () => {
  await createChannel();
  await expectDone("add calendar --planned-months 2,8");
  await expectDone("add calendar --date 2026-12-08 --kind baseline --note extra");
  await expectDone("sign --key @keys/offline/targets-2.key");
  await expectDone(`publish ${online}`);
  expect((await expectDone(verify)).document).toMatchObject({
    catalog: {
      calendar: { plannedMonths: [2, 8], entries: [{ date: "2026-12-08", kind: "baseline" }] },
    },
  });
});

describe("says no", () => {
  const cases: [string, Outcome["exit"], string][] = [
    ["init", "usage", "--keys is missing"],
    ["init --keys @channel/keys", "usage", "keep keys and repository apart"],
    ["init --keys @more", "refused", "there is a repository already"],
    ["init --keys @more --root-threshold 0", "refused", "there is a repository already"],
    ["add", "usage", "what is to be added?"],
    ["add hotpatch", "usage", "FILE is missing"],
    ["add product nginx", "usage", "--key FILE is missing"],
    ["add product redis --key @red.key.pub", "refused", "it is there"],
    ["add product root --key @red.key.pub", "refused", "it is there"],
    ["add product Redis! --key @red.key.pub", "refused", "product"],
    ["add product nginx --key @keys/online/snapshot.key.pub", "refused", "online key"],
    ["add product nginx --key @red.key.pub --threshold 2", "refused", "1 different key"],
    ["add hotpatch @1.hotpatch --product redis --baseline 2026-10", "refused", "published"],
    ["add hotpatch @1.hotpatch --product redis --baseline 2027-01", "refused", "no baseline"],
    ["add hotpatch @1.hotpatch --product nginx --baseline 2026-10", "refused", "no such product"],
    ["add hotpatch @empty --product redis --baseline 2026-10", "refused", "no manifest"],
    ["add hotpatch @pass --product redis --baseline 2026-10", "refused", "manifest"],
    ["add baseline --product redis --baseline 2026-11", "usage", "--component"],
    ["add calendar --planned-months 4,1", "refused", "ascending"],
    ["add calendar --date 2026-02-30 --kind baseline", "refused", "no such day"],
    ["add calendar --date 2026-02-03 --kind fun", "usage", "--kind fun"],
    ["sign --key @none.key", "failed", "ENOENT"],
    ["sign --key @red.key", "refused", "nothing to sign"],
    ["sign --passphrase x --key @red.key", "usage", "'--passphrase'"],
    ["publish --key @keys/online/snapshot.key", "refused", "0 of 1"],
    ["publish --role redis --timestamp-only", "usage", "exclude each other"],
    ["withdraw redis/2026-10/nothing --reason x", "refused", "no such target"],
    ["withdraw redis/2026-10/baseline.json", "usage", "--reason is missing"],
    ["verify", "usage", "--root is missing"],
    ["verify --url ftp://x --root @pass", "usage", "--url"],
    ["keys old", "usage", "there is new and set"],
    ["keys new @red.key", "refused", "it exists"],
    ["keys set nginx", "refused", "0 different keys"],
    ["forge", "usage", "there is no command release forge"],
  ];
  test("to each of these requests, and changes nothing", async () => {
    await createChannel();
    await writeFile(join(home, "empty"), "{}");
    const before = await filesOf(join(home, "channel"));
    for (const [words, exit, complaint] of cases) {
      const outcome = await runHere(words);
      const { detail = "", next = "" } = outcome.problem ?? {};
      expect({ words, exit: outcome.exit, detail }).toMatchObject({ exit });
      expect(`${detail} ${next}`, words).toContain(complaint);
    }
    expect(await filesOf(join(home, "channel"))).toEqual(before);
  });

  test("to a repository that is none", async () => {
    const outcome = await runHere("keys");
    expect(outcome).toMatchObject({ exit: "refused", problem: { reason: "repository-missing" } });
  });
});

describe("passphrases", () => {
  test("come from the terminal, twice for a new key", async () => {
    typed = [passphrase, passphrase];
    expect((await run("keys new @a.key")).exit).toBe("done");
    typed = [passphrase, "another one here"];
    expect((await run("keys new @b.key")).problem?.detail).toContain("differ");
    expect((await run("keys new @c.key")).problem?.detail).toContain("no terminal");
    expect(await readdir(home)).not.toContain("b.key");
  });

  test("are refused where they are short, wrong, or readable by others", async () => {
    typed = ["short", "short"];
    expect((await run("keys new @a.key")).problem?.detail).toContain("at least 12");
    await createChannel();
    typed = ["not the passphrase"];
    const wrong = await run("sign --repository @channel --renew redis --key @red.key");
    expect(wrong.problem?.reason).toBe("wrong-passphrase");
    await chmod(join(home, "pass"), 0o640);
    const open = await runHere("sign --renew redis --key @red.key");
    expect(open.problem).toMatchObject({ reason: "key-file-access" });
    expect(open.problem?.detail).toContain("mode 640");
    await chmod(join(home, "pass"), 0o600);
    await chmod(join(home, "red.key"), 0o604);
    const key = await runHere("sign --renew redis --key @red.key");
    expect(key.problem?.reason).toBe("key-file-access");
  });
});

test("a channel that somebody changed is found out, and the finding says where", async () => {
  await createChannel();
  const folder = join(home, "channel/public/targets/redis/2026-10");
  const [file = ""] = (await readdir(folder)).filter((name) => name.endsWith(".hotpatch"));
  const bytes = await readFile(join(folder, file));
  bytes[0] = 0x20;
  await writeFile(join(folder, file), bytes);
  const outcome = await runHere(verify);
  expect(outcome).toMatchObject({ exit: "failed", problem: { reason: "wrong-content" } });
  now = new Date("2026-10-20T08:00:00Z");
  expect((await runHere(verify)).problem?.reason).toBe("expired");
});

test("the guide's commands do what it says", async () => {
  const guide = fileURLToPath(new URL("../../../../docs/release-channel.md", import.meta.url));
  const [, section = ""] = (await readFile(guide, "utf8")).split("## A channel from nothing");
  const [block = ""] = section.split("\n\n`init`");
  const commands = block.replaceAll("\\\n", "").replaceAll("BUILD-ID", buildId).split("\n");
  await writeFile(join(home, "fix.hotpatch"), JSON.stringify(manifestOf(1)));
  const before = process.cwd();
  process.chdir(home);
  try {
    let count = 0;
    for (const command of commands.map((text) => text.trim())) {
      if (!command.startsWith("suture ")) continue;
      const words = [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, a, b]) => a ?? b ?? "");
      typed = [passphrase, passphrase];
      const outcome = await runCli(words.slice(1), COMMANDS, contextOf());
      expect(outcome.problem, command).toBeUndefined();
      count += 1;
    }
    expect(count).toBe(8);
  } finally {
    process.chdir(before);
  }
});

test("a command that changes a repository waits for no other: it is refused", async () => {
  await createChannel();
  const folder = join(home, "channel");
  const target = `redis/2026-10/${buildId}.1.hotpatch`;
  const changes = [
    `withdraw ${target} --reason x`,
    "sign --renew redis --key @red.key",
    `publish ${online}`,
    "add calendar --planned-months 2",
    "keys set timestamp --key @red.key.pub",
    "init --keys @more",
  ];
  const before = await filesOf(folder);
  await release.withRepositoryLock({ folder, task: "release sign" }, async () => {
    for (const words of changes) {
      const { exit, problem } = await runHere(words);
      expect({ exit, reason: problem?.reason }, words).toEqual({
        ...{ exit: "refused", reason: "repository-busy" },
      });
      expect(problem?.detail).toContain(`release sign, process ${process.pid}`);
    }
    // To look is not to change.
    for (const words of ["sign", "keys", verify]) await expectDone(words);
  });
  expect(await filesOf(folder)).toEqual(before);
});
