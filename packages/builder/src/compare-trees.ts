/** Compiles what a fix concerns, before and after, and gives the objects. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile, realpath, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BuildRoot } from "./build-root.ts";
import type { ChangedFile } from "./changed-files.ts";
import {
  type ChangedUnit,
  checkUnit,
  selectUnits,
  type UnitDependencies,
} from "./changed-units.ts";
import { type CompilePlace, compileUnit, readDependencies } from "./compile-unit.ts";
import type { CompileCommand } from "./compiler-arguments.ts";
import { type ElfFile, parseElf } from "./engine.ts";
import { inParallel } from "./in-parallel.ts";
import { compilesAtOnce } from "./limits.ts";
import type { BuildRefusal, RefusalItem } from "./refusals.ts";
import { failureText } from "./run-command.ts";

/** A tree from before a fix where it was built, and its copy with the fix. */
export interface TreePair {
  /** Absolute, without symbolic links: where the recorded commands ran. */
  readonly root: string;
  readonly fixedRoot: string;
  /** The tree from before the fix, where it is a copy of `root` that differs from it. */
  readonly beforeRoot?: string;
  readonly changes: readonly ChangedFile[];
  readonly units: readonly UnitDependencies[];
  /** Where objects are put. */
  readonly scratch: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Where compilers run; on the machine itself unless given. */
  readonly buildRoot?: BuildRoot | undefined;
  /**
   * Where objects are kept for the next build. `fixDigest` stands for the content of the fix,
   * `beforeDigest` for how `beforeRoot` differs from `root`.
   */
  readonly objectCache?: {
    readonly folder: string;
    readonly fixDigest: string;
    readonly beforeDigest?: string;
  };
}

/** A unit compiled from both trees. */
export interface CompiledUnit {
  readonly unit: ChangedUnit;
  readonly before: ElfFile;
  readonly after: ElfFile;
}

/** The units that a fix concerns. */
export interface CompiledFix {
  readonly selected: readonly ChangedUnit[];
  readonly compiled: readonly CompiledUnit[];
  /** Why some of the selected are not among the compiled. */
  readonly refused: readonly BuildRefusal[];
}

/** What each recorded unit is made of. Units that the preprocessor refuses have their source only. */
export async function readAllDependencies(
  commands: readonly CompileCommand[],
  place: CompilePlace,
): Promise<readonly UnitDependencies[]> {
  const known = new Map<string, Promise<string>>();
  const resolved = (path: string): Promise<string> => {
    const found = known.get(path) ?? realpath(path).catch(() => path);
    known.set(path, found);
    return found;
  };
  return inParallel(commands, compilesAtOnce, async (command) => {
    const listed = await readDependencies(command, place);
    const files = await Promise.all((listed ?? []).map(resolved));
    const source = await resolved(`${command.directory}/${command.file}`);
    const own = command.file.startsWith("/") ? await resolved(command.file) : source;
    return { command, files: [...new Set([own, ...files])].sort() };
  });
}

/**
 * Compiles the concerned units of both trees. One that cannot be compared does not keep the
 * others from it, so that an author hears of all obstacles at once; none at all is a refusal.
 */
export async function compileBoth(
  trees: TreePair,
  progress: (step: string) => void,
): Promise<CompiledFix | BuildRefusal> {
  const selected = selectUnits(trees.units, trees.changes, trees.root);
  if (selected.length === 0) return refuseNothing(trees.changes);
  const other = selected.flatMap((unit) => checkUnit(unit) ?? []);
  const units = selected.filter((unit) => checkUnit(unit) === undefined);
  progress(`compiling ${units.length} changed units before and after the fix`);
  const env = { ...trees.env, LC_ALL: "C" };
  const sides = [
    { side: "before", root: trees.beforeRoot ?? trees.root },
    { side: "after", root: trees.fixedRoot },
  ] as const;
  const headers = await provideHeaders(objectFolder(trees));
  const jobs = units.flatMap((unit) => sides.map((at) => ({ unit, ...at })));
  const objects = await inParallel(jobs, compilesAtOnce, async ({ unit, side, root }) => {
    const object = objectPath(trees, { unit, side });
    if (existsSync(object)) return parseElf(await readFile(object));
    const unfinished = `${object}.${process.pid}`;
    const place = { recordedRoot: trees.root, root, env, headers, buildRoot: trees.buildRoot };
    const result = await compileUnit(unit.command, place, unfinished);
    if (result.code !== 0) return { refused: unit.name, detail: failureText(result) };
    const other = await otherSource(unit, place);
    if (other !== undefined) {
      const detail = `the build compiles ${other}, and not the source that was changed`;
      return { refused: unit.name, detail };
    }
    await rename(unfinished, object);
    return parseElf(await readFile(object));
  });
  const { pairs, failed } = pairUp(units, objects);
  const refused = [
    ...(other.length > 0 ? [refuseUnits(other)] : []),
    ...(failed.length > 0 ? [refuseBroken(failed)] : []),
  ];
  return { selected, compiled: pairs, refused };
}

