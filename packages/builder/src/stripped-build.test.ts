import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { isBuildRefusal } from "./refusals.ts";
import type { BuildResult, TreeRequest } from "./request.ts";
import { built, createTree, missingTools, type TreeFixture } from "./tree-fixture.ts";

const missing = missingTools(["gcc", "make", "patch", "diff", "nm", "objcopy", "strip"]);

/**
 * Both units have a static `bump` and a static `state` of their own. The code of `bump` is the
 * same in both, and so is that of `sum` and `product` but for what they call elsewhere. Nothing
 * leads to a `twin`, and `lone` is short: only symbols tell where these are.
 */
const unit = (name: string, start: number): string => `#include "demo.h"
#include <stdlib.h>
#include <string.h>
static int state = ${start};
static __thread int turns = ${start};

__attribute__((noinline)) static int bump(int by)
{
  state += by;
  return state;
}

__attribute__((used)) static int twin(int *value) { return *value++ + 77; }

__attribute__((noinline)) int ${name}(int value, const char *text)
{
  turns++;
  for (int i = 0; text[i] != 0; i++) {
    if (text[i] == '${name.charAt(0)}') value += turns;
    if (text[i] == ' ') value ^= bump(i);
  }
  return bump(value) * ${start} + (int)strlen(text);
}
`;

const sources = {
  "demo.h": "int first(int, const char *);\nint second(int, const char *);\n",
  "first.c": unit("first", 3),
  "second.c": `${unit("second", 11)}
__attribute__((noinline)) static int sum(const char *text) { return abs(atoi(text)) + 1; }
__attribute__((noinline)) static int product(const char *text) { return abs((int)strlen(text)) + 1; }
int lone(void) { return 4711; }
int both(const char *text) { return sum(text) ^ product(text); }
`,
  "main.c": `#include <stdio.h>
#include "demo.h"
int both(const char *);
int main(int argc, char **argv)
{
  printf("%d %d %d\\n", first(argc, argv[0]), second(argc, argv[0]), both(argv[0]));
  return 0;
}
`,
  Makefile: `CFLAGS = -O2 -g -fPIE
server: main.o first.o second.o
\tgcc -pie -Wl,--build-id -o $@ main.o first.o second.o
%.o: %.c demo.h
\tgcc $(CFLAGS) -c $< -o $@
`,
};

let tree: TreeFixture;
beforeEach(() => {
  tree = createTree(sources);
});
afterEach(() => tree.remove());

/** What ships: the program without symbols, which no build here makes again. */
function strip(...options: readonly string[]): string {
  tree.run("make", "-s");
  copyFileSync(`${tree.source}/server`, tree.path("server"));
  tree.run("strip", ...options, tree.path("server"));
  return tree.path("server");
}

/** Builds for the stripped program from commands, so that nothing but it has symbols. */
async function buildFor(binary: string, changes: Partial<TreeRequest> = {}): Promise<BuildResult> {
  const commands = ["main.c", "first.c", "second.c"].map((file) => ({
    directory: tree.source,
    file,
    arguments: ["gcc", "-O2", "-g", "-fPIE", "-c", file],
  }));
  writeFileSync(tree.path("compile_commands.json"), JSON.stringify(commands));
  const { build } = tree;
  const compileCommands = tree.path("compile_commands.json");
  return build({ binary, compileCommands, debugFolders: [tree.path("debug")], ...changes });
}

/** Addresses by name and kind, of the program before it was stripped. */
const addresses = (name: string): readonly number[] =>
  [
    ...tree
      .run("nm", `${tree.source}/server`)
      .matchAll(new RegExp(`^([0-9a-f]+) \\w ${name}$`, "gm")),
  ]
    .map(([, digits = ""]) => Number.parseInt(digits, 16))
    .sort((a, b) => a - b);

const fixSecond = (): string =>
  tree.writePatch({
    "second.c": (text) =>
      text.replace("  turns++;\n", "  if (value < 0) return bump(1);\n  turns++;\n"),
  });

