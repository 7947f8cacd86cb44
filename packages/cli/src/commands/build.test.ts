/** What `suture build` writes and says. Real builds: packages/builder and test/e2e. */
import type { BuildResult, BuiltHotpatch, FixReport } from "@suture/builder";
import { expect, test } from "vitest";
import { runCli } from "../cli.ts";
import type { Context } from "../command.ts";
import { build } from "./build.ts";

const hotpatch = (id: string, file: string): BuiltHotpatch => ({
  bytes: new Uint8Array(3),
  description: {
    ...{ format: 1, id, sequence: 1, target: { buildId: "aa11", name: file } },
    ...{ functions: [], references: [] },
  },
  manifest: {
    ...{ format: 1, id, sequence: 1, component: { file, buildId: "aa11" }, fixes: [] },
    builtFrom: {
      ...{ source: "p 1", fixedBy: "p 2", compiler: "gcc", proof: "identical-build-id" },
      units: ["a.c"],
    },
  },
  binary: `/shipped/${file}`,
  file: `usr/lib/${file}`,
});

const inFile = (file: string, verdict: FixReport["verdict"]): FixReport["binaries"][number] => ({
  ...{ file: `usr/lib/${file}`, buildId: "aa11", verdict, functions: [], onlyAtStart: [] },
  obstacles: [],
});

const fixes: readonly FixReport[] = [
  {
    ...{ source: "one.patch", cves: ["CVE-2026-1111"], verdict: "in-hotpatch" },
    binaries: [{ ...inFile("liba.so.1", "in-hotpatch"), hotpatch: "a-1", functions: ["parse"] }],
  },
  {
    ...{ source: "two.patch", cves: [], verdict: "restart-needed" },
    binaries: [
      {
        ...inFile("server", "restart-needed"),
        obstacles: [{ code: "changed-data", name: "limit", detail: "3 becomes 4" }],
      },
    ],
  },
  {
    ...{ source: "doc.patch", cves: [], verdict: "nothing-to-do", binaries: [] },
    reason: "no machine code changes",
  },
];

async function runBuild(words: string, result: BuildResult) {
  const written: string[] = [];
  const context: Context = {
    engine: () => Promise.reject(new Error("no engine here")),
    builder: async () => ({
      buildHotpatch: async () => result,
      isBuildRefusal: (value): value is never =>
        typeof value === "object" && value !== null && "refused" in value,
      compareVersions: () => 0,
      isSameHotpatch: () => false,
      verifyHotpatch: () => Promise.reject(new Error("nothing is verified here")),
    }),
    agent: () => Promise.reject(new Error("no agent here")),
    endSignal: () => new AbortController().signal,
    release: () => Promise.reject(new Error("no release channel here")),
    readFile: () => new Uint8Array(),
    writeFile: (path) => void written.push(path),
    progress: () => undefined,
    version: "1.2.3",
    env: {},
    cacheFolder: "/nowhere",
  };
  const argv = `build --deb p --from 1 --to 2 ${words}`.trim().split(" ");
  return { outcome: await runCli(argv, [build], context), written };
}

test("one file is written for each program and library, and every fix is in the answer", async () => {
  const hotpatches = [hotpatch("a-1", "liba.so.1"), hotpatch("b-1", "server")] as const;
  const { outcome, written } = await runBuild("--output /out/first.hotpatch", {
    ...{ hotpatches, fixes, notes: ["look at this"] },
  });
  expect(written).toEqual(["/out/first.hotpatch", "/out/b-1.hotpatch"]);
  expect(outcome.exit).toBe("done");
  expect(outcome.document).toMatchObject({
    file: "/out/first.hotpatch",
    hotpatches: [
      { file: "/out/first.hotpatch", component: "usr/lib/liba.so.1" },
      { file: "/out/b-1.hotpatch", component: "usr/lib/server" },
    ],
    fixes,
  });
  const rows = outcome.blocks.flatMap((block) =>
    block.kind === "table" && block.columns[0]?.title === "FIX" ? block.rows : [],
  );
  expect(rows).toEqual([
    ["CVE-2026-1111", "liba.so.1", "in-hotpatch", "parse"],
    ["two.patch", "server", "restart-needed", "changed-data: limit"],
    ["doc.patch", "-", "nothing-to-do", "no machine code changes"],
  ]);
  const lines = outcome.blocks.flatMap((block) => (block.kind === "line" ? [block.text] : []));
  expect(lines).toContain("fixes: 1 in-hotpatch, 1 restart-needed, 1 nothing-to-do");
});

test("a refusal writes nothing, and still names every fix", async () => {
  const { outcome, written } = await runBuild("", {
    ...{ refused: "not-patchable", next: "restart", fixes: fixes.slice(1) },
    items: [{ name: "limit", code: "changed-data", detail: "3 becomes 4" }],
  });
  expect(written).toEqual([]);
  expect(outcome.exit).toBe("refused");
  expect(outcome.document).toMatchObject({ fixes: fixes.slice(1) });
  expect(JSON.stringify(outcome.blocks)).toContain("fixes: 1 restart-needed, 1 nothing-to-do");
});
