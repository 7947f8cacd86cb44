/**
 * The fixes of a package build: what each does by itself, and any choice of them compiled.
 *
 * Patches are applied one after the other to the source of what runs. Where that ends in the
 * fixed source, every place on the way is known, and each patch is compiled between the place
 * before it and the one behind it. Where it does not (a new upstream version, a patch that was
 * replaced), the whole difference is one fix.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { DoesNotApply, FixSet } from "../build-for-binary.ts";
import { type ChangedFile, compareTrees, digestChanges } from "../changed-files.ts";
import type { UnitDependencies } from "../changed-units.ts";
import { type CompiledFix, compileBoth, type TreePair } from "../compare-trees.ts";
import { type FixStep, readStep } from "../fix-effects.ts";
import { overlayChanges, restoreLineNumbers } from "../fixed-tree.ts";
import { findGeneratedUnits } from "../generated-sources.ts";
import type { PatchFile } from "../patch-file.ts";
import { type BuildRefusal, isBuildRefusal } from "../refusals.ts";
import type { Progress } from "../request.ts";
import { failureText, runCommand } from "../run-command.ts";
import { PATCH_OPTIONS } from "./earlier-source.ts";
import { isPackaging, makeFixedRoot, treeCopyOptions } from "./fixed-root.ts";
import type { Rebuild } from "./rebuild.ts";

/** A patch and where it is. */
export interface PatchSource {
  readonly patch: PatchFile;
  readonly file: string;
}

