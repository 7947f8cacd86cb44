import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { compareTrees, digestChanges } from "./changed-files.ts";
import { checkUnit, generatorNotes, selectUnits } from "./changed-units.ts";
import { readAllDependencies } from "./compare-trees.ts";
import { compileUnit, parseMakeRule } from "./compile-unit.ts";
import type { CompileCommand } from "./compiler-arguments.ts";
import { parseElf, sectionByName, sectionBytes } from "./engine.ts";

let folder = "";
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "suture-units-")));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes a tree of files below the test's folder and gives its path. */
function tree(name: string, files: Readonly<Record<string, string>>): string {
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, name, path);
    mkdirSync(join(file, ".."), { recursive: true });
    writeFileSync(file, text);
  }
  return join(folder, name);
}

const command = (
  directory: string,
  file: string,
  options: readonly string[] = [],
): CompileCommand => ({
  directory,
  file,
  compiler: "gcc",
  options: ["-O2", ...options],
  language: "c",
});

const env = process.env;

test("trees differ in changed, added and removed files, links included", async () => {
  const before = tree("a", { "same.c": "x", "src/one.c": "1", "gone.c": "g", ".pc/skipped": "1" });
  const after = tree("b", {
    "same.c": "x",
    "src/one.c": "2",
    "new/new.c": "n",
    ".pc/skipped": "2",
  });
  symlinkSync("same.c", join(before, "link.c"));
  symlinkSync("new/new.c", join(after, "link.c"));
  const changes = await compareTrees(before, after, (path) => path === ".pc");
  expect(changes).toEqual([
    { path: "gone.c", change: "removed" },
    { path: "link.c", change: "changed" },
    { path: "new/new.c", change: "added" },
    { path: "src/one.c", change: "changed" },
  ]);
  const digest = await digestChanges(changes, after);
  writeFileSync(join(after, "new/new.c"), "m");
  expect(await digestChanges(changes, after)).not.toBe(digest);
});

test("units that include a changed header are chosen, through links and folders too", async () => {
  const root = tree("src", {
    "include/config.h": '#include "deep.h"\n',
    "include/deep.h": "#define N 1\n",
    "uses.c": "#include <config.h>\nint n = N;\n",
    "other.c": "int m;\n",
    "lib/included.c": "int k;\n",
    "whole.c": '#include "lib/included.c"\n',
    "build/.keep": "",
  });
  symlinkSync("include", join(root, "compat"));
  const commands = [
    command(root, "uses.c", ["-I", "include"]),
    command(join(root, "build"), "../uses.c", ["-I../compat"]),
    command(root, "other.c"),
    command(root, join(root, "whole.c")),
    // For the static library, with the options of the shared one: the same code.
    { ...command(root, "uses.c", ["-I", "include"]), output: "static.o" },
  ];
  const units = await readAllDependencies(commands, { recordedRoot: root, root, env });
  const select = (...paths: string[]) =>
    selectUnits(
      units,
      paths.map((path) => ({ path, change: "changed" })),
      root,
    );
  const both = select("include/deep.h");
  expect(both.map(({ name }) => name)).toEqual(["uses.c", "uses.c(2)"]);
  expect(both.map(({ changedFiles }) => changedFiles)).toEqual([
    ["include/deep.h"],
    ["include/deep.h"],
  ]);
  expect(select("lib/included.c").map(({ name }) => name)).toEqual(["whole.c"]);
  expect(select("other.c").map(({ name }) => name)).toEqual(["other.c"]);
  expect(select("README")).toEqual([]);
});

test("assembly, C++ and link-time optimisation are refused by name", () => {
  const unit = (changes: Partial<CompileCommand>) =>
    checkUnit({ name: "u", changedFiles: [], command: { ...command("/", "u.c"), ...changes } })
      ?.code;
  expect(unit({})).toBeUndefined();
  expect(unit({ language: "assembly" })).toBe("assembly");
  expect(unit({ language: "c++" })).toBe("language");
  expect(unit({ options: ["-flto=auto"] })).toBe("lto");
});

test("files that a build makes others from are named", () => {
  const paths = ["src/parse.y", "configure.ac", "src/a.c", "Makefile", "doc/x.txt"];
  const changes = paths.map((path) => ({ path, change: "changed" as const }));
  const named = generatorNotes(changes).map((note) => note.split(" ")[0]);
  expect(named).toEqual(["src/parse.y", "configure.ac", "Makefile"]);
});

test("make rules are read with their escapes", () => {
  expect(parseMakeRule("a.o: a.c \\\n with\\ blank.h a$$b.h\n")).toEqual([
    "a.c",
    "with blank.h",
    "a$b.h",
  ]);
});

test("a unit compiled in a copy of the tree has the code and the paths of the original", async () => {
  const source = "const char *where(void) { return __FILE__; }\nint f(int x) { return x + 1; }\n";
  const root = tree("original", { "src/a.c": source });
  const copy = tree("copy", { "src/a.c": source });
  const objects: Buffer[] = [];
  for (const options of [[], [`-ffile-prefix-map=${root}=.`]]) {
    for (const place of [root, copy]) {
      const object = join(folder, "out.o");
      const absolute = command(join(root, "src"), join(root, "src/a.c"), options);
      const result = await compileUnit(absolute, { recordedRoot: root, root: place, env }, object);
      expect(result).toMatchObject({ code: 0 });
      objects.push(await readFile(object));
    }
  }
  const strings = objects.map((bytes) => {
    const elf = parseElf(bytes);
    const text = elf.sections.filter(({ name }) => name.startsWith(".rodata"));
    expect(sectionByName(elf, ".text.f")).toBeDefined();
    return text.map((section) => Buffer.from(sectionBytes(elf, section)).toString()).join("");
  });
  expect(strings[0]).toBe(`${root}/src/a.c\0`);
  expect(strings[1]).toBe(strings[0]);
  expect(strings[2]).toBe("./src/a.c\0");
  expect(strings[3]).toBe(strings[2]);
});
