/**
 * `npm test`: types, Biome, vitest, and one last line that says it all:
 *
 *     N passed, N failed, N skipped
 *
 * A type error or a lint error counts as a failed test. In CI (CI=true) a skipped test fails too,
 * unless its name ends in one of the reasons of SKIP_REASONS.
 * Arguments are handed to vitest: `npm test -- -u`, `npm test -- packages/engine`.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Count, countTests, parseVitestReport } from "./vitest-report.ts";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Where npm put the programs of package-lock.json, the Node that they run on among them. */
const programs = join(root, "node_modules", ".bin");
const program = (name: string): string => join(programs, name);
const env = { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH ?? ""}` };

function run(title: string, command: string, args: readonly string[]): boolean {
  console.log(`\n── ${title}`);
  const { status, error } = spawnSync(command, args, { cwd: root, env, stdio: "inherit" });
  if (error) console.error(`${title}: ${error.message}`);
  return status === 0;
}

function checkOnce(title: string, command: string, args: readonly string[]): Count {
  const passed = run(title, command, args);
  return { passed: passed ? 1 : 0, failed: passed ? 0 : 1, skipped: 0 };
}

function runVitest(extra: readonly string[], inCi: boolean): Count {
  const folder = mkdtempSync(join(tmpdir(), "suture-test-"));
  const file = join(folder, "report.json");
  try {
    const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
    const passed = run("vitest", program("vitest"), ["run", ...reporters, ...extra]);
    const { count, complaints } = countTests(parseVitestReport(readFileSync(file, "utf8")), inCi);
    for (const complaint of complaints) console.error(complaint);
    // Vitest also fails for what is in no test: an unhandled error, no test found.
    return passed || count.failed > 0 ? count : { ...count, failed: 1 };
  } catch (error) {
    console.error(`vitest left no report: ${error instanceof Error ? error.message : error}`);
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const inCi = process.env.CI === "true";
const counts = [
  checkOnce("types (tsc --noEmit)", program("tsc"), ["--noEmit"]),
  checkOnce("types of the console", program("tsc"), ["--noEmit", "-p", "packages/console"]),
  checkOnce("format and lint (biome check)", program("biome"), ["check", "."]),
  runVitest(process.argv.slice(2), inCi),
];
const sum = (key: keyof Count): number => counts.reduce((total, count) => total + count[key], 0);
const failed = sum("failed");
console.log(`\n${sum("passed")} passed, ${failed} failed, ${sum("skipped")} skipped`);
process.exitCode = failed === 0 ? 0 : 1;
