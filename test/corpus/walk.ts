/**
 * A package that is built once and then walked along its series of patches.
 *
 * A fix of the corpus is one patch, or a few in a row, of debian/patches/series. What runs before
 * it is the package with all patches up to it. To build that from nothing for each fix takes
 * minutes; but between two fixes only a few files change, so the tree is built once with the
 * patches behind the first fix taken off, and goes on from there: the patches in between are
 * applied, and the package's own make compiles and links what they touch.
 *
 * Two trees stand beside each other, because a build changes sources too (autoreconf writes
 * configure anew): the patches are applied in `source`, which nothing is built in, and the files
 * that they change are copied to the built tree where it still has what `source` had before.
 */
import { existsSync } from "node:fs";
import {
  chmod,
  copyFile,
  cp,
  mkdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { UnitDependencies } from "../../packages/builder/src/changed-units.ts";
import {
  obtainEarlierSource,
  PATCH_OPTIONS,
} from "../../packages/builder/src/deb/earlier-source.ts";
import { treeCopyOptions } from "../../packages/builder/src/deb/fixed-root.ts";
import { findLinkedFiles } from "../../packages/builder/src/deb/linked-files.ts";
import {
  obtainRebuild,
  type Rebuild,
  type RebuildOptions,
} from "../../packages/builder/src/deb/rebuild.ts";
import { obtainShippedFiles } from "../../packages/builder/src/deb/shipped-files.ts";
import { type CachedSource, readSeries } from "../../packages/builder/src/deb/source-package.ts";
import { parsePatchFile } from "../../packages/builder/src/patch-file.ts";
import { type BuildRefusal, isBuildRefusal } from "../../packages/builder/src/refusals.ts";
import { failureText, runCommand } from "../../packages/builder/src/run-command.ts";
import { remake, sourceOf } from "./remake.ts";

/** A program or library that the package ships, and where its build puts it. */
export interface ShippedBinary {
  /** Its path in the package. */
  readonly path: string;
  /** Its path in the built tree, with symbols. */
  readonly built: string;
}

export interface Walk {
  readonly series: readonly string[];
  /** The served source with all patches: where they are read from. */
  readonly served: CachedSource;
  /** The source at the walk's position. */
  readonly source: CachedSource;
  readonly options: RebuildOptions;
  rebuild: Rebuild;
  binaries: readonly ShippedBinary[];
  /** What ships and was not found in the built tree. */
  missing: readonly string[];
  /** How many patches of the series are applied. */
  position: number;
}

export type Progress = (step: string) => void;

/** What is written down between two runs. */
interface WalkState {
  readonly series: readonly string[];
  readonly position: number;
  readonly rebuild: Omit<Rebuild, "env" | "buildRoot">;
  readonly binaries: readonly ShippedBinary[];
  readonly missing: readonly string[];
}

/**
 * The patches that a walk takes off and puts on again, in the order of the series: those of the
 * list. Others stay, for the packaging may need them. Where those of the list do not come off by
 * themselves, all do from the first of them on. A walk goes on with what it began with.
 */
export async function seriesOfWalk(
  served: CachedSource,
  listed: ReadonlySet<string>,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly string[]> {
  const stateFile = join(served.folder, "walk/walk.json");
  if (existsSync(stateFile)) {
    return (JSON.parse(await readFile(stateFile, "utf8")) as WalkState).series;
  }
  const all = await readSeries(served.tree);
  const own = all.filter((name) => listed.has(name));
  const earlier = await obtainEarlierSource(served, own, env);
  return isBuildRefusal(earlier) ? all : own;
}

/** Opens the walk of a package at `position`, or where an earlier run left it. */
export async function openWalk(
  served: CachedSource,
  { series, start }: { readonly series: readonly string[]; readonly start: number },
  options: RebuildOptions,
  progress: Progress,
): Promise<Walk | BuildRefusal> {
  const folder = join(served.folder, "walk");
  const source = { version: served.version, folder, tree: join(folder, "source") };
  const stateFile = join(folder, "walk.json");
  if (existsSync(stateFile)) {
    const state = JSON.parse(await readFile(stateFile, "utf8")) as WalkState;
    const fresh = await obtainRebuild(source, options, progress);
    if (isBuildRefusal(fresh)) return fresh;
    return {
      ...{ series, served, source, options },
      ...state,
      rebuild: { ...fresh, ...state.rebuild },
    };
  }
  await rm(folder, { recursive: true, force: true });
  const earlier = await obtainEarlierSource(served, series.slice(start), options.archive.env);
  if (isBuildRefusal(earlier)) return earlier;
  await cp(earlier.tree, source.tree, treeCopyOptions);
  return buildHere({ series, served, source, options }, start, progress);
}

async function buildHere(
  walk: Pick<Walk, "series" | "served" | "source" | "options">,
  position: number,
  progress: Progress,
): Promise<Walk | BuildRefusal> {
  const { source, options } = walk;
  for (const name of ["build.json", "shipped.done"]) {
    await rm(join(source.folder, name), { force: true });
  }
  const rebuild = await obtainRebuild(source, options, progress);
  if (isBuildRefusal(rebuild)) return rebuild;
  const built = dirname(rebuild.root);
  const shipped = await obtainShippedFiles(source, { archive: options.archive, built }, progress);
  if (isBuildRefusal(shipped)) return shipped;
  const paths = new Set(rebuild.linked.map((file) => file.path));
  const candidates = rebuild.linked.filter(
    (file) =>
      file.hasSymbols &&
      !file.path.startsWith("debian/.") &&
      !isPackaged(file.path) &&
      !isRelinked(file.path, paths),
  );
  const binaries = shipped.flatMap(({ path, buildId }) => {
    const found =
      candidates.find((file) => file.buildId === buildId) ??
      candidates.find((file) => nameOf(file.path) === nameOf(path));
    return found === undefined ? [] : [{ path, built: found.path }];
  });
  const missing = shipped
    .map(({ path }) => path)
    .filter((path) => !binaries.some((binary) => binary.path === path));
  for (const path of missing) progress(`${path} was not found in the built tree`);
  const result = { ...walk, rebuild, binaries, missing, position };
  await saveWalk(result);
  return result;
}

/** Without what is added to the name of a Python module when it is installed (PEP 3149). */
const nameOf = (path: string): string => basename(path).replace(/\.cpython-[^./]+(?=\.so$)/, "");

/** Files that were installed into debian/PACKAGE or debian/tmp: no make links them again. */
const isPackaged = (path: string): boolean =>
  /^debian\/[^/]+\/(?:usr|s?bin|etc|lib\/(?:[^/]+-linux-[^/]+|systemd|udev|security))\//.test(path);

/** What libtool linked once more to install it: a T behind the name of what make links. */
const isRelinked = (path: string, paths: ReadonlySet<string>): boolean =>
  path.endsWith("T") && paths.has(path.slice(0, -1));

/** Goes to another place of the series; where make fails, everything is built anew there. */
export async function moveWalk(
  walk: Walk,
  position: number,
  progress: Progress,
): Promise<BuildRefusal | undefined> {
  if (walk.position === position) return undefined;
  const forward = position > walk.position;
  const [low, high] = forward ? [walk.position, position] : [position, walk.position];
  const names = walk.series.slice(low, high);
  await rm(join(walk.source.folder, "walk.json"), { force: true });
  progress(`${forward ? "applying" : "taking off"} ${names.length} patches and making again`);
  const touched = new Set<string>();
  for (const name of forward ? names : names.toReversed()) {
    const failed = await movePatch(walk, { name, forward }, touched);
    if (failed !== undefined) return failed;
  }
  walk.position = position;
  const made = await remake(walk, touched, progress);
  if (isBuildRefusal(made)) {
    progress(`building everything: make did not succeed (${made.items[0]?.detail.slice(-200)})`);
    return rebuildHere(walk, progress);
  }
  const linked = await findLinkedFiles(walk.rebuild.root);
  walk.rebuild = { ...walk.rebuild, units: made, linked };
  await saveWalk(walk);
  return undefined;
}

/** Builds everything again where the walk stands. */
export async function rebuildHere(
  walk: Walk,
  progress: Progress,
): Promise<BuildRefusal | undefined> {
  const anew = await buildHere(walk, walk.position, progress);
  if (isBuildRefusal(anew)) return anew;
  walk.rebuild = anew.rebuild;
  walk.binaries = anew.binaries;
  walk.missing = anew.missing;
  return undefined;
}

async function movePatch(
  walk: Walk,
  { name, forward }: { readonly name: string; readonly forward: boolean },
  touched: Set<string>,
): Promise<BuildRefusal | undefined> {
  const patch = join(walk.served.tree, "debian/patches", name);
  const { files } = parsePatchFile(name, await readFile(patch, "latin1"));
  const paths = [...new Set(files.map(({ path }) => path))];
  const { tree } = walk.source;
  const before = new Map<string, Buffer | undefined>();
  for (const path of paths) before.set(path, await contentOf(join(tree, path)));
  const direction = forward ? ["--forward"] : ["-R"];
  const argv = ["patch", ...PATCH_OPTIONS, ...direction, "-i", patch];
  const result = await runCommand(argv, { cwd: tree, env: { ...process.env, LC_ALL: "C" } });
  if (result.code !== 0) {
    const detail = failureText(result);
    const next = "remove the package's folder in the cache";
    return {
      refused: "patch-does-not-apply",
      items: [{ name, code: "patch-does-not-apply", detail }],
      next,
    };
  }
  for (const path of paths) await copyChange(walk, { path, was: before.get(path) }, touched);
  return undefined;
}

/** Copies a patched file to the built tree, unless the build wrote one of its own there. */
async function copyChange(
  walk: Walk,
  { path, was }: { readonly path: string; readonly was: Buffer | undefined },
  touched: Set<string>,
): Promise<void> {
  const [from, target] = [join(walk.source.tree, path), join(walk.rebuild.root, path)];
  const there = await contentOf(target);
  if (there !== undefined && was !== undefined && !there.equals(was)) return;
  if (!existsSync(from)) return rm(target, { force: true });
  await mkdir(dirname(target), { recursive: true });
  await copyFile(from, target);
  await chmod(target, (await stat(from)).mode);
  // Makefiles without dependencies on headers must compile the units too.
  for (const { command, files } of walk.rebuild.units as readonly UnitDependencies[]) {
    if (!files.includes(target)) continue;
    const unit = sourceOf(command);
    const now = new Date();
    if (!existsSync(unit)) continue;
    await utimes(unit, now, now);
    if (command.output !== undefined) touched.add(unit);
  }
}

const contentOf = async (path: string): Promise<Buffer | undefined> =>
  existsSync(path) ? readFile(path) : undefined;

async function saveWalk(walk: Walk): Promise<void> {
  const { source, series, position, rebuild, binaries, missing } = walk;
  const { env: _, buildRoot: __, ...kept } = rebuild;
  const state: WalkState = { series, position, rebuild: kept, binaries, missing };
  await writeFile(join(source.folder, "walk.json"), JSON.stringify(state));
}
