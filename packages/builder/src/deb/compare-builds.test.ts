import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parseElf } from "../engine.ts";
import { missingTools } from "../tree-fixture.ts";
import { type BuildComparison, compareBuilds } from "./compare-builds.ts";

const missing = missingTools(["gcc", "strip"]);

/** A program with something of everything that code refers to. */
const source = `
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int counter = 5;
static int hidden;
static const double factor = 2.5;
void one(void) { puts("one"); }
void two(void) { puts("two"); }
void (*const table[])(void) = { one, two };
const char *words[] = { "alpha", "beta" };
__attribute__((noinline)) double scale(double x) { hidden += counter; return x * factor; }
__attribute__((noinline)) const char *name(int n) { return words[n & 1]; }
__attribute__((noinline)) int choose(int n) {
  switch (n) {
  case 0: puts("zero"); return hidden;
  case 1: puts("first"); return counter;
  case 2: return abs(counter) + 3;
  case 3: puts("third"); return 77;
  case 4: return getpid();
  case 5: puts("fifth"); return 9;
  }
  return 0;
}
__attribute__((noinline)) void say(void) { puts("version 1.0"); }
int main(int argc, char **argv) {
  (void)argv;
  say();
  table[argc & 1]();
  return choose(argc) + (int)scale(argc) + name(argc)[0];
}
`;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "suture-builds-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function build(text: string, ...options: readonly string[]): string {
  const output = join(folder, "program");
  writeFileSync(join(folder, "program.c"), text);
  const argv = ["-O2", "-fPIE", "-pie", "-Wl,--build-id", ...options, "program.c", "-o", output];
  execFileSync("gcc", argv, { cwd: folder });
  return output;
}

/** What ships is stripped; what was made here is not. */
function compare(edit: (text: string) => string, ...options: readonly string[]): BuildComparison {
  const ours = parseElf(readFileSync(build(source)));
  const shipped = build(edit(source), ...options);
  execFileSync("strip", [shipped]);
  return compareBuilds(parseElf(readFileSync(shipped)), ours);
}

const replace = (from: string, to: string) => (text: string) => {
  expect(text).toContain(from);
  return text.replace(from, to);
};

describe.skipIf(missing.length > 0 && process.env.CI === undefined)("two builds", () => {
  test("of one source are the same", () => {
    expect(compare((text) => text)).toMatchObject({ proof: "identical-build-id" });
  });

  test("that differ in their Build-ID only have identical sections", () => {
    const found = compare(
      (text) => text,
      "-Wl,--build-id=0x0123456789abcdef0123456789abcdef01234567",
    );
    expect(found).toEqual({
      proof: "identical-sections",
      sections: [],
      differences: [],
      compared: 0,
    });
  });

  test("match function by function where everything stands elsewhere", () => {
    const pad = `__attribute__((used)) static const char pad[100] = "x";
__attribute__((used)) static void *more[7];\n`;
    const found = compare((text) => text.replace("int counter", `${pad}int counter`));
    expect(found.sections.map(({ name }) => name)).toContain(".rodata");
    // More uninitialised data is a difference, and the only one.
    expect(found.differences.map(({ name }) => name)).toEqual([".bss"]);
    const plain = pad.split("\n")[0];
    const without = compare((text) => text.replace("int counter", `${plain}\nint counter`));
    expect(without).toMatchObject({ proof: "matching-functions", differences: [] });
    expect(without.sections.map(({ name }) => name)).toContain(".text");
    expect(without.compared).toBeGreaterThan(6);
  });

  test.each([
    [
      "a longer string",
      '"version 1.0"',
      '"version 1.0.22"',
      "say",
      'it uses "version 1.0.22", here "version 1.0"',
    ],
    ["another constant", "2.5", "3.5", "scale", "it uses another constant in .rodata"],
    ["another initial value", "counter = 5", "counter = 6", ".data", "initial values in it differ"],
    ["another variable", "hidden += counter", "hidden += hidden", "scale", "its code differs"],
    ["another import", "abs(counter) + 3", "rand() + 3", "choose", "its code differs"],
    [
      "another import called alike",
      "getpid()",
      "getppid()",
      "choose",
      "it uses getppid of another module, here getpid",
    ],
    [
      "another order in a table",
      "{ one, two }",
      "{ two, one }",
      "a pointer in .data.rel.ro",
      "it calls another function",
    ],
    [
      "another word in a table",
      '"alpha"',
      '"omega"',
      "a pointer in .data",
      'it uses "omega", here "alpha"',
    ],
    ["other code", "return 77", "return 78", "choose", "its code differs"],
  ])("are told apart by %s", (_, from, to, name, detail) => {
    const { proof, differences } = compare(replace(from, to));
    expect(proof).toBeUndefined();
    expect(differences).toContainEqual({ name, detail });
    expect(differences.length).toBeLessThan(4);
  });

  test("are told apart by the order of a jump table", () => {
    const swapped = (text: string) =>
      text
        .replace("case 0:", "case X:")
        .replace("case 3:", "case 0:")
        .replace("case X:", "case 3:");
    expect(compare(swapped).differences.map(({ name }) => name)).toContain("choose");
  });
});
