/** A small slice of the corpus, from the archive to a live process; the whole has its command. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { RowRecord } from "./records.ts";

const MAIN = join(import.meta.dirname, "main.ts");
const PACKAGE = "cjson";

const hasArchive = /redis-server \|/.test(
  spawnSync("apt-cache", ["madison", "redis-server"], { encoding: "utf8" }).stdout ?? "",
);

test.skipIf(!hasArchive)(
  "the fixes of a small package are built, applied and reverted [needs the Debian archive]",
  { timeout: 900_000 },
  () => {
    const folder = mkdtempSync(join(tmpdir(), "suture-slice-"));
    try {
      const json = join(folder, "rows.json");
      const argv = [MAIN, "--package", PACKAGE, "--again", "--json", json];
      const { stdout, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8" });
      const lines = readFileSync(json, "utf8").trim().split("\n");
      const records = lines.map((line) => JSON.parse(line) as RowRecord);
      const there = records.filter(({ verdict }) => verdict !== "gone");
      // The archive moves on: a fix may be gone from a series, but not all of them at once.
      expect(there, `${stdout}${stderr}`).not.toEqual([]);
      for (const { cve, verdict, functions, applied, reverted } of there) {
        expect({ cve, verdict, applied, reverted }).toEqual({
          ...{ cve, verdict: "built", applied: true, reverted: true },
        });
        expect(functions.length).toBeGreaterThan(0);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
);
