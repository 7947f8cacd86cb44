import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { buildHotpatch } from "./build-hotpatch.ts";
import { isBuildRefusal } from "./refusals.ts";

const missing = ["gcc", "make", "patch", "nm"].filter(
  (tool) => spawnSync(tool, ["--version"]).status !== 0,
);
if (missing.length > 0) console.warn(`SKIPPED: builds need ${missing.join(", ")}`);

/**
 * Two units of one file name, each with the same static names; exported and hidden functions.
 * One is compiled once more for a static library that nothing here is linked with.
 */
const util = (name: string, start: number): string => `#include "demo.h"
static int state = ${start};
__attribute__((noinline)) static int bump(int by)
{
  state += by;
  return state;
}
int ${name}(int value)
{
  return bump(value) * ${start} + inner(value) + secret(value);
}
`;

const sources: Readonly<Record<string, string>> = {
  "lib/demo.h": `int inner(int);
__attribute__((visibility("hidden"))) int secret(int);
`,
  "lib/a/util.c": util("first", 3),
  "lib/b/util.c": util("second", 11),
  "lib/inner.c": `#include "demo.h"
int inner(int value) { return value + 1; }
int secret(int value) { return value ^ 0x55; }
`,
  "build/Makefile": `SOURCES = ../lib/a/util.c ../lib/b/util.c ../lib/inner.c
OBJECTS = a.o b.o inner.o
libdemo.so.1: $(OBJECTS)
\tcc -shared -Wl,-soname,libdemo.so.1 -Wl,--build-id -o $@ $(OBJECTS)
a.o: ../lib/a/util.c
\tcc -O2 -fPIC -I ../lib -c $< -o $@
b.o: ../lib/b/util.c
\tcc -O2 -I ../lib -c $< -o static.o
\tcc -O2 -fPIC -I ../lib -c $< -o $@
inner.o: ../lib/inner.c
\tcc -O2 -fPIC -I ../lib -c $< -o $@
`,
};

let folder = "";
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "suture-library-")));
  for (const [name, text] of Object.entries(sources)) {
    mkdirSync(dirname(join(folder, "x", name)), { recursive: true });
    writeFileSync(join(folder, "x", name), text);
  }
});
afterEach(() => rmSync(folder, { recursive: true }));

describe.skipIf(missing.length > 0 && process.env.CI === undefined)(
  "a hotpatch of a library",
  () => {
    test("takes the statics of the right unit, and leaves exported names to the dynamic linker", async () => {
      const build = join(folder, "x/build");
      execFileSync("make", ["-s"], { cwd: build });
      const patch = join(folder, "fix.patch");
      writeFileSync(
        patch,
        `--- a/b/util.c
+++ b/b/util.c
@@ -9,4 +9,5 @@
 int second(int value)
 {
+  if (value < 0) state = bump(0) + inner(state);
   return bump(value) * 11 + inner(value) + secret(value);
 }
`,
      );
      const result = await buildHotpatch(
        {
          kind: "tree",
          source: join(folder, "x/lib"),
          patch,
          buildCommand: ["make", "-B", "-C", build],
          binary: join(build, "libdemo.so.1"),
          cacheFolder: join(folder, "cache"),
          env: process.env,
        },
        () => {},
      );
      if (isBuildRefusal(result)) throw new Error(JSON.stringify(result, null, 1));
      const { description, manifest } = result.hotpatches[0];
      expect(manifest.builtFrom).toMatchObject({
        units: ["lib/b/util.c"],
        proof: "identical-build-id",
      });
      expect(description.functions.map(({ name }) => name)).toEqual(["second"]);
      const nm = execFileSync("nm", [join(build, "libdemo.so.1")], { encoding: "utf8" });
      const at = (name: string): readonly number[] =>
        [...nm.matchAll(new RegExp(`^([0-9a-f]+) \\w ${name}$`, "gm"))].map(([, digits = ""]) =>
          Number.parseInt(digits, 16),
        );
      const reference = (symbol: string) =>
        description.references.find((found) => found.symbol.split("@")[0] === symbol);
      expect(reference("inner")).toMatchObject({ kind: "dynamic", name: "inner" });
      expect(reference("secret")).toMatchObject({ kind: "module", address: at("secret")[0] });
      // The linker keeps the order of the objects: the second unit's statics stand behind the first's.
      for (const name of ["bump", "state"]) {
        const [low = 0, high = 0] = [...at(name)].sort((a, b) => a - b);
        expect(low).toBeLessThan(high);
        expect(reference(name)).toMatchObject({ kind: "module", address: high });
      }
    });
  },
);
