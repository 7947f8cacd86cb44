/** Hotpatches of a real tree, built again. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { isSameHotpatch } from "./same-hotpatch.ts";
import { built, createTree, missingTools, type TreeFixture } from "./tree-fixture.ts";

const missing = missingTools(["gcc", "make", "patch", "diff"]);
const skipped = missing.length > 0 && process.env.CI === undefined;

let tree: TreeFixture;
beforeAll(() => {
  tree = createTree({
    Makefile: "server: main.c\n\tcc -O2 -g -Wl,--build-id -o $@ main.c\n",
    "main.c": `#include <stdio.h>
__attribute__((noinline)) int limit(int value)
{
  return value > 10 ? 10 : value + printf("limited\\n");
}
int main(int argc, char **argv)
{
  (void)argv;
  return limit(argc) == 3;
}
`,
  });
});
afterAll(() => tree.remove());

test.skipIf(skipped)("a fix built again is the same, whatever its sequence", async () => {
  tree.run("make", "-B");
  tree.writePatch({ "main.c": (text) => text.replace("value > 10", "value > 9") });
  const [first, again, second] = [
    built(await tree.build({ sequence: 1 })),
    built(await tree.build({ sequence: 1 })),
    built(await tree.build({ sequence: 12 })),
  ];
  expect(again.bytes).toEqual(first.bytes);
  expect(second.description.id).not.toBe(first.description.id);
  expect(isSameHotpatch(first.bytes, second.bytes)).toBe(true);
});

test.skipIf(skipped)("another fix, a damaged file and no hotpatch at all are not", async () => {
  tree.run("make", "-B");
  tree.writePatch({ "main.c": (text) => text.replace("value > 10", "value > 9") });
  const { bytes } = built(await tree.build({}));
  tree.writePatch({ "main.c": (text) => text.replace("value > 10", "value > 8") });
  const other = built(await tree.build({}));
  expect(isSameHotpatch(bytes, other.bytes)).toBe(false);
  expect(isSameHotpatch(bytes, bytes.subarray(0, 100))).toBe(false);
  expect(isSameHotpatch(new Uint8Array(), bytes)).toBe(false);
});
