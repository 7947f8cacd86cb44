/** Several fixes for one program: which go into the hotpatch, which do not, and what is said. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type BinaryBuild, buildForBinary } from "../build-for-binary.ts";
import { compareTrees } from "../changed-files.ts";
import { readAllDependencies } from "../compare-trees.ts";
import { buildId, parseElf } from "../engine.ts";
import { createModule } from "../open-module.ts";
import { parsePatchFile } from "../patch-file.ts";
import { isBuildRefusal } from "../refusals.ts";
import { missingTools } from "../tree-fixture.ts";
import { makeFixSet, type PatchSource } from "./fix-set.ts";
import { patchesOf } from "./prepare-fix.ts";

const missing = missingTools(["gcc", "patch", "diff"]);

const sources: Readonly<Record<string, string>> = {
  "a.c": `int limit = 3;
int a(int x) { return x > limit ? limit : x; }



int a2(int x) { return x * 7; }
`,
  "b.c": "int b(int x) { return x * 3; }\n\n\n\nint b2(int x) { return x * 13; }\n",
  "c.c": "static int inner(int x) { return x + 5; }\n\n\n\nint c(int x) { return inner(x) * 2; }\n",
  "d.c": `int seed = 3;
static int inner(int x) { return x + 5; }








int d(int x) { return seed + inner(x) * 9; }
`,
  "table.c": "int start = 5;\nconst int table[2] = {1, 2};\n",
  "main.c": `extern int start;
extern const int table[2];
int a(int), a2(int), b(int), b2(int), c(int), d(int);
int main(int argc, char **argv) {
  return a(argc) + a2(argc) + b(argc) + b2(argc) + c(argc) + d(argc) + start + table[argc] + (argv == 0);
}
`,
};

type Edit = readonly [name: string, file: string, from: string, to: string];

let folder: string;
let source: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "suture-fixes-"));
  source = join(folder, "source");
  mkdirSync(source);
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(source, name), text);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const files = ["a.c", "b.c", "c.c", "d.c", "table.c", "main.c"];

async function rebuild() {
  const root = join(folder, "built");
  cpSync(source, root, { recursive: true });
  const options = ["-O2", "-fPIE"];
  execFileSync("gcc", [...options, "-c", ...files], { cwd: root });
  const objects = files.map((name) => name.replace(/c$/, "o"));
  execFileSync("gcc", ["-pie", "-Wl,--build-id", "-o", "server", ...objects], { cwd: root });
  const commands = files.map((file) => ({
    ...{ directory: root, file, compiler: "gcc", options, language: "c" as const },
  }));
  const env = { PATH: process.env.PATH };
  const units = await readAllDependencies(commands, { recordedRoot: root, root, env });
  const buildRoot = {
    enter: (argv: readonly string[], { cwd }: { readonly cwd: string }) => [
      ...["env", "-C", cwd],
      ...argv,
    ],
  };
  return { root, units, env, buildRoot, linked: [], makes: [], links: [] };
}

/** Patches that make one edit each, one upon the other, and the source with all of them. */
function writePatches(edits: readonly Edit[]): { to: string; sources: PatchSource[] } {
  const to = join(folder, "fixed-source");
  cpSync(source, to, { recursive: true });
  const patches = edits.map(([name, file, from, replacement]) => {
    const path = join(to, file);
    const before = readFileSync(path, "utf8");
    const after = before.replace(from, replacement);
    expect(after).not.toBe(before);
    writeFileSync(join(folder, "edited"), after);
    const labels = ["--label", `a/${file}`, "--label", `b/${file}`];
    let text = "";
    try {
      execFileSync("diff", ["-u", ...labels, path, join(folder, "edited")], { encoding: "utf8" });
    } catch (error) {
      text = (error as { stdout: string }).stdout;
    }
    writeFileSync(path, after);
    writeFileSync(join(folder, name), text);
    return { patch: parsePatchFile(name, text), file: join(folder, name) };
  });
  return { to, sources: patches };
}

async function build(edits: readonly Edit[], options: { mayLeaveOut?: boolean } = {}) {
  const built = await rebuild();
  const patches = writePatches(edits);
  const scratch = join(folder, "scratch");
  mkdirSync(scratch);
  const changes = await compareTrees(source, patches.to, () => false);
  const fixed = { tree: patches.to, label: "fixed", sources: patches.sources, cves: [], notes: [] };
  const set = await makeFixSet(
    {
      ...{ from: source, ...patches, rebuild: built, units: built.units, changes, scratch },
      patches: patchesOf(fixed, changes),
      mayLeaveOut: options.mayLeaveOut ?? true,
      objectFolder: join(folder, "objects"),
      env: process.env,
    },
    () => {},
  );
  if (isBuildRefusal(set)) throw new Error(JSON.stringify(set));
  const image = parseElf(readFileSync(join(built.root, "server")));
  const module = createModule(image, {
    named: image,
    buildId: buildId(image) ?? "",
    name: "server",
  });
  return buildForBinary(set, module, {
    ...{ sequence: 1, source: "s", fixedBy: "f", compiler: "gcc", proof: "identical-build-id" },
  });
}

const verdicts = ({ fixes }: BinaryBuild): readonly string[] =>
  [...fixes].map(([index, { verdict, functions, obstacles }]) =>
    [index, verdict, ...functions, ...obstacles.map(({ code, name }) => `${code}:${name}`)].join(
      " ",
    ),
  );