/** Puts suture.h where compilers can read it, also those that run in a root of their own. */
async function provideHeaders(folder: string): Promise<string> {
  const content = await readFile(new URL("../include/suture.h", import.meta.url));
  const digest = createHash("sha256").update(content).digest("hex");
  const headers = join(folder, `include-${digest.slice(0, 12)}`);
  const unfinished = join(headers, `suture.h.${process.pid}`);
  await mkdir(headers, { recursive: true });
  await writeFile(unfinished, content);
  await rename(unfinished, join(headers, "suture.h"));
  return headers;
}

/** A file of the unit that should be one of the copied tree and is another's of that name. */
async function otherSource(
  { command, changedFiles }: ChangedUnit,
  place: CompilePlace,
): Promise<string | undefined> {
  if (place.root === place.recordedRoot) return undefined;
  const listed = (await readDependencies(command, place)) ?? [];
  const read = await Promise.all(listed.map((path) => realpath(path).catch(() => path)));
  const missed = changedFiles.filter((path) => !read.includes(join(place.root, path)));
  // A fix may do without a header; then no other one of that name is read.
  return read.find((file) => missed.some((path) => file.endsWith(`/${path}`)));
}

const objectFolder = ({ objectCache, scratch }: TreePair): string =>
  objectCache?.folder ?? join(scratch, "objects");

/** Named by all that decides the object: command, source, and for the fixed side the fix. */
function objectPath(
  trees: TreePair,
  { unit, side }: { readonly unit: ChangedUnit; readonly side: "before" | "after" },
): string {
  const { fixDigest = "", beforeDigest = "" } = trees.objectCache ?? {};
  const digest = createHash("sha256")
    .update(JSON.stringify([unit.command, side]))
    .update(side === "after" ? fixDigest : beforeDigest)
    .digest("hex");
  return join(objectFolder(trees), `${digest.slice(0, 32)}.o`);
}

type Compiled = ElfFile | { readonly refused: string; readonly detail: string };

function pairUp(
  units: readonly ChangedUnit[],
  objects: readonly Compiled[],
): { readonly pairs: readonly CompiledUnit[]; readonly failed: readonly RefusalItem[] } {
  const failed: RefusalItem[] = [];
  const pairs = units.flatMap((unit, index) => {
    const [before, after] = [objects[2 * index], objects[2 * index + 1]];
    for (const [side, object] of [
      ["before", before],
      ["after", after],
    ] as const) {
      if (object === undefined || !("refused" in object)) continue;
      const detail = `${side} the fix: ${object.detail}`;
      const name = object.refused;
      failed.push({ name, unit: name, code: "build-failed", detail });
    }
    if (before === undefined || after === undefined) return [];
    return "refused" in before || "refused" in after ? [] : [{ unit, before, after }];
  });
  return { pairs, failed };
}

const refuseBroken = (items: readonly RefusalItem[]): BuildRefusal => ({
  refused: "build-failed",
  items,
  next: "make the source build with the recorded commands, before and after the fix",
});

const refuseUnits = (items: readonly RefusalItem[]): BuildRefusal => ({
  refused: "not-patchable",
  items,
  next: "ship this fix as a traditional update",
});

const refuseNothing = (changes: readonly ChangedFile[]): BuildRefusal => ({
  refused: "no-change",
  items: changes.map(({ path, change }) => ({
    name: path,
    code: "no-change",
    detail: `the file is ${change}, and no recorded command compiles it`,
  })),
  next: "nothing to do, unless the build did not compile everything: record it from a clean tree",
});
