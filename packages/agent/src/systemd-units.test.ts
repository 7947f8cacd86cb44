/** The unit files are what systemd understands, and as tight as they are meant to be. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { installCommandOf } from "./executor/updating.ts";

const folder = fileURLToPath(new URL("systemd/", import.meta.url));
const units = [
  "suture-agent.service",
  "suture-executor.service",
  "suture-update@.service",
] as const;
const hasAnalyze = spawnSync("systemd-analyze", ["--version"]).status === 0;
if (!hasAnalyze) {
  if (process.env.CI) throw new Error("systemd-analyze is missing");
  console.warn("SKIPPED: systemd-analyze is missing, unit files are not verified");
}

/** A copy with a program that exists on this machine. */
function copyOf(unit: string): { readonly path: string; readonly remove: () => void } {
  const copies = mkdtempSync(join(tmpdir(), "suture-units-"));
  const path = join(copies, unit);
  const text = readFileSync(join(folder, unit), "utf8");
  writeFileSync(path, text.replace("/usr/bin/suture", "/bin/true"));
  return { path, remove: () => rmSync(copies, { recursive: true }) };
}

test.runIf(hasAnalyze).each(units)("systemd finds nothing wrong with %s", (unit) => {
  const { path, remove } = copyOf(unit);
  try {
    const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", path], {
      encoding: "utf8",
    });
    const own = `${stdout}${stderr}`.split("\n").filter((line) => line.includes(unit));
    // The other half is not installed where the test runs.
    expect(own.filter((line) => !/suture-executor.service.*not found/i.test(line))).toEqual([]);
  } finally {
    remove();
  }
});

test.runIf(hasAnalyze).each([
  ["suture-agent.service", 2],
  ["suture-executor.service", 6],
] as const)("the exposure of %s is at most %d of 10", (unit, exposureMax) => {
  const { path, remove } = copyOf(unit);
  try {
    const words = ["--no-pager", "security", "--offline=yes", path];
    const text = execFileSync("systemd-analyze", words, { encoding: "utf8" });
    const exposure = /Overall exposure level for .*: ([0-9.]+)/.exec(text)?.[1];
    expect(Number(exposure)).toBeLessThanOrEqual(exposureMax);
  } finally {
    remove();
  }
});

test("the unit that updates a package runs what the executor runs without it", () => {
  const [program, ...words] = installCommandOf(undefined)("%I");
  const unit = readFileSync(join(folder, "suture-update@.service"), "utf8");
  expect(unit).toContain(`\nExecStart=/usr/bin/${program} ${words.join(" ")}\n`);
});