const replaced = ({ assembled }: BinaryBuild): readonly string[] =>
  assembled?.description.functions.map(({ name }) => name).sort() ?? [];

const data: Edit = ["data.patch", "a.c", "limit = 3", "limit = 4"];
const alone: Edit = ["alone.patch", "b.c", "x * 3", "x * 4"];

describe.skipIf(missing.length > 0 && process.env.CI === undefined)("of several fixes", () => {
  test("all go in where nothing is in the way, and each has its own functions", async () => {
    const comment: Edit = ["comment.patch", "b.c", "int b2", "/* twice */ int b2"];
    const inlined: Edit = ["inlined.patch", "c.c", "x + 5", "x + 6"];
    const result = await build([alone, inlined, comment]);
    expect(replaced(result)).toEqual(["b", "c"]);
    // No patch names c, into which inner was inlined; the comment changes no machine code.
    expect(verdicts(result)).toEqual(["0 in-hotpatch b", "1 in-hotpatch c", "2 nothing-to-do"]);
    expect(result.assembled?.manifest.fixes).toMatchObject([
      { source: "alone.patch", verdict: "in-hotpatch", functions: ["b"] },
      { source: "inlined.patch", verdict: "in-hotpatch", functions: ["c"] },
      { source: "comment.patch", verdict: "nothing-to-do", functions: [] },
    ]);
  });

  test("one that needs a restart is left out, and the others go in", async () => {
    const sameUnit: Edit = ["same-unit.patch", "a.c", "x * 7", "x * 8"];
    const result = await build([data, sameUnit, alone]);
    expect(replaced(result)).toEqual(["a2", "b"]);
    expect(verdicts(result)).toEqual([
      "0 restart-needed changed-data:limit",
      "1 in-hotpatch a2",
      "2 in-hotpatch b",
    ]);
    expect(result.assembled?.manifest.fixes[0]).toMatchObject({ verdict: "restart-needed" });
    expect(result.refusal).toMatchObject({ refused: "not-patchable" });
  });

  test("one that changes the same function as one that is left out is left out too", async () => {
    const both: Edit = [
      "both.patch",
      "a.c",
      "limit = 3;\nint a(int x) { return x",
      "limit = 4;\nint a(int x) { return 2 + x",
    ];
    const same: Edit = ["same.patch", "a.c", ": x; }", ": x + 1; }"];
    const result = await build([both, same, alone]);
    expect(replaced(result)).toEqual(["b"]);
    expect(verdicts(result)[1]).toMatch(/^1 restart-needed overlaps:/);
    expect(result.fixes.get(1)?.obstacles[0]?.name).toBe("both.patch");
  });

  test("one whose function has code of one that is left out is left out too", async () => {
    const inlined: Edit = [
      ...(["inlined.patch", "d.c", "seed = 3;\nstatic int inner(int x) { return x + 5"] as const),
      "seed = 4;\nstatic int inner(int x) { return x + 6",
    ];
    const result = await build([inlined, ["caller.patch", "d.c", "* 9", "* 10"], alone]);
    expect(replaced(result)).toEqual(["b"]);
    expect(verdicts(result)).toEqual([
      "0 restart-needed changed-data:seed",
      "1 restart-needed overlaps:d",
      "2 in-hotpatch b",
    ]);
    expect(result.fixes.get(1)?.obstacles[0]?.detail).toContain("inlined.patch");
  });

  test("one that does not apply without another is left out with it", async () => {
    const upon: Edit = [
      "upon.patch",
      "a.c",
      "limit = 4;",
      "limit = 4; int other(void) { return 1; }",
    ];
    const result = await build([data, upon, alone]);
    expect(replaced(result)).toEqual(["b"]);
    expect(verdicts(result)[0]).toBe("0 restart-needed changed-data:limit");
  });

  test("the parts of one CVE go in together or not at all", async () => {
    const first: Edit = ["CVE-2026-1111-1.patch", "a.c", "limit = 3", "limit = 4"];
    const second: Edit = ["CVE-2026-1111-2.patch", "b.c", "x * 3", "x * 4"];
    const other: Edit = ["CVE-2026-2222.patch", "b.c", "x * 13", "x * 14"];
    const result = await build([first, second, other]);
    expect(replaced(result)).toEqual(["b2"]);
    expect(verdicts(result)).toEqual([
      "0 restart-needed changed-data:limit",
      "1 restart-needed same-cve:CVE-2026-1111-1.patch",
      "2 in-hotpatch b2",
    ]);
  });

  test("one of a unit that has data only is not overlooked", async () => {
    const result = await build([["table.patch", "table.c", "{1, 2}", "{1, 3}"], alone]);
    expect(replaced(result)).toEqual(["b"]);
    expect(verdicts(result)).toEqual(["0 restart-needed changed-data:table", "1 in-hotpatch b"]);
  });

  test("none is left out where all were asked for", async () => {
    const result = await build([data, alone], { mayLeaveOut: false });
    expect(result.assembled).toBeUndefined();
    expect(verdicts(result)).toEqual([
      "0 restart-needed changed-data:limit",
      "1 restart-needed given-together:limit",
    ]);
  });

  test("one that a later one takes back changes nothing", async () => {
    const back: Edit = ["back.patch", "b.c", "x * 4", "x * 3"];
    const result = await build([alone, back, ["c.patch", "c.c", "* 2", "* 3"]]);
    expect(replaced(result)).toEqual(["c"]);
    expect(verdicts(result)).toEqual(["2 in-hotpatch c"]);
  });
});
