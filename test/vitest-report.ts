/** Counts the tests of a report of vitest's JSON reporter. */

/**
 * Why a test may be skipped even in CI. The name of such a test ends in one of these in brackets:
 * `"stops a thread in vfork [needs a second kernel]"`. Everything else CI has to have.
 */
export const SKIP_REASONS = [
  "needs AVX",
  "needs seccomp",
  "needs another user",
  "needs the Debian archive",
] as const;

export interface Count {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

export interface TestResult {
  readonly name: string;
  readonly status: string;
}

export interface VitestReport {
  readonly tests: readonly TestResult[];
  /** Test files that could not be loaded, so that their tests are in no list. */
  readonly brokenFiles: readonly string[];
}

/** Reads the JSON; throws when it is no report of vitest. */
export function parseVitestReport(text: string): VitestReport {
  const report = JSON.parse(text) as {
    testResults?: {
      name: string;
      status: string;
      assertionResults: { fullName: string; status: string }[];
    }[];
  };
  if (!Array.isArray(report.testResults)) throw new Error("no testResults in the report");
  return {
    tests: report.testResults.flatMap((file) =>
      file.assertionResults.map(({ fullName, status }) => ({ name: fullName, status })),
    ),
    brokenFiles: report.testResults
      .filter((file) => file.status === "failed" && file.assertionResults.length === 0)
      .map((file) => file.name),
  };
}

export function countTests(
  report: VitestReport,
  inCi: boolean,
): { count: Count; complaints: string[] } {
  const complaints = report.brokenFiles.map((file) => `failed to load: ${file}`);
  let passed = 0;
  let failed = report.brokenFiles.length;
  let skipped = 0;
  for (const { name, status } of report.tests) {
    if (status === "passed") passed++;
    else if (status === "failed") failed++;
    else if (inCi && !SKIP_REASONS.some((reason) => name.endsWith(`[${reason}]`))) {
      complaints.push(`skipped, which counts as failed in CI: ${name}`);
      failed++;
    } else {
      complaints.push(`skipped: ${name}`);
      skipped++;
    }
  }
  return { count: { passed, failed, skipped }, complaints };
}
