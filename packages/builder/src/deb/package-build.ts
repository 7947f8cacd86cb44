/** Builds hotpatches for the programs and libraries of a distribution's package. */
import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  type BinaryBuild,
  buildForBinary,
  type FixSet,
  refusedForAll,
} from "../build-for-binary.ts";
import { compareTrees } from "../changed-files.ts";
import { generatorNotes } from "../changed-units.ts";
import { compilerVersion } from "../compile-unit.ts";
import { placeFix } from "../module-outcome.ts";
import { type BuildRefusal, isBuildRefusal } from "../refusals.ts";
import type { BuildResult, DebRequest, Progress, ServedPackage } from "../request.ts";
import { type Archive, openArchive } from "./archive.ts";
import { findBuildPath } from "./build-path.ts";
import { type OpenedBinary, openBinaries, unitsThatShip } from "./choose-module.ts";
import { chooseVersions } from "./choose-versions.ts";
import { obtainEarlierSource } from "./earlier-source.ts";
import { makeFixSet } from "./fix-set.ts";
import { isPackaging } from "./fixed-root.ts";
import { type BuiltBinary, resultOf } from "./package-result.ts";
import { type FixedSource, patchesOf, prepareFix } from "./prepare-fix.ts";
import { obtainRebuild, type Rebuild } from "./rebuild.ts";
import { obtainShippedFiles } from "./shipped-files.ts";
import { type CachedSource, obtainSource } from "./source-package.ts";

/** A request without any fix means the newest version. */
function withFix(asked: DebRequest): DebRequest {
  const { to, ...rest } = asked;
  const isGiven = (asked.patches ?? []).length > 0 || (asked.withoutPatches ?? []).length > 0;
  if (to === undefined && isGiven) return rest;
  return { ...rest, to: to ?? "newest" };
}

export async function buildFromPackage(
  asked: DebRequest,
  progress: Progress,
): Promise<BuildResult> {
  const request = withFix(asked);
  await mkdir(request.cacheFolder, { recursive: true });
  const cacheFolder = join(await realpath(request.cacheFolder), "deb");
  const place = {
    folder: join(cacheFolder, "apt"),
    env: request.env,
    options: request.archive ?? {},
  };
  const archive = await openArchive(place, progress);
  if (isBuildRefusal(archive)) return archive;
  const versions = await chooseVersions(request, archive);
  if (isBuildRefusal(versions)) return versions;
  const sources = { archive, cacheFolder };
  const served = await obtainSource(versions.from, sources, progress);
  if (isBuildRefusal(served)) return served;
  const to = versions.to && (await obtainSource(versions.to, sources, progress));
  if (isBuildRefusal(to)) return to;
  const { withoutPatches = [] } = request;
  const from =
    withoutPatches.length === 0
      ? served
      : await obtainEarlierSource(served, withoutPatches, archive.env);
  if (isBuildRefusal(from)) return from;
  const scratch = await mkdtemp(join(cacheFolder, "work-"));
  try {
    const fixed = await prepareFix(request, { from, to: from === served ? to : served, scratch });
    if (isBuildRefusal(fixed)) return fixed;
    return await buildBetween(request, { archive, from, fixed, scratch }, progress);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function buildBetween(
  request: DebRequest,
  parts: {
    readonly archive: Archive;
    readonly from: CachedSource;
    readonly fixed: FixedSource;
    readonly scratch: string;
  },
  progress: Progress,
): Promise<BuildResult> {
  const { archive, from, fixed, scratch } = parts;
  const changes = await compareTrees(from.tree, fixed.tree, isPackaging);
  const rebuilt = (request.withoutPatches ?? []).length > 0;
  const served = rebuilt ? [] : await obtainShippedFiles(from, { archive }, progress);
  if (isBuildRefusal(served)) return served;
  const buildPath = await findBuildPath(served, from.version);
  const rebuild = await obtainRebuild(from, { archive, buildPath }, progress);
  if (isBuildRefusal(rebuild)) return rebuild;
  const place = { archive, built: dirname(rebuild.root) };
  const shipped = rebuilt ? await obtainShippedFiles(from, place, progress) : served;
  if (isBuildRefusal(shipped)) return shipped;
  const binaries = await openBinaries(request, { shipped, rebuild });
  if (isBuildRefusal(binaries)) return binaries;
  const patches = patchesOf(fixed, changes);
  const set = await makeFixSet(
    {
      ...{ from: from.tree, to: fixed.tree, sources: fixed.sources, patches },
      ...{ rebuild, changes, scratch, env: request.env },
      units: unitsThatShip(rebuild.units, binaries),
      objectFolder: join(from.folder, "objects"),
      // Patches that were given are what the author wants; versions are what there is.
      mayLeaveOut: request.to !== undefined,
    },
    progress,
  );
  const about = servedPackage(from, fixed, binaries);
  if (isBuildRefusal(set)) return { ...resultOf(patches, { refusal: set }), package: about };
  const built = await buildAll(request, { from, fixed, rebuild, binaries, set }, progress);
  const notes = [...fixed.notes, ...generatorNotes(changes)];
  return { ...resultOf(patches, { built, notes, set }), package: about };
}

function servedPackage(
  { version: { name, version } }: CachedSource,
  fixed: FixedSource,
  binaries: readonly OpenedBinary[],
): ServedPackage {
  const components = binaries.map(({ module }) => ({
    ...{ file: module.name, buildId: module.buildId, package: name, version },
  }));
  return { name, version, fixedBy: fixed.label, components };
}

async function buildAll(
  request: DebRequest,
  build: {
    readonly from: CachedSource;
    readonly fixed: FixedSource;
    readonly rebuild: Rebuild;
    readonly binaries: readonly OpenedBinary[];
    readonly set: FixSet;
  },
  progress: Progress,
): Promise<readonly BuiltBinary[]> {
  const { from, fixed, rebuild, binaries, set } = build;
  const { name, version } = from.version;
  const compiler = rebuild.units[0]?.command.compiler ?? "gcc";
  const about = {
    package: name,
    version,
    source: [`${name} ${version}`, ...(request.withoutPatches ?? [])].join(" without "),
    fixedBy: fixed.label,
    compiler: await compilerVersion(compiler, rebuild),
  };
  const built: BuiltBinary[] = [];
  for (const binary of binaries) {
    const { module, shipped } = binary;
    progress(`comparing functions for ${module.name}`);
    const sequence = request.sequenceOf?.(module.buildId) ?? request.sequence ?? 1;
    const found =
      "proof" in binary
        ? await buildForBinary(set, module, { ...about, sequence, proof: binary.proof })
        : unproven(set, binary);
    // Of several names of one file, the one that it is known by.
    const file = shipped.names.find((path) => basename(path) === module.name) ?? shipped.path;
    built.push({ ...found, file, absolute: shipped.absolute, module });
  }
  return built;
}

/** Nothing is replaced in a file that is not shown to be the source's; it may be concerned. */
function unproven(
  set: FixSet,
  { module, refusal }: Extract<OpenedBinary, { readonly refusal: BuildRefusal }>,
): BinaryBuild {
  const placed = placeFix(set.everything, module);
  const isConcerned = placed.units.length > 0 || placed.refused.length > 0;
  return isConcerned ? refusedForAll(set, refusal, placed) : { fixes: new Map(), absent: [] };
}
