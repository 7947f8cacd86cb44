import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isBuildRefusal } from "./refusals.ts";
import { createTree, missingTools, type TreeFixture } from "./tree-fixture.ts";

const missing = missingTools(["gcc", "make", "patch"]);

/** Two programs with a unit each that has names and code of the other's, as libssh has libraries. */
const unit = (key: string): string => `
#ifdef OTHER
#define LENGTH(kind) ((kind) * (kind) + 5)
#define KEY(kind) (key(kind) * 11)
#else
#define LENGTH(kind) ((kind) == 1 ? 20 : 32)
#define KEY(kind) key(kind)
#endif
__attribute__((noinline)) int digest_length(int kind) { return LENGTH(kind); }
${key}
#ifdef WIDE
long spare(long kind) { return kind * kind + key((int)kind); }
int digest_lengths(long kind) { return digest_length((int)kind) * 3; }
#endif
int answer(int kind) { return digest_length(kind) + KEY(kind); }
`;
const sources = {
  "main.c": `#include <stdio.h>
int answer(int);
int main(int argc, char **argv) { (void)argv; printf("%d\\n", answer(argc)); return 0; }
`,
  "one.c": unit("static int key(int kind) { return kind; }"),
  "two.c": unit("__attribute__((noinline)) static int key(int kind) { return kind * 3 + 7; }"),
  Makefile: `all: server other
server: main.c one.c
\tgcc -O2 -g -Wl,--build-id -o $@ main.c one.c
other: main.c two.c
\tgcc -O2 -g -Wl,--build-id -o $@ main.c two.c
`,
};

let tree: TreeFixture;
beforeEach(() => {
  tree = createTree(sources);
  tree.run("make", "-s");
});
afterEach(() => tree.remove());

describe.skipIf(missing.length > 0 && process.env.CI === undefined)(
  "a fix of another program",
  () => {
    test("is not looked for in a program that has equal names and code", async () => {
      tree.writePatch({ "two.c": (text) => text.replace("kind * 3 + 7", "kind * 5 + 9") });
      const result = await tree.build({ buildCommand: ["make", "-B", "all"] });
      expect(isBuildRefusal(result) && result.refused).toBe("not-in-binary");
      const other = await tree.build({
        buildCommand: ["make", "-B", "all"],
        binary: `${tree.source}/other`,
      });
      expect(isBuildRefusal(other)).toBe(false);
    });

    test("is not looked for where the same source is compiled for another program", async () => {
      // As packages do that build in several folders: the second one is a link to the first.
      symlinkSync(".", join(tree.source, "copy"));
      tree.writePatch({ "one.c": (text) => text.replace("return kind;", "return kind + 4;") });
      const elsewhere = "gcc -O2 -g -DOTHER -c copy/one.c -o other.o";
      const buildCommand = ["sh", "-c", `${elsewhere} && make -B server`];
      const result = await tree.build({ buildCommand });
      expect(isBuildRefusal(result) ? result : result.hotpatches.length).toBe(1);
    });
  },
);