/** A fix that needs symbols: code alone does not tell the twins apart. */
const fixTwin = (): string =>
  tree.writePatch({ "second.c": (text) => text.replace("+ 77", "+ 78") });

describe.skipIf(missing.length > 0 && process.env.CI === undefined)(
  "a hotpatch of a stripped program",
  () => {
    test("finds functions, static variables and thread-local ones by the code alone", async () => {
      const binary = strip();
      const patch = fixSecond();
      const { description, manifest } = built(await buildFor(binary, { patch }));
      expect(manifest.builtFrom).toMatchObject({ proof: "matching-code", units: ["second.c"] });
      expect(description.functions).toMatchObject([
        { name: "second", address: addresses("second")[0] },
      ]);
      const reference = (name: string) =>
        description.references.find(({ symbol }) => symbol.split("@")[0] === name);
      // The linker keeps the order of the objects: the second unit's statics are the higher ones.
      expect(addresses("bump")).toHaveLength(2);
      expect(reference("bump")).toMatchObject({ kind: "module", address: addresses("bump")[1] });
      expect(reference("turns")).toMatchObject({
        kind: "module-tls",
        offset: addresses("turns")[1],
      });
      expect(reference("strlen")).toMatchObject({ kind: "dynamic", name: "strlen" });
    });

    test("tells functions of one code apart by the names that they import", async () => {
      const binary = strip();
      const patch = tree.writePatch({
        "second.c": (text) => text.replace("abs(atoi(text)) + 1", "abs(atoi(text)) + 2"),
      });
      const { description } = built(await buildFor(binary, { patch }));
      expect(description.functions).toMatchObject([{ name: "sum", address: addresses("sum")[0] }]);
    });

    test("is refused, by name, where code stands in two places and nothing tells them apart", async () => {
      const result = await buildFor(strip(), { patch: fixTwin() });
      expect(result).toMatchObject({
        refused: "not-the-source",
        items: [{ name: "twin", detail: expect.stringContaining("2 places") }],
      });
    });

    test("is refused, by name, where so little code could be another function's", async () => {
      const binary = strip();
      const patch = tree.writePatch({ "second.c": (text) => text.replace("4711", "4712") });
      expect(await buildFor(binary, { patch })).toMatchObject({
        refused: "not-the-source",
        items: [{ name: "lone", unit: "second.c", detail: expect.stringContaining("may be") }],
      });
    });

    test("is refused, by name, for a unit that is not linked, though the program has a copy of its code", async () => {
      const own = [2, 3, 5, 7].map((n) => `int own${n}(int *x) { return *x * ${n} << ${n}; }\n`);
      writeFileSync(`${tree.source}/tool.c`, sources["first.c"] + own.join(""));
      const binary = strip();
      const edit = (text: string) => text.replace("turns++;", "turns += 2;");
      const patch = tree.writePatch({ "tool.c": edit });
      const commands = tree.path("tool.json");
      const argv = ["gcc", "-O2", "-g", "-fPIE", "-c", "tool.c"];
      writeFileSync(
        commands,
        JSON.stringify([{ directory: tree.source, file: "tool.c", arguments: argv }]),
      );
      expect(await buildFor(binary, { patch, compileCommands: commands })).toMatchObject({
        refused: "not-the-source",
        items: [{ name: "first", unit: "tool.c" }],
      });
    });

    test("is refused, by name, where the new code needs a name of which nothing is known", async () => {
      const binary = strip();
      const patch = tree.writePatch({
        "second.c": (text) =>
          text.replace("  turns++;\n", "  if (value < 0) abort();\n  turns++;\n"),
      });
      const result = await buildFor(binary, { patch });
      expect(result).toMatchObject({ refused: "symbol-not-found", items: [{ name: "abort" }] });
    });

    test("is refused, by name, where the program was built from another source", async () => {
      writeFileSync(`${tree.source}/second.c`, sources["second.c"].replace("* 11 +", "* 13 +"));
      const binary = strip();
      writeFileSync(`${tree.source}/second.c`, sources["second.c"]);
      const result = await buildFor(binary, { patch: fixSecond() });
      expect(result).toMatchObject({ refused: "not-the-source" });
      expect(isBuildRefusal(result) && result.items.map(({ name }) => name)).toEqual(["second"]);
    });

    test("works for a program whose debug symbols and file names were stripped only", async () => {
      const binary = strip("--strip-debug");
      const patch = fixSecond();
      const { description } = built(await buildFor(binary, { patch }));
      expect(description.functions).toMatchObject([{ address: addresses("second")[0] }]);
    });
  },
);

