import { execFileSync, spawnSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseManifest } from "@suture/release";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { buildHotpatch } from "./build-hotpatch.ts";
import { isBuildRefusal } from "./refusals.ts";
import type { BuildResult, BuiltHotpatch, TreeRequest } from "./request.ts";

const tools = ["gcc", "make", "patch", "diff", "readelf", "objcopy", "strip"];
const missing = tools.filter((tool) => spawnSync(tool, ["--version"]).status !== 0);
if (missing.length > 0) console.warn(`SKIPPED: builds need ${missing.join(", ")}`);

const sources: Readonly<Record<string, string>> = {
  "main.c": `#include <stdio.h>
#include <stdlib.h>
#include <assert.h>
#include "count.h"

static int calls;

static int limit(int value)
{
  calls++;
  if (value > 100) return 100;
  return value * 3;
}

__attribute__((noinline)) int answer(int value)
{
  printf("%s answers\\n", __FILE__);
  return limit(value) + counted(value);
}

__attribute__((noinline)) int unchanged(int value)
{
  assert(value != 1234);
  return value + calls;
}

int main(int argc, char **argv)
{
  int value = argc > 1 ? atoi(argv[1]) : 5;
  printf("%d %d\\n", answer(value), unchanged(value));
  return 0;
}
`,
  "count.c": `#include "count.h"

static int calls = 7;
_Thread_local int per_thread = 3;

__attribute__((noinline)) static int step(int value)
{
  calls += value;
  return calls ^ value;
}

int counted(int value)
{
  per_thread++;
  return step(value) + step(value + 1);
}
`,
  "count.h": "extern _Thread_local int per_thread;\nint counted(int value);\n",
  Makefile: `CFLAGS = -O2 -g -fPIE
server: main.o count.o
\tgcc -pie -Wl,--build-id -o $@ main.o count.o
%.o: %.c count.h
\tgcc $(CFLAGS) -c $< -o $@
`,
};

let folder = "";
let source = "";
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "suture-build-")));
  source = join(folder, "source tree");
  mkdirSync(source);
  for (const [name, text] of Object.entries(sources)) writeFileSync(join(source, name), text);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A patch file that makes `file` of the source tree `edit(file)`. */
function writePatch(edits: Readonly<Record<string, (text: string) => string>>): string {
  const texts = Object.entries(edits).map(([file, edit]) => {
    const fixed = join(folder, "edited");
    const before = sources[file] ?? "";
    const after = edit(before);
    expect(after).not.toBe(before);
    writeFileSync(fixed, after);
    const labels = ["--label", `a/${file}`, "--label", `b/${file}`];
    return spawnSync("diff", ["-u", ...labels, join(source, file), fixed], { encoding: "utf8" })
      .stdout;
  });
  const path = join(folder, "CVE-2026-12345.patch");
  writeFileSync(path, `Subject: fix\n\n${texts.join("")}`);
  return path;
}

const addCheck = {
  "main.c": (text: string) =>
    text.replace(
      "  calls++;\n",
      '  calls++;\n  if (value < 0) {\n    puts("negative value refused");\n    return 0;\n  }\n',
    ),
};

function request(changes: Partial<TreeRequest>): TreeRequest {
  return {
    kind: "tree",
    source,
    patch: "",
    binary: join(source, "server"),
    buildCommand: ["make", "-B", "-j2"],
    cacheFolder: join(folder, "cache"),
    env: process.env,
    ...changes,
  };
}

const make = (): void => {
  execFileSync("make", ["-s"], { cwd: source });
};

function built(result: BuildResult): BuiltHotpatch {
  if (isBuildRefusal(result)) throw new Error(JSON.stringify(result, null, 1));
  return result.hotpatches[0];
}

const readelf = (bytes: Uint8Array, ...options: string[]): string => {
  const file = join(folder, "out.hotpatch");
  writeFileSync(file, bytes);
  return execFileSync("readelf", ["-W", ...options, file], { encoding: "utf8" });
};

