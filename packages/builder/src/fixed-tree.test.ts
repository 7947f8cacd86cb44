import { mkdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isBuildRefusal } from "./refusals.ts";
import { built, createTree, missingTools, type TreeFixture } from "./tree-fixture.ts";

const missing = missingTools(["gcc", "make", "patch", "diff"]);

const sources = {
  "src/value.c": "int value(int x) { return x * 31 + 7; }\n",
  "src/main.c":
    "int value(int);\nint main(int argc, char **argv) { return value(argc) + !argv; }\n",
  Makefile: `server:
\tcd build && gcc -O2 -fPIE -c value.c ../src/main.c
\tgcc -pie -Wl,--build-id -o $@ build/value.o build/main.o
`,
};

let tree: TreeFixture;
beforeEach(() => {
  tree = createTree(sources);
  mkdirSync(join(tree.source, "build"));
});
afterEach(() => tree.remove());

const edit = { "src/value.c": (text: string) => text.replace("+ 7", "+ 8") };

describe.skipIf(missing.length > 0 && process.env.CI === undefined)("a fix of a source", () => {
  test("that the build compiles through an absolute link is compiled", async () => {
    symlinkSync(join(tree.source, "src/value.c"), join(tree.source, "build/value.c"));
    tree.run("make", "-s");
    tree.writePatch(edit);
    const { description } = built(await tree.build({}));
    expect(description.functions.map(({ name }) => name)).toEqual(["value"]);
  });

  test("that the build reads from another place is refused, not taken for no change", async () => {
    const alias = join(tree.folder, "alias");
    symlinkSync(tree.source, alias);
    symlinkSync(join(alias, "src/value.c"), join(tree.source, "build/value.c"));
    tree.run("make", "-s");
    tree.writePatch(edit);
    const result = await tree.build({});
    expect(result).toMatchObject({ refused: "build-failed" });
    expect(isBuildRefusal(result) && result.items[0]?.detail).toContain("not the source that was");
  });
});
