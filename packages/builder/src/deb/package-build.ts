/** Builds a hotpatch for a program or library of a distribution's package. */
import { cp, mkdir, mkdtemp, readFile, realpath, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { applyPatch } from "../apply-patch.ts";
import { assembleHotpatch } from "../assemble.ts";
import { type ChangedFile, compareTrees, digestChanges } from "../changed-files.ts";
import { generatorNotes } from "../changed-units.ts";
import { type CompiledFix, compileBoth } from "../compare-trees.ts";
import { compilerVersion } from "../compile-unit.ts";
import { addedPatches, cvesIn, type PatchFile, parsePatchFile } from "../patch-file.ts";
import { type BuildRefusal, combineRefusals, isBuildRefusal } from "../refusals.ts";
import { nameFixes } from "../refused-fixes.ts";
import type { BuildResult, DebRequest, Progress } from "../request.ts";
import { type Archive, openArchive } from "./archive.ts";
import { findBuildPath } from "./build-path.ts";
import { chooseModule } from "./choose-module.ts";
import { chooseVersions } from "./choose-versions.ts";
import { obtainEarlierSource } from "./earlier-source.ts";
import { isPackaging, makeFixedRoot, treeCopyOptions } from "./fixed-root.ts";
import { obtainRebuild, type Rebuild } from "./rebuild.ts";
import { obtainShippedFiles, type ShippedFile } from "./shipped-files.ts";
import { type CachedSource, obtainSource, readSeries } from "./source-package.ts";

/** A request without any fix means the newest version. */
function withFix(asked: DebRequest): DebRequest {
  const { to, ...rest } = asked;
  if ((asked.patches ?? asked.withoutPatches ?? []).length > 0) return rest;
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

/** The source with the fix, and what the fix consists of. */
interface FixedSource {
  readonly tree: string;
  readonly label: string;
  readonly patches: readonly PatchFile[];
  /** Without patches of their own (a new upstream version) the whole difference is one fix. */
  readonly cves: readonly string[];
  readonly notes: readonly string[];
}

async function prepareFix(
  request: DebRequest,
  place: {
    readonly from: CachedSource;
    readonly to: CachedSource | undefined;
    readonly scratch: string;
  },
): Promise<FixedSource | BuildRefusal> {
  const { from, to, scratch } = place;
  if (to !== undefined) {
    const names = addedPatches(await readSeries(from.tree), await readSeries(to.tree));
    const patches = await Promise.all(
      names.map(async (name) =>
        parsePatchFile(name, await readFile(join(to.tree, "debian/patches", name), "latin1")),
      ),
    );
    const label = `${to.version.name} ${to.version.version}`;
    return { tree: to.tree, label, patches, cves: await newCves(from, to), notes: [] };
  }
  const tree = join(scratch, "patched");
  await cp(from.tree, tree, treeCopyOptions);
  const patches: PatchFile[] = [];
  const notes: string[] = [];
  for (const patch of request.patches ?? []) {
    const applied = await applyPatch(patch, tree, request.env);
    if (isBuildRefusal(applied)) return applied;
    notes.push(...applied);
    patches.push(parsePatchFile(basename(patch), await readFile(patch, "latin1")));
  }
  return { tree, label: patches.map(({ name }) => name).join(", "), patches, cves: [], notes };
}

/** CVE ids that only the newer changelog has. */
async function newCves(from: CachedSource, to: CachedSource): Promise<readonly string[]> {
  const [before, after] = await Promise.all(
    [from, to].map(({ tree }) => readFile(join(tree, "debian/changelog"), "utf8")),
  );
  const known = cvesIn(before ?? "");
  return cvesIn(after ?? "").filter((cve) => !known.includes(cve));
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
  const built = { archive, built: dirname(rebuild.root) };
  const shipped = rebuilt ? await obtainShippedFiles(from, built, progress) : served;
  if (isBuildRefusal(shipped)) return shipped;
  const fixedRoot = join(scratch, "fixed");
  await makeFixedRoot({ root: rebuild.root, fixedRoot, fixedSource: fixed.tree, changes });
  const fixDigest = await digestChanges(changes, fixed.tree);
  const objectCache = { folder: join(from.folder, "objects"), fixDigest };
  const trees = { ...rebuild, fixedRoot, changes, scratch, objectCache };
  const compiled = await compileBoth(trees, progress);
  if (isBuildRefusal(compiled)) return compiled;
  const patches = patchesOf(fixed, changes);
  const place = { request, rebuild, shipped, compiled, patches };
  const result = await assemble({ ...place, from, fixed, changes }, progress);
  const concerned = { patches, units: compiled.selected };
  return isBuildRefusal(result) ? nameFixes(result, concerned) : result;
}

async function assemble(
  build: {
    readonly request: DebRequest;
    readonly from: CachedSource;
    readonly fixed: FixedSource;
    readonly changes: readonly ChangedFile[];
    readonly rebuild: Rebuild;
    readonly shipped: readonly ShippedFile[];
    readonly compiled: CompiledFix;
    readonly patches: readonly PatchFile[];
  },
  progress: Progress,
): Promise<BuildResult> {
  const { request, from, fixed, rebuild, shipped, patches } = build;
  const { compiled, refused } = build.compiled;
  const [first, ...others] = refused;
  if (first !== undefined && compiled.length === 0) return combineRefusals(first, others);
  progress("finding the changed units in what ships");
  const chosen = await chooseModule(request, { shipped, rebuild, compiled });
  if (isBuildRefusal(chosen)) {
    return first === undefined ? chosen : combineRefusals(first, [...others, chosen]);
  }
  progress(`comparing functions for ${chosen.module.name} and writing the hotpatch`);
  const { name, version } = from.version;
  const compiler = chosen.units[0]?.unit.command.compiler ?? "gcc";
  const assembled = assembleHotpatch(chosen.units, chosen.module, {
    package: name,
    version,
    sequence: request.sequence ?? 1,
    source: [`${name} ${version}`, ...(request.withoutPatches ?? [])].join(" without "),
    fixedBy: fixed.label,
    compiler: await compilerVersion(compiler, rebuild),
    proof: chosen.proof,
    patches,
    refused: [...refused, ...chosen.refused],
  });
  if (isBuildRefusal(assembled)) return assembled;
  const notes = [...chosen.notes, ...fixed.notes, ...generatorNotes(build.changes)];
  return { ...assembled, notes, binary: chosen.shipped.absolute };
}

/** The fix's patches; one without any (a new upstream version) is one patch of all changes. */
function patchesOf(fixed: FixedSource, changes: readonly ChangedFile[]): readonly PatchFile[] {
  if (fixed.patches.length > 0) return fixed.patches;
  const files = changes.map(({ path }) => ({ path, words: new Set<string>() }));
  return [{ name: fixed.label, cves: fixed.cves, files }];
}
