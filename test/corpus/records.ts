/** What was found for each row, kept between runs in one file of JSON lines a package. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { appendFile, mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { RowVerdict } from "./judge.ts";
import type { CorpusRow } from "./list.ts";
import type { Behaviour } from "./triggers/behaviour.ts";

export interface RowRecord extends RowVerdict, Partial<Behaviour> {
  readonly package: string;
  /** The version that the archive served. */
  readonly version: string;
  readonly cve: string;
  readonly first_patch: string;
  readonly class: string;
  readonly seconds: number;
  /** Whether every hotpatch was applied to a live process, all replaced functions confirmed. */
  readonly applied: boolean;
  readonly reverted: boolean;
  /** A digest of the code that found it. */
  readonly code: string;
  readonly date: string;
}

/** The rows of a package by first patch; the last record of a row counts. */
export async function loadRecords(
  folder: string,
  name: string,
): Promise<ReadonlyMap<string, RowRecord>> {
  const file = join(folder, `${name}.jsonl`);
  if (!existsSync(file)) return new Map();
  const lines = (await readFile(file, "utf8")).split("\n").filter((line) => line !== "");
  const records = lines.map((line) => JSON.parse(line) as RowRecord);
  return new Map(records.map((record) => [record.first_patch, record]));
}

export async function addRecord(folder: string, record: RowRecord): Promise<void> {
  await mkdir(folder, { recursive: true });
  await appendFile(join(folder, `${record.package}.jsonl`), `${JSON.stringify(record)}\n`);
}

/** The name that a row goes by in records: its patches, which no other row of the package has. */
export const rowKey = (row: CorpusRow): string => row.patches.join("+");

/** A digest of all sources that decide what a hotpatch is; triggers do not. */
export async function codeDigest(root: string): Promise<string> {
  const hash = createHash("sha256");
  for (const folder of ["packages/engine/src", "packages/builder/src", "test/corpus"]) {
    const names = (await readdir(join(root, folder), { recursive: true })).sort();
    for (const name of names) {
      if (!name.endsWith(".ts") || name.endsWith(".test.ts")) continue;
      if (folder === "test/corpus" && name.startsWith("triggers/")) continue;
      hash.update(name).update(await readFile(join(root, folder, name)));
    }
  }
  return hash.digest("hex").slice(0, 12);
}