export interface FixSetRequest {
  /** Unpacked sources, of what runs and with all fixes. */
  readonly from: string;
  readonly to: string;
  readonly sources: readonly PatchSource[];
  /** The patches that the report is about: those of `sources`, or one that stands for all changes. */
  readonly patches: readonly PatchFile[];
  readonly mayLeaveOut: boolean;
  readonly rebuild: Rebuild;
  /** Of the recorded units, those that may be in what ships. */
  readonly units: readonly UnitDependencies[];
  readonly changes: readonly ChangedFile[];
  readonly scratch: string;
  readonly objectFolder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Compiles all fixes together and each by itself; a refusal where no unit is concerned. */
export async function makeFixSet(
  request: FixSetRequest,
  progress: Progress,
): Promise<FixSet | BuildRefusal> {
  const { sources, patches, mayLeaveOut, scratch } = request;
  const everything = await compileTree(request, { ...request, name: "fixed" }, progress);
  if (isBuildRefusal(everything)) return everything;
  const one = (): FixSet => ({
    steps: [readStep(patches, everything)],
    mayLeaveOut: false,
    everything,
    compileSome: async () => everything,
  });
  if (sources.length < 2) return one();
  const chain = join(scratch, "chain");
  await cp(request.from, chain, treeCopyOptions);
  const steps = await compileSteps(request, chain, progress);
  if (steps === undefined) {
    progress("the patches do not lead to the fixed source one by one: they count as one fix");
    return one();
  }
  const compileSome = async (kept: readonly number[]) => {
    const name = `kept-${kept.join("-")}`;
    const to = join(scratch, `${name}-source`);
    await cp(request.from, to, treeCopyOptions);
    for (const index of kept) {
      const source = sources[index];
      const failed = source && (await applyExactly(source.file, to, request.env));
      if (failed !== undefined)
        return { doesNotApply: index, detail: failed } satisfies DoesNotApply;
    }
    const changes = await compareTrees(request.from, to, isPackaging);
    return compileTree(request, { to, changes, name }, progress);
  };
  return { steps, mayLeaveOut, everything, compileSome };
}

/** Compiles what differs between what runs and a source with fixes. */
async function compileTree(
  { rebuild, units, scratch, objectFolder: folder, from: original }: FixSetRequest,
  fixed: {
    readonly to: string;
    readonly changes: readonly ChangedFile[];
    readonly name: string;
  },
  progress: Progress,
): Promise<CompiledFix | BuildRefusal> {
  const { changes } = fixed;
  const fixedRoot = join(scratch, fixed.name);
  await makeFixedRoot({ root: rebuild.root, fixedRoot, fixedSource: fixed.to, changes });
  const objectCache = { folder, fixDigest: await digestChanges(changes, fixed.to) };
  const trees = { ...rebuild, units, fixedRoot, changes, scratch, objectCache };
  return compileComparable(trees, original, progress);
}

/** Compiles all units but those that the build makes from changed files, which are refused. */
export async function compileComparable(
  trees: TreePair,
  original: string,
  progress: Progress,
): Promise<CompiledFix | BuildRefusal> {
  const { root } = trees;
  const generated = await findGeneratedUnits(trees.units, trees.changes, { root, original });
  const left = new Set(generated.units.map(({ command }) => command));
  const units = trees.units.filter(({ command }) => !left.has(command));
  const compiled = await compileBoth({ ...trees, units }, progress);
  if (left.size === 0) return compiled;
  const { selected, compiled: pairs, refused } = isBuildRefusal(compiled) ? nothing : compiled;
  return {
    selected: [...selected, ...generated.units],
    compiled: pairs,
    refused: [...refused, ...generated.refused],
  };
}

/** Each patch compiled by itself; undefined where they do not end in the fixed source. */
async function compileSteps(
  request: FixSetRequest,
  chain: string,
  progress: Progress,
): Promise<readonly FixStep[] | undefined> {
  const { rebuild, scratch, sources, env } = request;
  const beforeRoot = join(scratch, "step-before");
  const fixedRoot = join(scratch, "step-after");
  for (const to of [beforeRoot, fixedRoot]) {
    await makeFixedRoot({
      root: rebuild.root,
      fixedRoot: to,
      fixedSource: request.from,
      changes: [],
    });
  }
  const steps: FixStep[] = [];
  let { units } = request;
  let digest = createHash("sha256").update("steps").digest("hex");
  for (const { patch, file } of sources) {
    const changes = await applyStep({ patch, file }, chain, env);
    if (changes === undefined) return undefined;
    const beforeDigest = `before ${digest}`;
    digest = createHash("sha256")
      .update(digest)
      .update(await readFile(file))
      .digest("hex");
    const after = { root: beforeRoot, fixedRoot, changes };
    await overlayChanges(after, chain);
    await restoreLineNumbers(after);
    const objectCache = {
      folder: request.objectFolder,
      beforeDigest,
      fixDigest: `after ${digest}`,
    };
    const trees: TreePair = {
      ...rebuild,
      units,
      beforeRoot,
      fixedRoot,
      changes,
      scratch,
      objectCache,
    };
    const compiled = await compileComparable(trees, request.from, progress);
    const found = isBuildRefusal(compiled) ? nothing : compiled;
    steps.push(readStep([patch], found));
    units = withAddedFiles(units, { found, changes, root: rebuild.root });
    // The next step begins where this one ended, with the lines numbered as they stand.
    await overlayChanges({ ...after, fixedRoot: beforeRoot }, chain);
    await overlayChanges(after, chain);
  }
  const rest = await compareTrees(chain, request.to, isPackaging);
  return rest.length === 0 ? steps : undefined;
}

const nothing = { selected: [], compiled: [], refused: [] };

/** Applies a patch where it has to fit exactly; undefined where it does not. */
async function applyStep(
  { patch, file }: PatchSource,
  tree: string,
  env: FixSetRequest["env"],
): Promise<readonly ChangedFile[] | undefined> {
  const paths = [...new Set(patch.files.map(({ path }) => path))].filter(
    (path) => !isPackaging(path.split("/")[0] ?? ""),
  );
  const existed = new Set(paths.filter((path) => existsSync(join(tree, path))));
  if ((await applyExactly(file, tree, env)) !== undefined) return undefined;
  return paths.flatMap((path): ChangedFile[] => {
    const exists = existsSync(join(tree, path));
    if (!existed.has(path)) return exists ? [{ path, change: "added" }] : [];
    return [{ path, change: exists ? "changed" : "removed" }];
  });
}

/** What `patch` says where a patch does not fit without fuzz; undefined where it does. */
async function applyExactly(
  file: string,
  tree: string,
  env: FixSetRequest["env"],
): Promise<string | undefined> {
  const argv = ["patch", ...PATCH_OPTIONS, "-F0", "--forward", "-i", file];
  const result = await runCommand(argv, { cwd: tree, env: { ...env, LC_ALL: "C" } });
  return result.code === 0 ? undefined : failureText(result);
}

/** Headers that a patch adds belong to the units that it changes: a later patch may change them. */
function withAddedFiles(
  units: readonly UnitDependencies[],
  step: {
    readonly found: Pick<CompiledFix, "selected">;
    readonly changes: readonly ChangedFile[];
    readonly root: string;
  },
): readonly UnitDependencies[] {
  const added = step.changes
    .filter(({ change }) => change === "added")
    .map(({ path }) => join(step.root, path));
  if (added.length === 0) return units;
  const selected = new Set(step.found.selected.map(({ command }) => command));
  return units.map((unit) =>
    selected.has(unit.command) ? { ...unit, files: [...unit.files, ...added] } : unit,
  );
}
