/**
 * How long an author waits for a hotpatch once a package was built, and what the comparison takes.
 *
 * Package: redis. Its oldest version that the archive has is built first, in a cache of the
 * bench's own; that time is not measured. Then each fix that the newest version has more is built
 * by itself. Compiled units are thrown away before each, so that no fix finds another's.
 */
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildHotpatch, isBuildRefusal } from "@suture/builder";
import { parseElf, symbolTable } from "@suture/engine";
import { diffObjects } from "@suture/engine/differ";

const PACKAGE = "redis";
const STT_FILE = 4;

export interface FixRow {
  readonly fix: string;
  /** Units compiled before and after. */
  readonly units: number;
  /** `built`, or why not. */
  readonly outcome: string;
  readonly seconds: number;
}

export interface DiffRow {
  readonly unit: string;
  readonly KiB: number;
  readonly functions: number;
  readonly changed: number;
  readonly milliseconds: number;
  /** The most memory that a process which compares this pair once ever has, and before it does. */
  readonly peakMiB: number;
  readonly startMiB: number;
}

/** Fixes one by one, and the largest unit that the cache holds. */
export async function measureBuild(
  cacheFolder: string,
  progress: (line: string) => void,
): Promise<{ readonly fixes: readonly FixRow[]; readonly diff: readonly DiffRow[] }> {
  const request = {
    kind: "deb" as const,
    package: PACKAGE,
    from: "oldest",
    cacheFolder,
    env: process.env,
  };
  const whole = await buildHotpatch({ ...request, to: "newest" }, progress);
  if (isBuildRefusal(whole)) throw new Error(JSON.stringify(whole));
  const objects = folderOf(cacheFolder, "objects");
  const fixes: FixRow[] = [];
  for (const patch of newPatches(cacheFolder)) {
    rmSync(objects, { recursive: true, force: true });
    let units = 0;
    const begin = performance.now();
    const result = await buildHotpatch({ ...request, patches: [patch] }, (step) => {
      units = Number(/(\d+) changed units?/.exec(step)?.[1] ?? units);
    });
    const seconds = round((performance.now() - begin) / 1000);
    const outcome = isBuildRefusal(result) ? result.refused : "built";
    fixes.push({ fix: basename(patch), units, outcome, seconds });
    progress(`${basename(patch)}: ${seconds} s`);
  }
  const pair = largestPair(cacheFolder);
  const measured = pair.length === 0 ? [] : [measureInProcess(pair)];
  return { fixes, diff: measured };
}

/** The folder of that name in the cache of the package's oldest version. */
function folderOf(cacheFolder: string, name: string): string {
  const built = packageFolders(cacheFolder).find((path) => existsSync(join(path, "build.json")));
  if (built === undefined) throw new Error(`${cacheFolder} holds no build of ${PACKAGE}`);
  return join(built, name);
}

const packageFolders = (cacheFolder: string): string[] =>
  readdirSync(join(cacheFolder, "deb"))
    .filter((name) => name.startsWith(`${PACKAGE}_`))
    .map((name) => join(cacheFolder, "deb", name));

/** The patches that the newest version's series has and the oldest's lacks. */
function newPatches(cacheFolder: string): string[] {
  const old = new Set(seriesOf(folderOf(cacheFolder, "source")));
  return packageFolders(cacheFolder).flatMap((folder) =>
    seriesOf(join(folder, "source"))
      .filter((name) => !old.has(name))
      .map((name) => join(folder, "source/debian/patches", name)),
  );
}

function seriesOf(source: string): string[] {
  const file = join(source, "debian/patches/series");
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n") : [];
  return lines.filter((line) => /^[^#\s]/.test(line)).map((line) => line.trim());
}

/** The largest object of any package in the cache, and that of the same unit after a fix. */
function largestPair(cacheFolder: string): string[] {
  const objects = readdirSync(join(cacheFolder, "deb"))
    .map((name) => join(cacheFolder, "deb", name, "objects"))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((name) => join(folder, name)))
    .filter((path) => path.endsWith(".o"))
    .sort((a, b) => statSync(b).size - statSync(a).size);
  const [largest, ...others] = objects;
  if (largest === undefined) return [];
  const unit = unitOf(largest);
  return [largest, others.find((path) => unitOf(path) === unit) ?? largest];
}

const unitOf = (path: string): string =>
  symbolTable(parseElf(readFileSync(path))).find(({ type }) => type === STT_FILE)?.name ?? path;

/** Compares once in a fresh process, whose memory is nobody else's. */
function measureInProcess([before = "", after = ""]: readonly string[]): DiffRow {
  const main = fileURLToPath(new URL("main.ts", import.meta.url));
  const argv = [main, "compare", before, after, "--json"];
  return JSON.parse(execFileSync(process.execPath, argv, { encoding: "utf8" })) as DiffRow;
}

/** What one comparison takes, in this process. */
export function measureCompare(before: string, after: string): DiffRow {
  const startMiB = peak();
  const bytes = [before, after].map((path) => readFileSync(path));
  const begin = performance.now();
  const [one, two] = bytes.map((each) => parseElf(each));
  if (one === undefined || two === undefined) throw new Error("two objects are compared");
  const { changed } = diffObjects(one, two);
  const milliseconds = Math.round(performance.now() - begin);
  const functions = symbolTable(one).filter(({ type, st_size }) => type === 2 && st_size > 0);
  return {
    unit: unitOf(before),
    KiB: Math.round((bytes[0]?.length ?? 0) / 1024),
    functions: functions.length,
    changed: changed.length,
    milliseconds,
    peakMiB: peak(),
    startMiB,
  };
}

const peak = (): number => Math.round(process.resourceUsage().maxRSS / 1024);
const round = (value: number): number => Math.round(value * 100) / 100;