/** The addresses of symbols of a linked file, by nm's name. */
function addresses(file: string): ReadonlyMap<string, number> {
  const text = execFileSync("readelf", ["-Ws", file], { encoding: "utf8" });
  return new Map(
    [...text.matchAll(/^\s*\d+: ([0-9a-f]+)\s+\d+ \w+\s+\w+\s+\w+\s+\d+ (\S+)$/gm)].map(
      ([, address = "", name = ""]) => [name, Number.parseInt(address, 16)],
    ),
  );
}

describe.skipIf(missing.length > 0 && process.env.CI === undefined)(
  "a hotpatch of a source tree",
  () => {
    test("has the changed function, its new string, and references into the program", async () => {
      make();
      const where = addresses(join(source, "server"));
      const steps: string[] = [];
      const patch = writePatch(addCheck);
      const result = built(await buildHotpatch(request({ patch }), (step) => steps.push(step)));
      const { bytes, description, manifest } = result;
      expect(steps.length).toBeGreaterThan(3);
      // limit was inlined into answer, which is what must be replaced.
      expect(description.functions.map(({ name }) => name)).toEqual(["answer"]);
      expect(description.functions[0]?.address).toBe(where.get("answer"));
      expect(description.functions[0]?.sha256).toMatch(/^[0-9a-f]{64}$/);
      const byName = new Map(
        description.references.map((reference) => [reference.symbol, reference]),
      );
      expect(byName.get("counted")).toMatchObject({
        kind: "module",
        address: where.get("counted"),
      });
      const dynamic = description.references.filter(({ kind }) => kind === "dynamic");
      expect(dynamic.map(({ symbol }) => symbol)).toContain("puts");
      // Both units have a static variable `calls`: only main.c's is meant.
      const calls = description.references.filter(({ symbol }) => symbol.startsWith("calls"));
      const names = execFileSync("nm", [join(source, "server")], { encoding: "utf8" });
      const candidates = [...names.matchAll(/^([0-9a-f]+) (\w) calls$/gm)];
      expect(candidates).toHaveLength(2);
      const zeroed = candidates.find(([, , kind]) => kind === "b")?.[1] ?? "";
      expect(calls).toMatchObject([{ kind: "module", address: Number.parseInt(zeroed, 16) }]);
      const sections = readelf(bytes, "-S");
      for (const name of [".text.answer", ".suture.patch", ".suture.manifest", ".suture.digest"]) {
        expect(sections).toContain(` ${name} `);
      }
      expect(sections).not.toContain(".text.unchanged");
      expect(readelf(bytes, "-h")).toContain("REL (Relocatable file)");
      expect(Buffer.from(bytes).toString("latin1")).toContain("negative value refused");
      const undefinedNames = [...readelf(bytes, "-s").matchAll(/UND (\S+)$/gm)].map(
        ([, name]) => name,
      );
      expect(undefinedNames.sort()).toEqual([...byName.keys()].sort());
      expect(manifest.builtFrom).toMatchObject({ proof: "identical-build-id", units: ["main.c"] });
      expect(manifest.fixes).toMatchObject([
        { cves: ["CVE-2026-12345"], verdict: "in-hotpatch", functions: ["answer"] },
      ]);
      execFileSync("objcopy", [
        "-O",
        "binary",
        "--only-section=.suture.manifest",
        "--set-section-flags",
        ".suture.manifest=alloc",
        join(folder, "out.hotpatch"),
        join(folder, "manifest"),
      ]);
      expect(parseManifest(readFileSync(join(folder, "manifest")))).toEqual(manifest);
    });

    test("is the same bytes from the same inputs", async () => {
      make();
      const patch = writePatch(addCheck);
      const [first, second] = [
        built(await buildHotpatch(request({ patch }), () => {})),
        built(await buildHotpatch(request({ patch }), () => {})),
      ];
      expect(Buffer.compare(first.bytes, second.bytes)).toBe(0);
      const other = writePatch({ "main.c": (text) => text.replace("value * 3", "value * 4") });
      const third = built(await buildHotpatch(request({ patch: other }), () => {}));
      expect(third.description.id).not.toBe(first.description.id);
    });

    test("reaches a thread-local variable and needs no symbols in the program itself", async () => {
      make();
      const stripped = join(folder, "server");
      copyFileSync(join(source, "server"), stripped);
      execFileSync("strip", [stripped]);
      const edit = (text: string) => text.replace("per_thread++;", "per_thread += 2;");
      const patch = writePatch({ "count.c": edit });
      const result = built(await buildHotpatch(request({ patch, binary: stripped }), () => {}));
      expect(result.description.functions.map(({ name }) => name)).toEqual(["counted"]);
      const tls = result.description.references.filter(({ kind }) => kind === "module-tls");
      expect(tls).toEqual([{ symbol: "per_thread", kind: "module-tls", offset: 0 }]);
    });

    test("is refused where the program was not built from this source", async () => {
      writeFileSync(
        join(source, "main.c"),
        sources["main.c"]?.replace("value * 3", "value * 5") ?? "",
      );
      make();
      const other = join(folder, "server");
      copyFileSync(join(source, "server"), other);
      writeFileSync(join(source, "main.c"), sources["main.c"] ?? "");
      const patch = writePatch(addCheck);
      const result = await buildHotpatch(request({ patch, binary: other }), () => {});
      expect(result).toMatchObject({ refused: "not-the-source" });
      expect(isBuildRefusal(result) && result.items.map(({ name }) => name)).toContain("answer");
    });

    test("is refused where a variable's initial value changes", async () => {
      make();
      const edit = (text: string) => text.replace("calls = 7", "calls = 8");
      const result = await buildHotpatch(
        request({ patch: writePatch({ "count.c": edit }) }),
        () => {},
      );
      expect(result).toMatchObject({
        refused: "not-patchable",
        items: [{ name: "calls", code: "changed-data" }],
      });
    });

    test("is refused with the reason where patch, program, symbols or build are not what they should be", async () => {
      make();
      const patch = writePatch(addCheck);
      const build = (changes: Partial<TreeRequest>) =>
        buildHotpatch(request({ patch, ...changes }), () => {});
      const broken = join(folder, "broken.patch");
      writeFileSync(broken, readFileSync(patch, "utf8").replace("calls++", "other++"));
      expect(await build({ patch: broken })).toMatchObject({ refused: "patch-does-not-apply" });
      expect(await build({ buildCommand: ["false"] })).toMatchObject({ refused: "build-failed" });
      expect(await build({ buildCommand: ["true"] })).toMatchObject({
        refused: "nothing-recorded",
      });
      expect(await build({ binary: patch })).toMatchObject({ refused: "bad-binary" });
      const comment = writePatch({
        "main.c": (text) => text.replace("  calls++;\n", "  /* counts */\n  calls++;\n"),
      });
      expect(await build({ patch: comment })).toMatchObject({ refused: "no-change" });
      const elsewhere = join(folder, "other");
      writeFileSync(join(folder, "other.c"), "int main(void) { return 0; }\n");
      execFileSync("gcc", ["-Wl,--build-id", "-o", elsewhere, join(folder, "other.c")]);
      const fix = writePatch({ "count.c": (text) => text.replace("per_thread++", "per_thread--") });
      expect(await build({ patch: fix, binary: elsewhere })).toMatchObject({
        refused: "not-in-binary",
      });
      chmodSync(elsewhere, 0o755);
      execFileSync("strip", [elsewhere]);
      expect(await build({ patch: fix, binary: elsewhere })).toMatchObject({
        refused: "not-in-binary",
      });
      const bytes = readFileSync(elsewhere);
      // e_shoff, e_shnum, e_shstrndx: without section headers nothing tells a stub from code.
      bytes.fill(0, 0x28, 0x30);
      bytes.fill(0, 0x3c, 0x40);
      writeFileSync(elsewhere, bytes);
      expect(await build({ patch: fix, binary: elsewhere })).toMatchObject({
        refused: "no-symbols",
      });
    });
  },
);
