import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { alignLines } from "./line-diff.ts";
import { keepLineNumbers } from "./line-directives.ts";

/** The values of all `int NAME = __LINE__;` of a source, as the real preprocessor gives them. */
function lineNumbers(source: string): Record<string, number> {
  const folder = mkdtempSync(join(tmpdir(), "suture-lines-"));
  try {
    const file = join(folder, "unit.c");
    writeFileSync(file, source);
    const text = execFileSync("gcc", ["-E", "-P", "-Wall", "-Werror", "-pedantic", file], {
      encoding: "utf8",
    });
    return Object.fromEntries(
      [...text.matchAll(/int (\w+) = (\d+)/g)].map(([, name, number]) => [name, Number(number)]),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Both preprocessed; all names but `changed` must keep their numbers. */
function check(before: string, after: string, changed: readonly string[] = []): void {
  const was = lineNumbers(before);
  const is = lineNumbers(keepLineNumbers(before, after));
  expect(Object.keys(was).length).toBeGreaterThan(0);
  for (const [name, number] of Object.entries(was)) {
    if (!changed.includes(name)) expect({ name, number: is[name] }).toEqual({ name, number });
  }
  // The case means something only if a plain compilation would change a number.
  expect(lineNumbers(after)).not.toEqual(was);
}

const functionOf = (name: string, body = ""): string =>
  `int f_${name}(void)\n{\n${body}  int ${name} = __LINE__;\n  return ${name};\n}\n`;

test("a longer function leaves the numbers of those behind it", () => {
  const head = '#include "/dev/null"\n\n';
  check(
    `${head}${functionOf("a")}\n${functionOf("b")}\n${functionOf("c")}`,
    `${head}${functionOf("a", "  int x;\n  x = 1;\n")}\n${functionOf("b")}\n${functionOf("c")}`,
    ["a"],
  );
});

test("a shorter function, a new function and a removed one", () => {
  const parts = ["a", "b", "c", "d"].map((name) => functionOf(name, "  ;\n"));
  check(parts.join("\n"), [functionOf("a"), functionOf("new"), parts[2], parts[3]].join("\n"), [
    "a",
    "b",
  ]);
});

test("a new include moves nothing", () => {
  const include = '#include "/dev/null"\n';
  check(`${include}${functionOf("a")}`, `${include}${include}${functionOf("a")}`);
});

test("directives that a conditional skips are written again behind it", () => {
  const skipped = `#if 0\n${functionOf("x")}#endif\n`;
  check(
    `${functionOf("a")}${skipped}${functionOf("b")}`,
    `${functionOf("a")}${skipped.replace("#if 0\n", "#if 0\nint more;\n")}${functionOf("b")}`,
  );
  check(
    `#define N 1\n${skipped}${functionOf("b")}`,
    `#define N 1\nint more;\n${skipped}${functionOf("b")}`,
  );
});

test("no directive stands in a comment, a continued line or a macro's arguments", () => {
  const tricky = [
    "#define BLOCK(x) \\",
    "{ \\",
    "}",
    "/* a comment",
    "}",
    "*/",
    "#define USE(x) int used_##x = x;",
    "USE(",
    "#define INNER 1",
    "__LINE__",
    ")",
    functionOf("a"),
  ].join("\n");
  const output = keepLineNumbers(tricky, `int first;\n${tricky}`);
  expect(output).toContain("#line");
  const lines = output.split("\n");
  for (const [index, line] of lines.entries()) {
    if (!line.startsWith("#line")) continue;
    expect(lines[index - 1]).not.toMatch(/\\$/);
    expect(["/* a comment", "USE(", "#define INNER 1"]).not.toContain(lines[index - 1]);
  }
  const comment = output.slice(output.indexOf("/*"), output.indexOf("*/"));
  expect(comment).not.toContain("#line");
});

test("an unchanged source stays as it is", () => {
  const source = functionOf("a") + functionOf("b");
  expect(keepLineNumbers(source, source)).toBe(source);
});

test("aligned lines are equal, rise, and are as many as a longest common part", () => {
  const text = fc.array(fc.constantFrom("a", "b", "c", "}"), { maxLength: 25 });
  fc.assert(
    fc.property(text, text, (before, after) => {
      const aligned = [...alignLines(before, after)];
      const used = aligned.filter((line) => line >= 0);
      expect(used).toEqual([...new Set(used)].sort((a, b) => a - b));
      for (const [index, line] of aligned.entries()) {
        if (line >= 0) expect(before[line]).toBe(after[index]);
      }
      expect(used.length).toBe(longestCommon(before, after));
    }),
    { numRuns: 500 },
  );
});

function longestCommon(a: readonly string[], b: readonly string[]): number {
  const table = a.map(() => new Array<number>(b.length).fill(0));
  const cell = (i: number, j: number): number => (i < 0 || j < 0 ? 0 : (table[i]?.[j] ?? 0));
  for (let i = 0; i < a.length; i += 1) {
    for (let j = 0; j < b.length; j += 1) {
      const row = table[i] ?? [];
      row[j] = a[i] === b[j] ? cell(i - 1, j - 1) + 1 : Math.max(cell(i - 1, j), cell(i, j - 1));
    }
  }
  return cell(a.length - 1, b.length - 1);
}
