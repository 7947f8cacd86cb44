/** Builds the hotpatches of one row and says what came of it. */
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { applyPatch } from "../../packages/builder/src/apply-patch.ts";
import { compareTrees } from "../../packages/builder/src/changed-files.ts";
import { compilerVersion } from "../../packages/builder/src/compile-unit.ts";
import { unitsThatShip } from "../../packages/builder/src/deb/choose-module.ts";
import { compileComparable } from "../../packages/builder/src/deb/fix-set.ts";
import {
  isPackaging,
  makeFixedRoot,
  treeCopyOptions,
} from "../../packages/builder/src/deb/fixed-root.ts";
import { absentUnits } from "../../packages/builder/src/deb/linked-units.ts";
import { buildId } from "../../packages/builder/src/engine.ts";
import {
  type ModuleOutcome,
  outcomeForModule,
  placeFix,
} from "../../packages/builder/src/module-outcome.ts";
import type { Module } from "../../packages/builder/src/module-symbols.ts";
import { createModule, openElf } from "../../packages/builder/src/open-module.ts";
import { type PatchFile, parsePatchFile } from "../../packages/builder/src/patch-file.ts";
import {
  type BuildRefusal,
  isBuildRefusal,
  refuseBuild,
} from "../../packages/builder/src/refusals.ts";
import type { CorpusRow } from "./list.ts";
import type { Progress, Walk } from "./walk.ts";

/** What became of a row in one program or library. */
export interface BinaryOutcome {
  /** Its path in the package. */
  readonly path: string;
  /** Its path on this machine. */
  readonly file: string;
  readonly outcome: ModuleOutcome;
  /** Where the hotpatch file was put. */
  readonly hotpatch?: string;
}

export interface RowOutcome {
  readonly binaries: readonly BinaryOutcome[];
  /** Why nothing was compared. */
  readonly refusal?: BuildRefusal;
}

/** Builds a row's hotpatches into `output`. The walk stands right before its first patch. */
export async function buildRow(
  row: CorpusRow,
  walk: Walk,
  output: string,
  progress: Progress,
): Promise<RowOutcome> {
  const scratch = await mkdtemp(join(walk.source.folder, "row-"));
  try {
    return await build(row, walk, { scratch, output }, progress);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function build(
  row: CorpusRow,
  walk: Walk,
  place: { readonly scratch: string; readonly output: string },
  progress: Progress,
): Promise<RowOutcome> {
  const { rebuild, source } = walk;
  const { scratch } = place;
  const fixedSource = join(scratch, "patched");
  await cp(source.tree, fixedSource, treeCopyOptions);
  const patches: PatchFile[] = [];
  for (const name of row.patches) {
    const file = join(walk.served.tree, "debian/patches", name);
    const applied = await applyPatch(file, fixedSource, rebuild.env);
    if (isBuildRefusal(applied)) return { binaries: [], refusal: applied };
    patches.push(parsePatchFile(name, await readFile(file, "latin1")));
  }
  const changes = await compareTrees(source.tree, fixedSource, isPackaging);
  const fixedRoot = join(scratch, "fixed");
  await makeFixedRoot({ root: rebuild.root, fixedRoot, fixedSource, changes });
  const opened = await openBinaries(walk);
  if (isBuildRefusal(opened)) return { binaries: [], refusal: opened };
  const units = unitsThatShip(rebuild.units, opened);
  const trees = { ...rebuild, units, fixedRoot, changes, scratch };
  const compiled = await compileComparable(trees, source.tree, progress);
  if (isBuildRefusal(compiled)) return { binaries: [], refusal: missedBy(walk) ?? compiled };
  progress("finding the units in what ships");
  const about = await aboutRow(row, walk, patches);
  const binaries: BinaryOutcome[] = [];
  for (const { path, file, module } of opened) {
    const outcome = outcomeForModule(placeFix(compiled, module), module, about);
    const hotpatch = outcome.kind === "built" ? await save(path, outcome, place.output) : {};
    binaries.push({ path, file, outcome, ...hotpatch });
  }
  return { binaries };
}

/** Where not all that ships was found in the tree, nothing can be said about what was not compiled. */
function missedBy({ missing }: Walk): BuildRefusal | undefined {
  const [name] = missing;
  if (name === undefined) return undefined;
  return refuseBuild("not-the-source", {
    name,
    detail: "the built tree does not have it",
    next: "look where the package's build links it",
  });
}

type RowAbout = Parameters<typeof outcomeForModule>[2];

async function aboutRow(
  row: CorpusRow,
  { rebuild, served }: Walk,
  patches: readonly PatchFile[],
): Promise<RowAbout> {
  const { name, version } = served.version;
  const compiler = rebuild.units[0]?.command.compiler ?? "gcc";
  return {
    package: name,
    version,
    sequence: 1,
    source: `${name} ${version} before ${row.patches[0]}`,
    fixedBy: row.patches.join(", "),
    compiler: await compilerVersion(compiler, rebuild),
    proof: "identical-build-id",
    patches,
  };
}

interface OpenedBinary {
  readonly path: string;
  readonly file: string;
  readonly module: Module;
}

async function openBinaries(walk: Walk): Promise<readonly OpenedBinary[] | BuildRefusal> {
  const opened: OpenedBinary[] = [];
  for (const { path, built } of walk.binaries) {
    const file = join(walk.rebuild.root, built);
    const image = openElf(await readFile(file), built);
    if (isBuildRefusal(image)) return image;
    const id = buildId(image);
    if (id === undefined) {
      return refuseBuild("bad-binary", { name: path, detail: "it has no Build-ID", next: "none" });
    }
    const module = createModule(image, { named: image, buildId: id, name: basename(path) });
    const absent = absentUnits(file, walk.rebuild, module.symbols);
    opened.push({ path, file, module: { ...module, absent } });
  }
  return opened;
}

async function save(
  path: string,
  { assembled }: Extract<ModuleOutcome, { kind: "built" }>,
  output: string,
): Promise<{ readonly hotpatch: string }> {
  await mkdir(output, { recursive: true });
  const file = join(output, `${basename(path)}.hotpatch`);
  await writeFile(file, assembled.bytes);
  return { hotpatch: file };
}
