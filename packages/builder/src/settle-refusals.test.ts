/** What the whole program tells about refusals that one unit cannot rule out. */
import { afterEach, expect, test } from "vitest";
import { isBuildRefusal } from "./refusals.ts";
import type { BuildResult } from "./request.ts";
import { createTree, missingTools, type TreeFixture } from "./tree-fixture.ts";

const missing = missingTools(["gcc", "make", "patch", "diff"]);

const SOURCES = {
  "copy.h": "int copy(char *to, const char *from);\n",
  "copy.c": `#include "copy.h"
int copy(char *to, const char *from)
{
  int at = 0;
  for (; from[at]; at++) to[at] = from[at];
  to[at] = 0;
  return at;
}
`,
  "main.c": `#include <stdio.h>
#include "copy.h"
__attribute__((noinline)) int greet(const char *name)
{
  char text[64];
  return copy(text, name) + printf("%s\\n", text);
}
int main(int argc, char **argv) { return greet(argv[0]) == 0; }
`,
  "other.c": `int copy(char *to, const char *from);
int other(const char *text) { char to[99]; return copy(to, text) + to[0]; }
`,
  Makefile: `server: main.o copy.o other.o
\tgcc $(LDFLAGS) -Wl,--build-id -o $@ main.o copy.o $(OTHER)
%.o: %.c copy.h
\tgcc -O2 -g -c $< -o $@
`,
};

let tree: TreeFixture | undefined;
afterEach(() => tree?.remove());

/** Builds the program with make's variables, then a fix that gives copy() a third parameter. */
async function build(...variables: readonly string[]): Promise<BuildResult> {
  tree = createTree(SOURCES);
  const add = (text: string) => text.replace("const char *from)", "const char *from, int room)");
  const patch = tree.writePatch({
    "copy.h": add,
    "copy.c": (text) => add(text).replace("from[at]; at++", "at < room && from[at]; at++"),
    "main.c": (text) => text.replace("copy(text, name)", "copy(text, name, 63)"),
  });
  tree.run("make", "-B", ...variables);
  return tree.build({ patch, buildCommand: ["make", "-B", ...variables] });
}

const codesOf = (result: BuildResult): readonly string[] =>
  isBuildRefusal(result) ? result.items.map(({ code, name }) => `${code} ${name}`) : [];

test.skipIf(missing.length > 0)("a signature changes with all its callers", async () => {
  const result = await build();
  expect(codesOf(result)).toEqual([]);
  expect(isBuildRefusal(result)).toBe(false);
});

test.skipIf(missing.length > 0)("a caller in another unit stays", async () => {
  expect(codesOf(await build("OTHER=other.o"))).toContain("changed-signature copy");
});

test.skipIf(missing.length > 0)("callers in other modules stay", async () => {
  expect(codesOf(await build("LDFLAGS=-rdynamic"))).toContain("changed-signature copy");
});

test.skipIf(missing.length > 0)("a layout changes without any code", async () => {
  tree = createTree({
    ...SOURCES,
    "copy.h": `struct room { int size; };\n${SOURCES["copy.h"]}`,
    "copy.c": `${SOURCES["copy.c"]}\nint size_of(struct room *room) { return room->size; }\n`,
  });
  const patch = tree.writePatch({
    "copy.h": (text) => text.replace("int size;", "int size, more;"),
  });
  tree.run("make", "-B");
  const result = await tree.build({ patch });
  expect(isBuildRefusal(result) && result.refused).toBe("no-change");
});

test.skipIf(missing.length > 0)("a function has no room for the jump", async () => {
  tree = createTree({
    "main.c": `int calls;
__attribute__((noinline, noclone)) void nothing(void) { __asm__ volatile(""); }
__attribute__((noinline, noclone)) int one(int value) { calls += value; return calls; }
int main(int argc, char **argv) { nothing(); return one(argc) == 0; }
`,
    Makefile: `server: main.c
\tgcc -Os -fcf-protection=none -Wl,--build-id -o $@ main.c
`,
  });
  const patch = tree.writePatch({
    "main.c": (text) => text.replace('__asm__ volatile("");', "calls++;"),
  });
  tree.run("make", "-B");
  expect(codesOf(await tree.build({ patch }))).toContain("function-too-short nothing");
});
