/**
 * Every folder of diff-cases is one change of one translation unit and what the diff says to it.
 *
 * A folder holds before.c, after.c and expected.txt, with a line for each changed function, each
 * new or vanished one, and each refusal. A name that begins with `refuse-` says that the change
 * must be refused. A first line `// flags: -fPIC` in before.c adds to the compiler's options.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { DIFF_REFUSALS, diffObjects, type ObjectDiff } from "../packages/engine/src/diff/diff.ts";
import { writeHotpatch } from "../packages/engine/src/diff/write.ts";
import { type ElfFile, parseElf } from "../packages/engine/src/elf/file.ts";
import { writeRelocatable } from "../packages/engine/src/elf/write.ts";

const folder = join(import.meta.dirname, "diff-cases");
const scratch = mkdtempSync(join(tmpdir(), "suture-diff-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const hasCompiler = ((): boolean => {
  try {
    execFileSync("gcc", ["--version"], { stdio: "ignore" });
    return true;
  } catch (error) {
    if (process.env.CI) throw new Error("the diff cases need gcc", { cause: error });
    console.warn("SKIPPED: the diff cases need gcc");
    return false;
  }
})();

/** Compiles one side under a name that both sides share, as a rebuilt unit does. */
function compile(name: string, side: "before" | "after"): ElfFile {
  const before = readFileSync(join(folder, name, "before.c"), "utf8");
  const flags = /^\/\/ flags: (.*)$/m.exec(before)?.[1]?.split(" ") ?? [];
  writeFileSync(join(scratch, "unit.c"), readFileSync(join(folder, name, `${side}.c`)));
  const output = `${name}.${side}.o`;
  const sections = ["-ffunction-sections", "-fdata-sections"];
  execFileSync("gcc", ["-O2", "-g", ...sections, "-w", ...flags, "-c", "unit.c", "-o", output], {
    cwd: scratch,
    stdio: ["ignore", "ignore", "inherit"],
  });
  return parseElf(readFileSync(join(scratch, output)));
}

function describeDiff(diff: ObjectDiff): string {
  const lines = [
    ...diff.changed.map(({ name, onlyAtStart }) =>
      onlyAtStart ? `changed ${name} (only at start)` : `changed ${name}`,
    ),
    ...diff.added.map((name) => `added ${name}`),
    ...diff.vanished.map((name) => `vanished ${name}`),
    ...diff.newVariables.map((name) => `variable ${name}`),
    ...diff.callersToMatch.map((name) => `match ${name}`),
    ...diff.refusals.map(({ code, name }) => `refused ${code} ${name}`),
  ];
  return `${[...new Set(lines)].sort().join("\n")}\n`;
}

test("every reason of the differ has a case", () => {
  const expected = readdirSync(folder).map((name) =>
    readFileSync(join(folder, name, "expected.txt"), "utf8"),
  );
  for (const code of Object.keys(DIFF_REFUSALS)) {
    expect(
      expected.some((text) => text.includes(`refused ${code} `)),
      code,
    ).toBe(true);
  }
});

describe.skipIf(!hasCompiler)("diff cases", () => {
  for (const name of readdirSync(folder).sort()) {
    test(name, async () => {
      const before = compile(name, "before");
      const after = compile(name, "after");
      const diff = diffObjects(before, after);
      await expect(describeDiff(diff)).toMatchFileSnapshot(join(folder, name, "expected.txt"));

      expect(diff.refusals.length > 0, "refused").toBe(name.startsWith("refuse-"));
      for (const object of [before, after]) {
        const self = diffObjects(object, object);
        const { changed, added, vanished, newVariables, callersToMatch } = self;
        expect([changed, added, vanished, newVariables, callersToMatch]).toEqual([
          [],
          [],
          [],
          [],
          [],
        ]);
        expect(self.refusals.filter(({ code }) => code !== "lto")).toEqual([]);
      }
      for (const { detail } of diff.refusals) expect(detail.length).toBeGreaterThan(3);
      checkReverse(diff, diffObjects(after, before));
      if (diff.refusals.length > 0) return;
      const hotpatch = writeHotpatch([{ name: "unit.c", before, after, diff }]);
      expect(hotpatch.functions.map((it) => it.name)).toEqual(diff.changed.map((it) => it.name));
      parseElf(writeRelocatable(hotpatch.object));
    });
  }
});

/** Taking the change back changes the same functions, except what only one direction has. */
function checkReverse(forth: ObjectDiff, back: ObjectDiff): void {
  const oneWay = new Set(["it relies on the registers of a callee"]);
  const names = (diff: ObjectDiff, side: "name" | "afterName"): string[] =>
    diff.changed
      .filter(({ because }) => !oneWay.has(because))
      .map((it) => it[side])
      .sort();
  expect(names(back, "afterName")).toEqual(names(forth, "name"));
  // Taking an alignment back leaves every object where it may stand.
  const types = ({ refusals }: ObjectDiff): string[] =>
    refusals
      .filter(({ code, detail }) => code === "type-layout" && !detail.includes("alignment"))
      .map(({ name }) => name)
      .sort();
  expect(types(back)).toEqual(types(forth));
}
