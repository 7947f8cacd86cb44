/**
 * Builds a source package again as the distribution did, and records how it compiles.
 *
 * The environment is that of a build machine, not of whoever runs this: a PATH with npm's
 * programs or a CFLAGS variable would make another program.
 */
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { type BuildRoot, createBuildRoot } from "../build-root.ts";
import type { UnitDependencies } from "../changed-units.ts";
import { readAllDependencies } from "../compare-trees.ts";
import { commandsOfRuns, type RecordedRun } from "../compile-commands.ts";
import { movePath } from "../compile-unit.ts";
import { parseArguments } from "../compiler-arguments.ts";
import { createCompilerWrapper, type MakeRun } from "../compiler-wrapper.ts";
import { relocateLinks } from "../fixed-tree.ts";
import { compilesAtOnce, rebuildTimeoutMs } from "../limits.ts";
import { type BuildRefusal, isBuildRefusal, refuseBuild } from "../refusals.ts";
import { failureText, runCommand } from "../run-command.ts";
import type { Archive } from "./archive.ts";
import {
  isBelow,
  isComplete,
  obtainPackageRoot,
  type PackageRoot,
  rootPath,
} from "./build-dependencies.ts";
import { linkCopies } from "./link-copies.ts";
import { findLinkedFiles, type LinkedFile } from "./linked-files.ts";
import type { CachedSource } from "./source-package.ts";

/** A source package as it was built here. */
export interface Rebuild {
  /** The source tree with all that the build made in it. */
  readonly root: string;
  readonly units: readonly UnitDependencies[];
  /** What was linked, relative to `root`. */
  readonly linked: readonly LinkedFile[];
  /** The environment of its compilations. */
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where it was built, and where all its compilations run. */
  readonly buildRoot: BuildRoot;
  /** The outermost runs of make and ninja, in their order: again, they bring the tree up to date. */
  readonly makes: readonly MakeRun[];
  /** What made libraries and programs of objects (compilers, ar, ranlib, ld), in its order. */
  readonly links: readonly RecordedRun[];
}

export interface RebuildOptions {
  readonly archive: Archive;
  /**
   * The absolute path that the tree has inside while it is built, where the shipped program
   * depends on it (`findBuildPath`); its place in the cache unless given.
   */
  readonly buildPath?: string | undefined;
}

/** The rebuild of a source package: from the cache, or made now, which takes minutes. */
export async function obtainRebuild(
  source: CachedSource,
  options: RebuildOptions,
  progress: (step: string) => void,
): Promise<Rebuild | BuildRefusal> {
  const { archive, buildPath } = options;
  await mkdir(source.folder, { recursive: true });
  const parent = join(await realpath(source.folder), "build");
  const env = await buildEnvironment(source, parent);
  const done = join(source.folder, "build.json");
  const place = { archive, source, parent, buildPath };
  if (existsSync(done)) {
    const known: unknown = JSON.parse(await readFile(done, "utf8"));
    if (isOurs(known) && known.buildPath === buildPath && isComplete(known.packageRoot)) {
      const { packageRoot, buildPath: _, ...rebuild } = known;
      return { ...rebuild, env, buildRoot: openRoot(packageRoot, place) };
    }
  }
  const without = await rebuildHere({ ...place, env, documentation: false }, progress);
  if (!isBuildRefusal(without) || without.refused !== "build-failed") return without;
  progress("building it once more with its documentation, which some packages do not do without");
  return rebuildHere({ ...place, env, documentation: true }, progress);
}

interface RebuildPlace {
  readonly archive: Archive;
  readonly source: CachedSource;
  readonly parent: string;
  readonly buildPath: string | undefined;
  readonly env: Rebuild["env"];
  readonly documentation: boolean;
}

async function rebuildHere(
  place: RebuildPlace,
  progress: (step: string) => void,
): Promise<Rebuild | BuildRefusal> {
  const { source, parent, buildPath, documentation } = place;
  const packageRoot = await obtainPackageRoot(source, place, progress);
  if (isBuildRefusal(packageRoot)) return packageRoot;
  const buildRoot = openRoot(packageRoot, place);
  const env = documentation ? { ...place.env, DEB_BUILD_OPTIONS: buildOptions } : place.env;
  // First what says that the build is complete: this may be interrupted anywhere.
  const done = join(source.folder, "build.json");
  await rm(done, { force: true });
  await rm(parent, { recursive: true, force: true });
  await rm(join(source.folder, "objects"), { recursive: true, force: true });
  await mkdir(parent);
  const root = join(parent, buildPath === undefined ? source.version.name : basename(buildPath));
  const copy = { recursive: true, preserveTimestamps: true, verbatimSymlinks: true };
  await cp(source.tree, root, copy);
  const recorded = await recordBuild(source, { root, env, buildRoot, buildPath }, progress);
  if (isBuildRefusal(recorded)) return recorded;
  const linked = await findLinkedFiles(root);
  const rebuild = { root, ...recorded, linked };
  await writeFile(done, JSON.stringify({ packageRoot, buildPath, ...rebuild }));
  return { ...rebuild, env, buildRoot };
}

/**
 * The cache's folder is seen inside, the source's where it is not in the cache, and the folder
 * around the tree a second time where the build wants another path.
 */
