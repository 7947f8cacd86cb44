/** Runs the rows of one package, in the order of its series. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Archive, openArchive } from "../../packages/builder/src/deb/archive.ts";
import { chooseVersions } from "../../packages/builder/src/deb/choose-versions.ts";
import { obtainSource, readSeries } from "../../packages/builder/src/deb/source-package.ts";
import type { Engine } from "../../packages/builder/src/engine.ts";
import { type BuildRefusal, isBuildRefusal } from "../../packages/builder/src/refusals.ts";
import { judgeOutcome, type RowVerdict } from "./judge.ts";
import type { CorpusRow } from "./list.ts";
import { tryLive } from "./live.ts";
import { addRecord, loadRecords, type RowRecord, rowKey } from "./records.ts";
import { buildRow } from "./row.ts";
import { moveWalk, openWalk, type Progress, type Walk } from "./walk.ts";

export interface RunOptions {
  readonly cacheFolder: string;
  /** Where records and hotpatch files are kept. */
  readonly recordFolder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The digest of the code; records of another one are not taken. */
  readonly code: string;
  readonly again: boolean;
  readonly engine: Engine;
  readonly progress: Progress;
  readonly onRecord: (record: RowRecord, row: CorpusRow, known: boolean) => void;
}

/** Runs the rows of one package; rows that are recorded for this code are taken from there. */
export async function runPackage(
  name: string,
  rows: readonly CorpusRow[],
  options: RunOptions,
): Promise<void> {
  const { cacheFolder, env, progress } = options;
  const place = { folder: join(cacheFolder, "deb/apt"), env, options: {} };
  const archive = await openArchive(place, progress);
  if (isBuildRefusal(archive)) throw new Error(sentence(archive));
  const request = { kind: "deb", package: name, from: "newest", cacheFolder, env } as const;
  const versions = await chooseVersions(request, archive);
  if (isBuildRefusal(versions)) return failAll(rows, "none", versions, options);
  const { version } = versions.from;
  const known = await loadRecords(options.recordFolder, name);
  const pending: CorpusRow[] = [];
  for (const row of rows) {
    const record = known.get(rowKey(row));
    const valid = record?.version === version && record.code === options.code && !options.again;
    if (record !== undefined && valid) options.onRecord(record, row, true);
    else pending.push(row);
  }
  if (pending.length === 0) return;
  const sources = { archive, cacheFolder: join(cacheFolder, "deb") };
  const served = await obtainSource(versions.from, sources, progress);
  if (isBuildRefusal(served)) return failAll(pending, version, served, options);
  const series = await readSeries(served.tree);
  const placed = pending.map((row) => ({ row, at: positionOf(row, series) }));
  for (const { row, at } of placed) if (at === undefined) await record(row, version, gone, options);
  const there = placed.flatMap(({ row, at }) => (at === undefined ? [] : [{ row, at }]));
  there.sort((a, b) => a.at - b.at);
  const first = firstPosition(rows, series) ?? 0;
  if (there.length === 0) return;
  const walk = await openPackage(served, first, archive, progress);
  if (isBuildRefusal(walk))
    return failAll(
      there.map(({ row }) => row),
      version,
      walk,
      options,
    );
  for (const { row, at } of there) await runRow(row, { at, walk }, options);
}

const openPackage = (
  served: Parameters<typeof openWalk>[0],
  first: number,
  archive: Archive,
  progress: Progress,
): Promise<Walk | BuildRefusal> => openWalk(served, first, { archive }, progress);

async function runRow(
  row: CorpusRow,
  { at, walk }: { readonly at: number; readonly walk: Walk },
  options: RunOptions,
): Promise<void> {
  const { progress } = options;
  const { version } = walk.served.version;
  progress(`${row.package}: ${row.patches[0]}`);
  const moved = await moveWalk(walk, at, progress);
  if (moved !== undefined) return failAll([row], version, moved, options);
  const started = performance.now();
  const folder = rowKey(row)
    .replace(/[^A-Za-z0-9.+_-]/g, "_")
    .slice(0, 80);
  const output = join(options.recordFolder, row.package, folder);
  await rm(output, { recursive: true, force: true });
  const outcome = await buildRow(row, walk, output, progress);
  const seconds = (performance.now() - started) / 1000;
  const live = await tryLive(outcome.binaries, walk, options);
  const judged = judgeOutcome(outcome);
  const detail = [judged.detail ?? [], live.problems].flat().join("; ");
  const { applied, reverted } = live;
  const found = { ...judged, seconds, applied, reverted, ...(detail !== "" && { detail }) };
  await record(row, version, found, options);
}

/** Where the row's patches begin in the series; undefined where one of them is not there. */
export function positionOf(row: CorpusRow, series: readonly string[]): number | undefined {
  const places = row.patches.map((name) => series.indexOf(name));
  return places.includes(-1) ? undefined : Math.min(...places);
}

const firstPosition = (rows: readonly CorpusRow[], series: readonly string[]): number | undefined =>
  rows
    .flatMap((row) => positionOf(row, series) ?? [])
    .sort((a, b) => a - b)
    .at(0);

type Found = RowVerdict & Partial<Pick<RowRecord, "seconds" | "applied" | "reverted">>;

const gone: Found = { verdict: "gone", functions: [], binaries: [], reason: "gone" };

async function record(
  row: CorpusRow,
  version: string,
  found: Found,
  options: RunOptions,
): Promise<void> {
  const whole: RowRecord = {
    package: row.package,
    version,
    cve: row.cves.join(","),
    first_patch: rowKey(row),
    class: row.class,
    ...{ seconds: 0, applied: false, reverted: false },
    ...found,
    code: options.code,
    date: new Date().toISOString(),
  };
  await addRecord(options.recordFolder, whole);
  options.onRecord(whole, row, false);
}

async function failAll(
  rows: readonly CorpusRow[],
  version: string,
  refusal: BuildRefusal,
  options: RunOptions,
): Promise<void> {
  const { refused: reason } = refusal;
  const detail = sentence(refusal);
  for (const row of rows) {
    const found: Found = { verdict: "failed", reason, detail, functions: [], binaries: [] };
    await record(row, version, found, options);
  }
}

const sentence = ({ refused, items, next }: BuildRefusal): string =>
  `${refused}: ${items.map(({ name, detail }) => `${name}: ${detail}`).join("; ")} (${next})`;
