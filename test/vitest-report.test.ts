import { expect, test } from "vitest";
import { countTests, parseVitestReport } from "./vitest-report.ts";

const report = JSON.stringify({
  testResults: [
    {
      name: "a.test.ts",
      status: "failed",
      assertionResults: [
        { fullName: "holds", status: "passed" },
        { fullName: "breaks", status: "failed" },
        { fullName: "saves ymm0 [needs AVX]", status: "skipped" },
        { fullName: "asks gdb", status: "skipped" },
      ],
    },
    { name: "b.test.ts", status: "failed", assertionResults: [] },
  ],
});

test("counts tests, and a file that cannot be loaded as a failure", () => {
  const { count, complaints } = countTests(parseVitestReport(report), false);
  expect(count).toEqual({ passed: 1, failed: 2, skipped: 2 });
  expect(complaints).toContain("failed to load: b.test.ts");
});

test("counts a skipped test as failed in CI, unless its reason is on the list", () => {
  const { count, complaints } = countTests(parseVitestReport(report), true);
  expect(count).toEqual({ passed: 1, failed: 3, skipped: 1 });
  expect(complaints).toContain("skipped, which counts as failed in CI: asks gdb");
});

test("takes no other JSON for a report", () => {
  expect(() => parseVitestReport("{}")).toThrow("testResults");
});
