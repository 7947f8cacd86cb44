import { writeFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { ChangedUnit } from "./changed-units.ts";
import { parsePatchFile } from "./patch-file.ts";
import { isBuildRefusal, refuseBuild } from "./refusals.ts";
import { addFine } from "./refused-fixes.ts";
import { createTree, missingTools, type TreeFixture } from "./tree-fixture.ts";

const missing = missingTools(["gcc", "make", "patch", "diff"]);

const sources = {
  "a.c": "int limit = 3;\nint a(int x) { return x > limit ? limit : x; }\n",
  "b.c": "int b(int x) { return x * 3 + 1000; }\n",
  "d.S": ".globl d\nd:\n  mov $7, %eax\n  ret\n.section .note.GNU-stack\n",
  "main.c": `int a(int), b(int), d(void);
int main(int argc, char **argv) { return a(argc) + b(argc) + d() + (argv == 0); }
`,
  Makefile: `server:
\tgcc -O2 -fPIE -c a.c b.c d.S main.c
\tgcc -pie -Wl,--build-id -o $@ a.o b.o d.o main.o
`,
};

let tree: TreeFixture;
beforeEach(() => {
  tree = createTree(sources);
});
afterEach(() => tree.remove());

describe.skipIf(missing.length > 0 && process.env.CI === undefined)("a refused fix", () => {
  const fineB = (text: string): string => text.replace("x * 3", "x * 4");

  test("of several units says which are in the way, and which are not", async () => {
    tree.run("make", "-s");
    tree.writePatch({
      "a.c": (text) => text.replace("limit = 3", "limit = 4"),
      "b.c": fineB,
      "d.S": (text) => text.replace("$7", "$8"),
    });
    const result = await tree.build({});
    expect(isBuildRefusal(result) && result.items).toMatchObject([
      { fix: "fix.patch", unit: "d.S", name: "d.S", code: "assembly" },
      { fix: "fix.patch", unit: "a.c", name: "limit", code: "changed-data" },
      { fix: "fix.patch", unit: "b.c", name: "b.c", code: "fine" },
    ]);
    expect(result).toMatchObject({ refused: "not-patchable" });
    expect(isBuildRefusal(result) && result.items[2]?.detail).toContain("(b)");
  });

  test("says so where a unit does not compile any more, and goes on with the others", async () => {
    tree.run("make", "-s");
    tree.writePatch({ "a.c": (text) => text.replace("x > limit", "x > > limit"), "b.c": fineB });
    const result = await tree.build({});
    expect(result).toMatchObject({
      refused: "build-failed",
      items: [
        { unit: "a.c", code: "build-failed" },
        { unit: "b.c", code: "fine" },
      ],
    });
  });

  test("with a unit that is not what runs is not taken for the others alone", async () => {
    tree.run("make", "-s");
    writeFileSync(`${tree.source}/b.c`, sources["b.c"].replace("x * 3", "x * 5"));
    tree.writePatch({
      "a.c": (text) => text.replace("x > limit", "x > limit + 1"),
      "b.c": (text) => text.replace("x * 5", "x * 6"),
    });
    const result = await tree.build({});
    expect(result).toMatchObject({
      refused: "not-the-source",
      items: [
        { unit: "b.c", name: "b", code: "not-the-source" },
        { unit: "a.c", code: "fine" },
      ],
    });
  });
});

test("things of two fixes stand under both, and each fix without an obstacle is named", () => {
  const patch = (name: string, path: string, line: string) =>
    parsePatchFile(name, `--- a/${path}\n+++ b/${path}\n@@ -1 +1 @@\n+${line}\n`);
  const unit = (name: string, ...changedFiles: readonly string[]): ChangedUnit => {
    const command = {
      directory: "/",
      file: name,
      compiler: "cc",
      options: [],
      language: "c",
    } as const;
    return { name, command, changedFiles };
  };
  const patches = [patch("one", "a.c", "f"), patch("two", "a.c", "g"), patch("three", "b.c", "h")];
  const units = [unit("a.c", "a.c"), unit("b.c", "b.c")];
  const refusal = refuseBuild("not-patchable", { name: "f", detail: "changed", next: "" });
  const item = { name: "f", unit: "a.c", code: "x", detail: "changed" };
  const changed = [
    { unit: "a.c", name: "f" },
    { unit: "a.c", name: "g" },
    { unit: "b.c", name: "h" },
  ].map((it) => ({ ...it, key: it.unit, changedFiles: [it.unit], onlyAtStart: false }));
  const check = (name: string, expected: readonly string[]): void => {
    const { items } = addFine(
      { ...refusal, items: [{ ...item, name }] },
      { patches, units },
      changed,
    );
    expect(items.map(({ fix, unit, code }) => `${fix} ${unit} ${code}`)).toEqual(expected);
  };
  check("f", ["one a.c x", "two a.c fine", "three b.c fine"]);
  check("unnamed", ["one a.c x", "two a.c x", "three b.c fine"]);
});
