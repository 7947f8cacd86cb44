/** What an import stages, in real repositories. The command around it has tests of its own. */
import { expect, test } from "vitest";
import { eachWithChannel, problemOf, start, type TestChannel } from "../client/channel-fixture.ts";
import type { HotpatchManifest } from "../manifest.ts";
import { parseManifest } from "../manifest-parser.ts";
import { withdraw } from "./add.ts";
import { fusedFiles, killEverywhere } from "./fuse-fixture.ts";
import { type ImportRequest, nextSequence, stageImport } from "./import.ts";
import { publish } from "./publish.ts";
import { comingProduct, readRepository } from "./repository.ts";
import { signMetadata } from "./sign.ts";

let channel: TestChannel;
eachWithChannel((made) => {
  channel = made;
});

const [one, two] = ["1".repeat(40), "2".repeat(40)];
const component = (file: string, buildId: string) => ({
  ...{ file, buildId, package: "redis", version: "2" },
});
const components = [component("one", one), component("two", two)];

/** Both programs change: one gets the fix, and the other what `source` says. */
async function requestFor(source: string, changes: Partial<ImportRequest> = {}) {
  const repository = await readRepository(channel.files);
  const hotpatches = components.map((own) => {
    const place = { product: "redis", buildId: own.buildId };
    const sequence = nextSequence(repository, place);
    const manifest: HotpatchManifest = {
      ...{ format: 1, id: `${own.file}-${sequence}`, sequence, component: own },
      fixes: [{ cves: ["CVE-2026-1001"], source, verdict: "in-hotpatch", functions: ["f"] }],
      builtFrom: {
        ...{ source, fixedBy: "redis 3", compiler: "gcc", proof: "identical-build-id" },
        units: ["a.c"],
      },
    };
    return { manifest, bytes: new TextEncoder().encode(JSON.stringify(manifest)) };
  });
  const request: ImportRequest = {
    ...{ files: channel.files, now: start, product: "redis", hotpatches, fixes: [] },
    ...{ kind: "hotpatch", severity: "important" },
    package: { name: "redis", version: "2", components },
    compareVersions: (a, b) => Number(a) - Number(b),
    isSameHotpatch: (a, b) =>
      parseManifest(a).builtFrom.source === parseManifest(b).builtFrom.source,
    ...changes,
  };
  return request;
}

const targets = async () => comingProduct(await readRepository(channel.files), "redis").targets;

test("killed at any write it finishes when it is run again, and stages nothing twice", async () => {
  const staged = async () =>
    Object.keys(await targets()).filter((name) => /\/(1|2){40}\./.test(name));
  const count = await killEverywhere(
    async (step) => {
      const request = await requestFor("first");
      await stageImport({ ...request, files: fusedFiles(channel.files, step) });
    },
    async () => expect((await staged()).length).toBeLessThan(3),
  );
  // The baseline and two hotpatches, each with its metadata.
  expect(count).toBeGreaterThan(0);
  expect(await staged()).toEqual([
    `redis/2026-10-2/${one}.1.hotpatch`,
    `redis/2026-10-2/${two}.1.hotpatch`,
  ]);
  const again = await stageImport(await requestFor("first"));
  expect(again.baseline.isStaged).toBe(false);
  expect(again.hotpatches.map(({ state }) => state)).toEqual(["unchanged", "unchanged"]);
});

test("each component counts its own sequences", async () => {
  const request = await requestFor("first");
  await stageImport({ ...request, hotpatches: request.hotpatches.slice(0, 1) });
  const { hotpatches } = await stageImport(await requestFor("second"));
  expect(hotpatches.map(({ entry }) => [entry.sequence, entry.supersedes])).toEqual([
    [2, [`redis/2026-10-2/${one}.1.hotpatch`]],
    [1, []],
  ]);
});

test("a baseline that lists what the hotpatches are for is taken, and what it lacks is told", async () => {
  const request = await requestFor("first");
  const [first, second] = request.hotpatches;
  if (first === undefined || second === undefined) throw new Error("two hotpatches");
  const only = { name: "redis", version: "2", components: components.slice(0, 1) };
  await stageImport({ ...request, package: only, hotpatches: [], baseline: "by-hand" });
  const { baseline } = await stageImport({ ...request, hotpatches: [first] });
  expect(baseline).toMatchObject({ entry: { baseline: "by-hand" }, isStaged: false });
  expect(baseline.notListed).toEqual([components[1]]);
  const wrong = await problemOf(
    stageImport({ ...request, hotpatches: [second], baseline: "by-hand" }),
  );
  expect(wrong).toMatchObject({ code: "wrong-request" });
  expect(wrong.found).toContain(`it has no two with Build-ID ${two}`);
});

test("a withdrawn baseline is not taken", async () => {
  await stageImport(await requestFor("first", { baseline: "bad", hotpatches: [] }));
  for (const key of channel.keys.redis) await signMetadata({ files: channel.files, key });
  await publish({ files: channel.files, now: start, keys: channel.onlineKeys });
  const target = "redis/bad/baseline.json";
  await withdraw({ files: channel.files, now: start, target, reason: "wrong" });
  const request = await requestFor("first");
  expect((await problemOf(stageImport({ ...request, baseline: "bad" }))).found).toContain(
    "withdrawn",
  );
  const { baseline } = await stageImport(request);
  expect(baseline).toMatchObject({ entry: { baseline: "2026-10-2" }, isStaged: true });
});

test("a product that is not there is named", async () => {
  const request = await requestFor("first", { product: "nginx" });
  expect(await problemOf(stageImport(request))).toMatchObject({ code: "product-missing" });
});
