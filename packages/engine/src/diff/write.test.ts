import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { parseElf } from "../elf/file.ts";
import { writeRelocatable } from "../elf/write.ts";
import { diffObjects } from "./diff.ts";
import { type HotpatchObject, type HotpatchUnit, writeHotpatch } from "./write.ts";

const scratch = mkdtempSync(join(tmpdir(), "suture-write-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { cwd: scratch, encoding: "utf8" });
}

const hasTools = ((): boolean => {
  try {
    for (const tool of ["gcc", "objcopy", "readelf"]) run(tool, "--version");
    return true;
  } catch (error) {
    if (process.env.CI) throw new Error("the tests need gcc and binutils", { cause: error });
    console.warn("SKIPPED: the tests need gcc and binutils");
    return false;
  }
})();

function compile(source: string, output: string, ...flags: string[]): Uint8Array {
  writeFileSync(join(scratch, "unit.c"), source);
  const sections = ["-O2", "-g", "-ffunction-sections", "-fdata-sections", "-w"];
  run("gcc", ...sections, ...flags, "-c", "unit.c", "-o", output);
  return readFileSync(join(scratch, output));
}

/** One unit whose lines beginning with `-` are only in the source before, `+` only after. */
function makeUnit(name: string, source: string, ...flags: string[]): HotpatchUnit {
  const side = (own: string, other: string): string =>
    source
      .split("\n")
      .filter((line) => !line.startsWith(other))
      .map((line) => (line.startsWith(own) ? line.slice(1) : line))
      .join("\n");
  const before = parseElf(compile(side("-", "+"), "before.o", ...flags));
  const after = parseElf(compile(side("+", "-"), "after.o", ...flags));
  const diff = diffObjects(before, after);
  expect(diff.refusals).toEqual([]);
  return { name, before, after, diff };
}

/** Links the object with a program that defines what it needs, and gives what that prints. */
function runWith(program: string, hotpatch: HotpatchObject, ...flags: string[]): string {
  writeFileSync(join(scratch, "hotpatch.o"), writeRelocatable(hotpatch.object));
  // GNU ld reads `name@x` as a version, so names are made plain for it.
  const renames = [
    ...hotpatch.external.map(({ symbol, beforeName }) => [symbol, beforeName]),
    ...hotpatch.functions.map(({ replacement, name }) => [replacement, `new_${name}`]),
  ].flatMap(([from, to]) => ["--redefine-sym", `${from}=${to?.replace(/\W/g, "_")}`]);
  const globals = hotpatch.functions.flatMap(({ name }) => [
    "--globalize-symbol",
    `new_${name.replace(/\W/g, "_")}`,
  ]);
  run("objcopy", ...renames, "hotpatch.o", "plain.o");
  run("objcopy", ...globals, "plain.o");
  writeFileSync(join(scratch, "program.c"), program);
  run("gcc", "-w", "-Wl,-z,noexecstack", ...flags, "program.c", "plain.o", "-o", "program");
  return run("./program");
}

const UNIT = `
#include <stdio.h>
#include <stdlib.h>
static int calls;
static const char *const names[] = {"zero", "one", "two"};
__attribute__((noipa)) static int helper(int x) { return x * 2 + calls++; }
+__attribute__((noinline)) static int fresh(int x) {
+  static int seen, budget = 5;
+  seen += x; return seen * 100 + budget--;
+}
int route(int x, double d) {
  if (x < 0) { puts("negative"); abort(); }
  switch (x) {
  case 0: puts("case zero"); return helper(1);
  case 1: return printf("%f\\n", d * 2.5);
  case 2: puts(names[2]); return 22;
-  case 3: return 0;
+  case 3: return fresh(3);
  case 4: puts("case four"); return getenv("HOME") == NULL;
  case 5: return puts(names[1]);
  case 6: exit(7);
  }
  return names[x % 3][0];
}
int value(int x) {
  switch (x) {
  case 0: return 15; case 1: return 77; case 2: return 3; case 3: return 99; case 4: return 31;
-  case 5: return 9;
+  case 5: return 10;
  }
  return 0;
}
`;

const PROGRAM = `
#include <stdio.h>
int calls = 40;
const char *const names[] = {"ZERO", "ONE", "TWO"};
int helper(int x) { return x + 1000 + calls; }
int new_route(int, double), new_value(int);
int main(void) {
  printf("%d\\n", new_route(0, 0));
  new_route(1, 2);
  printf("%d\\n", new_route(2, 0));
  printf("%d %d\\n", new_route(3, 0), new_route(3, 0));
  printf("%c\\n", new_route(10, 0));
  printf("%d %d\\n", new_value(1), new_value(5));
}
`;

const OUTPUT = `case zero
1041
5.000000
two
22
604 305
O
77 10
`;

describe.skipIf(!hasTools)("writeHotpatch", () => {
  for (const flags of [[], ["-fPIC"], ["-fno-pie"], ["-g"]]) {
    test(`makes an object that links and runs ${flags.join(" ")}`, () => {
      const hotpatch = writeHotpatch([makeUnit("unit.c", UNIT, ...flags)]);
      expect(hotpatch.functions.map(({ name }) => name).sort()).toEqual(["route", "value"]);
      const link = flags.includes("-fno-pie") ? ["-no-pie"] : [];
      expect(runWith(PROGRAM, hotpatch, ...link)).toBe(OUTPUT);
    });
  }

  test("names what stays in the module", () => {
    const { external } = writeHotpatch([makeUnit("src/unit.c", UNIT)]);
    const local = external.filter(({ binding }) => binding === "local");
    expect(local.map(({ symbol, type }) => `${symbol} ${type}`).sort()).toEqual([
      "helper@src/unit.c function",
      "names@src/unit.c object",
    ]);
    expect(local.every(({ beforeSymbolIndex }) => (beforeSymbolIndex ?? 0) > 0)).toBe(true);
    expect(external.find(({ symbol }) => symbol === "puts")?.definedInUnit).toBe(false);
  });

  test("marks branches to functions as branches, so that they can be told from pointers", () => {
    const source = `
      void use(int (*)(int));
      __attribute__((noinline)) static int twice(int x) { return x * 2; }
      int work(int x) {
-        use(twice); return twice(x) + 1;
+        use(twice); return twice(x) + 2;
      }`;
    const { object } = writeHotpatch([makeUnit("unit.c", source)]);
    const kinds = object.sections
      .flatMap(({ relocations }) => relocations)
      .filter(({ symbol }) => object.symbols[symbol]?.name === "twice@unit.c")
      .map(({ type }) => type);
    expect(kinds.sort()).toEqual([2, 4]);
  });

  test("keeps the unwind information of what it holds, and only that", () => {
    const hotpatch = writeHotpatch([makeUnit("unit.c", UNIT)]);
    writeFileSync(join(scratch, "hotpatch.o"), writeRelocatable(hotpatch.object));
    const frames = run("readelf", "--debug-dump=frames", "hotpatch.o");
    const included = hotpatch.object.sections.filter(({ name }) => name.startsWith(".text."));
    expect(frames.match(/ FDE /g)).toHaveLength(included.length);
    expect(frames.match(/ CIE\n/g)).toHaveLength(1);
    const wanted = run("readelf", "--debug-dump=frames", "after.o");
    const rules = (text: string): string[] =>
      (text.match(/DW_CFA_advance_loc: .*/g) ?? []).map((line) => line.replace(/ to .*/, ""));
    expect(rules(frames).length).toBeGreaterThan(0);
    expect(rules(wanted)).toEqual(expect.arrayContaining(rules(frames)));
  });

  test("lets one unit use what another newly defines", () => {
    const provider = makeUnit(
      "provider.c",
      "int old(int x) { return x; }\n+int fresh(int x) { return x * 7; }\n",
    );
    const user = makeUnit(
      "user.c",
      "int fresh(int);\nint use(int x) {\n-  return x;\n+  return fresh(x);\n}\n",
    );
    const hotpatch = writeHotpatch([user, provider]);
    expect(hotpatch.external).toEqual([]);
    const program = `#include <stdio.h>
      int new_use(int); int main(void) { printf("%d\\n", new_use(6)); }`;
    expect(runWith(program, hotpatch)).toBe("42\n");
  });

  test("moves the label table of a computed goto with its function", () => {
    const source = `int putchar(int);
int run(const unsigned char *code) {
  static const void *const labels[] = {&&stop, &&print, &&skip};
  goto *labels[*code];
print:
-  putchar(*code++);
+  putchar('0' + *code++);
  goto *labels[*code];
skip:
  code += 2;
  goto *labels[*code];
stop:
  return 0;
}`;
    const hotpatch = writeHotpatch([makeUnit("unit.c", source)]);
    expect(hotpatch.external.map(({ symbol }) => symbol)).toEqual(["putchar"]);
    const program = `int new_run(const unsigned char *);
      int main(void) { new_run((unsigned char[]){1, 2, 9, 1, 0}); }`;
    expect(runWith(program, hotpatch)).toBe("11");
  });
});