describe.skipIf(missing.length > 0 && process.env.CI === undefined)("a separate debug file", () => {
  /** Splits the program as packages do, its debug sections compressed. */
  function split(debug: string, id = "--build-id"): string {
    writeFileSync(`${tree.source}/Makefile`, sources.Makefile.replace("--build-id", id));
    tree.run("make", "-s");
    const full = `${tree.source}/server`;
    mkdirSync(dirname(debug), { recursive: true });
    tree.run("objcopy", "--only-keep-debug", "--compress-debug-sections", full, debug);
    copyFileSync(full, tree.path("server"));
    tree.run("strip", tree.path("server"));
    tree.run("objcopy", `--add-gnu-debuglink=${debug}`, tree.path("server"));
    return tree.path("server");
  }

  const check = (result: BuildResult): void => {
    expect(addresses("twin")).toHaveLength(2);
    expect(built(result).description.functions).toMatchObject([
      { name: "twin", address: addresses("twin")[1] },
    ]);
  };

  test("is found by the Build-ID", async () => {
    tree.run("make", "-s");
    const id = /Build ID: (..)(\S+)/.exec(tree.run("readelf", "-n", "server"));
    const binary = split(tree.path(`debug/.build-id/${id?.[1]}/${id?.[2]}.debug`));
    check(await buildFor(binary, { patch: fixTwin() }));
  });

  test("is found by its link beside the program", async () => {
    check(await buildFor(split(tree.path(".debug/server.debug")), { patch: fixTwin() }));
  });

  test("is taken from where the request says", async () => {
    const debugFile = tree.path("elsewhere/symbols");
    check(await buildFor(split(debugFile), { patch: fixTwin(), debugFile }));
  });

  test("of another build is refused where it is given, and passed over where it is found", async () => {
    const binary = split(tree.path(".debug/server.debug"));
    tree.run("make", "-s", "-B", "CFLAGS=-O1 -g -fPIE");
    tree.run("objcopy", "--only-keep-debug", "server", tree.path(".debug/server.debug"));
    const patch = fixTwin();
    const debugFile = tree.path(".debug/server.debug");
    expect(await buildFor(binary, { patch, debugFile })).toMatchObject({
      refused: "no-symbols",
      items: [{ name: debugFile, detail: expect.stringContaining("another build") }],
    });
    expect(await buildFor(binary, { patch, debugFile: `${debugFile}.gone` })).toMatchObject({
      refused: "no-symbols",
    });
    expect(await buildFor(binary, { patch })).toMatchObject({
      refused: "not-the-source",
      items: [{ name: "twin" }],
    });
  });

  test("tells which compiler options the program was built with, where they are others", async () => {
    const binary = split(tree.path(".debug/server.debug"));
    const commands = tree.path("other.json");
    const argv = ["gcc", "-O1", "-g", "-fPIE", "-c", "second.c"];
    writeFileSync(
      commands,
      JSON.stringify([{ directory: tree.source, file: "second.c", arguments: argv }]),
    );
    const patch = fixSecond();
    const result = await tree.build({ binary, patch, compileCommands: commands });
    expect(result).toMatchObject({ refused: "not-the-source" });
    expect(JSON.stringify(result)).toMatch(/it was compiled by .*-O2.* and here by .*-O1/);
  });
});
