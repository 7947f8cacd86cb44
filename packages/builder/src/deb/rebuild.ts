/**
 * Builds a source package again as the distribution did, and records how it compiles.
 *
 * The environment is that of a build machine, not of whoever runs this: a PATH with npm's
 * programs or a CFLAGS variable would make another program.
 */
import { existsSync } from "node:fs";
import { cp, mkdir, readFile, realpath, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BuildRoot, createBuildRoot } from "../build-root.ts";
import type { UnitDependencies } from "../changed-units.ts";
import { readAllDependencies } from "../compare-trees.ts";
import { commandsOfRuns } from "../compile-commands.ts";
import { createCompilerWrapper } from "../compiler-wrapper.ts";
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
}

export interface RebuildOptions {
  readonly archive: Archive;
}

/** The rebuild of a source package: from the cache, or made now, which takes minutes. */
export async function obtainRebuild(
  source: CachedSource,
  options: RebuildOptions,
  progress: (step: string) => void,
): Promise<Rebuild | BuildRefusal> {
  const { archive } = options;
  const parent = join(source.folder, "build");
  const env = await buildEnvironment(source, parent);
  const done = join(source.folder, "build.json");
  if (existsSync(done)) {
    const known: unknown = JSON.parse(await readFile(done, "utf8"));
    if (isOurs(known) && isComplete(known.packageRoot)) {
      const { packageRoot, ...rebuild } = known;
      return { ...rebuild, env, buildRoot: openRoot(packageRoot, { archive, source }) };
    }
  }
  const packageRoot = await obtainPackageRoot(source.tree, archive, progress);
  if (isBuildRefusal(packageRoot)) return packageRoot;
  const buildRoot = openRoot(packageRoot, { archive, source });
  await rm(parent, { recursive: true, force: true });
  await rm(join(source.folder, "objects"), { recursive: true, force: true });
  await mkdir(parent, { recursive: true });
  const root = join(await realpath(parent), source.version.name);
  const copy = { recursive: true, preserveTimestamps: true, verbatimSymlinks: true };
  await cp(source.tree, root, copy);
  const units = await recordBuild(source, { root, env, buildRoot }, progress);
  if (isBuildRefusal(units)) return units;
  const linked = await findLinkedFiles(root);
  await writeFile(done, JSON.stringify({ packageRoot, root, units, linked }));
  return { root, units, linked, env, buildRoot };
}

/** The cache's folder is seen inside, and the source's where it is not in the cache. */
function openRoot(
  packageRoot: PackageRoot,
  { archive, source }: { readonly archive: Archive; readonly source: CachedSource },
): BuildRoot {
  const { cacheFolder } = archive;
  const folders = isBelow(source.folder, cacheFolder)
    ? [cacheFolder]
    : [cacheFolder, source.folder];
  return createBuildRoot({
    ...packageRoot,
    binds: folders.map((path) => ({ from: path, to: path })),
  });
}

async function recordBuild(
  source: CachedSource,
  place: Pick<Rebuild, "root" | "env" | "buildRoot">,
  progress: (step: string) => void,
): Promise<readonly UnitDependencies[] | BuildRefusal> {
  const { name, version } = source.version;
  progress(`rebuilding ${name} ${version} (a first build takes minutes)`);
  const wrapper = await createCompilerWrapper(join(source.folder, "wrapper"), place);
  const argv = ["dpkg-buildpackage", "-b", "-us", "-uc", "-d"];
  const { root, env, buildRoot } = place;
  const options = { cwd: root, env: wrapper.env, buildRoot, timeoutMs: rebuildTimeoutMs };
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
  const commands = commandsOfRuns(await wrapper.readRuns(), existsSync);
  if (isBuildRefusal(commands)) return commands;
  const inTree = commands.filter(({ directory }) => `${directory}/`.startsWith(`${root}/`));
  if (inTree.length === 0) {
    return refuseBuild("nothing-recorded", {
      name: `${name} ${version}`,
      detail: "its build called no compiler by its plain name (gcc, cc, clang ...)",
      next: `read ${log}`,
    });
  }
  progress(`reading what ${inTree.length} units are made of`);
  return readAllDependencies(inTree, { recordedRoot: root, root, env, buildRoot });
}

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
    DEB_BUILD_OPTIONS: `nocheck nodoc parallel=${compilesAtOnce}`,
    ...(timestamp !== "" && { SOURCE_DATE_EPOCH: timestamp }),
  };
}

type KnownBuild = Omit<Rebuild, "env" | "buildRoot"> & { readonly packageRoot: PackageRoot };

/** The file was written by this program into a folder of the user's own cache. */
const isOurs = (value: unknown): value is KnownBuild =>
  typeof value === "object" && value !== null && "packageRoot" in value && "units" in value;
