import { expect, test } from "vitest";
import { attributeFixes } from "./fixes.ts";
import { addedPatches, cvesIn, parsePatchFile, parseSeries } from "./patch-file.ts";

const patch = (path: string, name: string, heading = ""): string => `From: somebody
${heading}
---
 ${path} | 2 +-

diff --git a/${path} b/${path}
--- a/${path}\t2026-01-01
+++ b/${path}\t2026-01-02
@@ -10,3 +10,4 @@ static int ${name}(void)
 int x;
-  return x;
+  check(x); // CVE-1999-0001 is no part of this
+  return x;
`;

test("files lose their first folder, and hunks give the words that they name", () => {
  const parsed = parsePatchFile("fix.patch", patch("src/rdb.c", "rdbLoad"));
  expect(parsed.files.map(({ path }) => path)).toEqual(["src/rdb.c"]);
  const words = parsed.files[0]?.words;
  expect(["rdbLoad", "check", "x"].map((word) => words?.has(word))).toEqual([true, true, true]);
});

test("a new and a removed file go by the name that exists", () => {
  const text =
    "--- /dev/null\n+++ b/src/new.c\n@@ -0,0 +1 @@\n+int a;\n--- a/src/old.c\n+++ /dev/null\n@@ -1 +0,0 @@\n-int b;\n";
  expect(parsePatchFile("x", text).files.map(({ path }) => path)).toEqual([
    "src/new.c",
    "src/old.c",
  ]);
});

test("a removed line that begins with two dashes is no file", () => {
  const text = "--- a/x.c\n+++ b/x.c\n@@ -1,2 +1,1 @@\n--- counter;\n+++ counter;\n";
  const files = parsePatchFile("x", text).files;
  expect(files[0]?.path).toBe("x.c");
});

test.each([
  ["CVE-2026-66373.patch", "", ["CVE-2026-66373"]],
  ["fix.patch", "Fix CVE-2025-1234 and cve-2024-99999", ["CVE-2024-99999", "CVE-2025-1234"]],
  ["0001-Fix-LUA-CVE-2024-46981-1513.patch", "", ["CVE-2024-46981"]],
  ["CVE_2023_12345.diff", "(CVE-2023-12345)", ["CVE-2023-12345"]],
  ["fix.patch", "", []],
])("%s %s", (name, heading, cves) => {
  expect(parsePatchFile(name, patch("a.c", "f", heading)).cves).toEqual(cves);
});

test("a series has comments, options and empty lines", () => {
  const series = "a.patch\n# no\n\nb.patch -p0\n  c/d.patch # why\n#e.patch\n";
  expect(parseSeries(series)).toEqual(["a.patch", "b.patch", "c/d.patch"]);
  expect(addedPatches(["a", "b"], ["a", "c", "b", "d"])).toEqual(["c", "d"]);
});

test("each CVE once", () =>
  expect(cvesIn("CVE-2020-1111 CVE-2020-1111")).toEqual(["CVE-2020-1111"]));

test("a function belongs to the fixes that name it, or to all of its unit", () => {
  const patches = [
    parsePatchFile("CVE-2026-0001.patch", patch("src/a.c", "named")),
    parsePatchFile("CVE-2026-0002.patch", patch("src/a.c", "other")),
    parsePatchFile("CVE-2026-0003.patch", patch("src/b.c", "named")),
    parsePatchFile("tests.patch", patch("tests/t.tcl", "named")),
  ];
  const at = { key: "a", unit: "src/a.c", changedFiles: ["src/a.c"], onlyAtStart: false };
  const fixes = attributeFixes(patches, [
    { ...at, name: "named" },
    { ...at, name: "other.isra.0" },
    { ...at, name: "caller", onlyAtStart: true },
  ]);
  expect(fixes.map(({ functions, verdict }) => [functions, verdict])).toEqual([
    [["caller", "named"], "only-at-start"],
    [["caller", "other"], "only-at-start"],
    [[], "nothing-to-do"],
    [[], "nothing-to-do"],
  ]);
  expect(fixes[0]?.reason).toContain("caller");
  expect(fixes.slice(2).map(({ reason }) => reason)).toEqual([
    "no machine code of this program or library changes",
    "no C source changes",
  ]);
});
