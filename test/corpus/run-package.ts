/** Runs the rows of one package, in the order of its series. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { type Archive, openArchive } from "../../packages/builder/src/deb/archive.ts";
import { sourceVersions } from "../../packages/builder/src/deb/choose-versions.ts";
import { type CachedSource, obtainSource } from "../../packages/builder/src/deb/source-package.ts";
import type { Engine } from "../../packages/builder/src/engine.ts";
import {
  type BuildRefusal,
  isBuildRefusal,
  refuseBuild,
} from "../../packages/builder/src/refusals.ts";
import { judgeOutcome, type RowVerdict } from "./judge.ts";
import type { CorpusRow } from "./list.ts";
import { triggerOf, tryBehaviour, tryLive } from "./live.ts";
import { addRecord, loadRecords, type RowRecord, rowKey } from "./records.ts";
import { buildRow } from "./row.ts";
import type { Behaviour } from "./triggers/behaviour.ts";
import { moveWalk, openWalk, type Progress, seriesOfWalk, type Walk } from "./walk.ts";
import { withWalkLock } from "./walk-lock.ts";

export interface RunOptions {
  readonly cacheFolder: string;
  /** Where records and hotpatch files are kept. */
  readonly recordFolder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** The digest of the code; records of another one are not taken. */
  readonly code: string;
  readonly again: boolean;
  /** All patches that the list names for the package, also of rows that are not run. */
  readonly listed: ReadonlySet<string>;
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
  const known = await loadRecords(options.recordFolder, name);
  const validRecord = (row: CorpusRow): RowRecord | undefined => {
    const record = known.get(rowKey(row));
    if (record === undefined || options.again || !isKept(record, options.code)) return undefined;
    return isToBeShown(record, row) ? undefined : record;
  };
  for (const row of rows) {
    const record = validRecord(row);
    if (record !== undefined) options.onRecord(record, row, true);
  }
  const pending = rows.filter((row) => validRecord(row) === undefined);
  if (pending.length === 0) return;
  const place = { folder: join(cacheFolder, "deb/apt"), env, options: {} };
  const archive = await openArchive(place, progress);
  if (isBuildRefusal(archive)) return failAll(pending, "unknown", archive, options);
  const served = await obtainServed({ name, rows }, archive, options);
  if (isBuildRefusal(served)) return failAll(pending, "unknown", served, options);
  const { version } = served.version;
  const series = await seriesOfWalk(served, options.listed, archive.env);
  const there: { readonly row: CorpusRow; readonly at: number }[] = [];
  for (const row of pending) {
    const at = positionOf(row, series);
    if (at === undefined) await record(row, version, gone, options);
    else there.push({ row, at });
  }
  there.sort((a, b) => a.at - b.at);
  if (there.length === 0) return;
  const first = firstPosition(rows, series) ?? 0;
  await withWalkLock(served.folder, async () => {
    const place = { series, start: first };
    const walk = await openWalk(served, place, { archive }, progress);
    if (isBuildRefusal(walk)) {
      const rows = there.map(({ row }) => row);
      return failAll(rows, version, walk, options);
    }
    for (const { row, at } of there) await runRow(row, { at, walk }, options);
  });
}

/** Its trigger is newer than its record. */
const isToBeShown = ({ verdict, behaviour }: RowRecord, row: CorpusRow): boolean =>
  verdict === "built" && behaviour === undefined && triggerOf(row) !== undefined;

/** What an archive or a missing tool made fail may succeed the next time. */
const isKept = ({ code, reason }: RowRecord, wanted: string): boolean =>
  code === wanted && !/^(?:archive-unreachable|missing-tool|not-root)$/.test(reason ?? "");

/**
 * The source in the version of the list where the archive still has it, else in the newest one:
 * an archive may name versions that it does not serve.
 */
async function obtainServed(
  { name, rows }: { readonly name: string; readonly rows: readonly CorpusRow[] },
  archive: Archive,
  { cacheFolder, progress }: RunOptions,
): Promise<CachedSource | BuildRefusal> {
  const versions = sourceVersions(await archive.sourceRecords(name), name).toReversed();
  const listed = versions.filter(({ version }) => rows.some((row) => row.version === version));
  const sources = { archive, cacheFolder: join(cacheFolder, "deb") };
  let refusal: BuildRefusal | undefined;
  for (const version of [...listed, ...versions]) {
    const source = await obtainSource(version, sources, progress);
    if (!isBuildRefusal(source)) return source;
    refusal = source;
  }
  return (
    refusal ??
    refuseBuild("no-such-package", {
      name,
      detail: "the archive does not have this source package",
      next: "check the machine's apt sources",
    })
  );
}

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
  const behaviour = await tryBehaviour(row, outcome.binaries, walk, options);
  const judged = judgeOutcome(outcome);
  const detail = [judged.detail ?? [], live.problems].flat().join("; ");
  const { applied, reverted } = live;
  const shown = { ...(detail !== "" && { detail }), ...behaviour };
  const found = { ...judged, seconds, applied, reverted, ...shown };
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

type Found = RowVerdict & Partial<Behaviour & Pick<RowRecord, "seconds" | "applied" | "reverted">>;

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