function openRoot(
  packageRoot: PackageRoot,
  place: {
    readonly archive: Archive;
    readonly source: CachedSource;
    readonly parent: string;
    readonly buildPath: string | undefined;
  },
): BuildRoot {
  const { archive, parent, buildPath } = place;
  const { cacheFolder } = archive;
  const own = dirname(parent);
  const folders = isBelow(own, cacheFolder) ? [cacheFolder] : [cacheFolder, own];
  const binds = folders.map((path) => ({ from: path, to: path }));
  if (buildPath !== undefined) binds.push({ from: parent, to: dirname(buildPath) });
  return createBuildRoot({ ...packageRoot, binds });
}

type Recorded = Pick<Rebuild, "units" | "makes" | "links">;

async function recordBuild(
  source: CachedSource,
  place: Pick<Rebuild, "root" | "env" | "buildRoot"> & { readonly buildPath: string | undefined },
  progress: (step: string) => void,
): Promise<Recorded | BuildRefusal> {
  const { name, version } = source.version;
  progress(`rebuilding ${name} ${version} (a first build takes minutes)`);
  const wrapper = await createCompilerWrapper(join(source.folder, "wrapper"), place);
  const argv = ["dpkg-buildpackage", "-b", "-us", "-uc", "-d"];
  const { root, env, buildRoot, buildPath = root } = place;
  const options = { cwd: buildPath, env: wrapper.env, buildRoot, timeoutMs: rebuildTimeoutMs };
  const result = await runCommand(argv, options);
  const log = join(source.folder, "build.log");
  await writeFile(log, `${result.stdout}\n${result.stderr}`);
  if (result.code !== 0) {
    return refuseBuild("build-failed", {
      name: `${name} ${version}`,
      detail: failureText(result),
      next: `read ${log}`,
    });
  }
  const inTree = async <Run extends RecordedRun>(runs: Promise<readonly Run[]>) =>
    moveRuns(await runs, { recordedRoot: buildPath, root });
  const commands = commandsOfRuns(await inTree(wrapper.readRuns()), existsSync);
  if (isBuildRefusal(commands)) return commands;
  if (commands.length === 0) {
    return refuseBuild("nothing-recorded", {
      name: `${name} ${version}`,
      detail: "its build called no compiler by its plain name (gcc, cc, clang ...)",
      next: `read ${log}`,
    });
  }
  const makes = await inTree(wrapper.readMakeRuns());
  const links = (await inTree(wrapper.readLinkRuns())).filter(isOutputThere);
  progress(`reading what ${commands.length} units are made of`);
  await relocateLinks(root, [root, buildPath]);
  const at = { recordedRoot: root, root, env, buildRoot };
  const units = await readAllDependencies(commands, at);
  return { units: await linkCopies(units, { root, tree: source.tree }), makes, links };
}

/**
 * The runs inside the tree, with its path in the cache for the one it had while it was built: the
 * results are read outside, and compilations give the same code from there, for options that map
 * the path away are changed with it.
 */
function moveRuns<Run extends RecordedRun>(
  runs: readonly Run[],
  paths: { readonly recordedRoot: string; readonly root: string },
): readonly Run[] {
  return runs
    .filter(({ directory }) => isBelow(directory, paths.recordedRoot))
    .map((run) => ({
      ...run,
      directory: movePath(run.directory, paths),
      argv: run.argv.map((word) => movePath(word, paths)),
      ...(run.env !== undefined && {
        env: Object.fromEntries(
          Object.entries(run.env).map(([name, value]) => [name, movePath(value, paths)]),
        ),
      }),
    }));
}

/** Configure's tests link too, and remove what they made. */
function isOutputThere({ directory, argv }: RecordedRun): boolean {
  const archive = /(?:ar|ranlib)(?:-[0-9.]+)?$/.test(argv[0] ?? "");
  const output = archive
    ? argv.slice(1).find((word) => /\.a$/.test(word))
    : (parseArguments(argv.slice(1)).output ?? "a.out");
  return output === undefined || existsSync(resolve(directory, output));
}

const buildOptions = `nocheck parallel=${compilesAtOnce}`;

async function buildEnvironment(source: CachedSource, parent: string): Promise<Rebuild["env"]> {
  const home = join(source.folder, "home");
  await mkdir(home, { recursive: true });
  const base = { PATH: rootPath, HOME: home, LC_ALL: "C.UTF-8", LANG: "C.UTF-8", TZ: "UTC" };
  const argv = ["dpkg-parsechangelog", "-S", "Timestamp"];
  const timestamp = (await runCommand(argv, { cwd: source.tree, env: base })).stdout.trim();
  return {
    ...base,
    // A git checkout above the cache is not the package's: programs build its revision in.
    GIT_CEILING_DIRECTORIES: parent,
    DEB_BUILD_OPTIONS: `${buildOptions} nodoc`,
    // A source without its last patches may lack symbols that its packaging lists.
    DPKG_GENSYMBOLS_CHECK_LEVEL: "0",
    ...(timestamp !== "" && { SOURCE_DATE_EPOCH: timestamp }),
  };
}

type KnownBuild = Omit<Rebuild, "env" | "buildRoot"> & {
  readonly packageRoot: PackageRoot;
  readonly buildPath?: string;
};

/** The file was written by this program into a folder of the user's own cache. */
const isOurs = (value: unknown): value is KnownBuild =>
  typeof value === "object" && value !== null && "packageRoot" in value && "links" in value;
