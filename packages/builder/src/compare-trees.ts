/** Compiles what a fix concerns, before and after, and gives the objects. */
import { mkdir, readFile, realpath } from "node:fs/promises";
import type { ChangedFile } from "./changed-files.ts";
import {
  type ChangedUnit,
  checkUnit,
  selectUnits,
  type UnitDependencies,
} from "./changed-units.ts";
import { type CompilePlace, compileUnit, objectPath, readDependencies } from "./compile-unit.ts";
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
  readonly changes: readonly ChangedFile[];
  readonly units: readonly UnitDependencies[];
  /** Where objects are put. */
  readonly scratch: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** A unit compiled from both trees. */
export interface CompiledUnit {
  readonly unit: ChangedUnit;
  readonly before: ElfFile;
  readonly after: ElfFile;
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

/** Compiles the concerned units of both trees, or says which of them cannot be compared. */
export async function compileBoth(
  trees: TreePair,
  progress: (step: string) => void,
): Promise<readonly CompiledUnit[] | BuildRefusal> {
  const units = selectUnits(trees.units, trees.changes, trees.root);
  if (units.length === 0) return refuseNothing(trees.changes);
  const refused = units.flatMap((unit) => checkUnit(unit) ?? []);
  if (refused.length > 0) return refuseUnits(refused);
  progress(`compiling ${units.length} changed units before and after the fix`);
  const env = { ...trees.env, LC_ALL: "C" };
  const sides = [
    { folder: `${trees.scratch}/before`, root: trees.root },
    { folder: `${trees.scratch}/after`, root: trees.fixedRoot },
  ];
  for (const { folder } of sides) await mkdir(folder, { recursive: true });
  const jobs = units.flatMap((unit, index) => sides.map((side) => ({ unit, index, side })));
  const objects = await inParallel(jobs, compilesAtOnce, async ({ unit, index, side }) => {
    const object = objectPath(side.folder, index);
    const place = { recordedRoot: trees.root, root: side.root, env };
    const result = await compileUnit(unit.command, place, object);
    if (result.code !== 0) return { refused: unit.name, detail: failureText(result) };
    return parseElf(await readFile(object));
  });
  return pairUp(units, objects);
}

type Compiled = ElfFile | { readonly refused: string; readonly detail: string };

function pairUp(
  units: readonly ChangedUnit[],
  objects: readonly Compiled[],
): readonly CompiledUnit[] | BuildRefusal {
  const failed: RefusalItem[] = [];
  const pairs = units.flatMap((unit, index) => {
    const [before, after] = [objects[2 * index], objects[2 * index + 1]];
    for (const [side, object] of [
      ["before", before],
      ["after", after],
    ] as const) {
      if (object === undefined || !("refused" in object)) continue;
      const detail = `${side} the fix: ${object.detail}`;
      failed.push({ name: object.refused, code: "build-failed", detail });
    }
    if (before === undefined || after === undefined) return [];
    return "refused" in before || "refused" in after ? [] : [{ unit, before, after }];
  });
  if (failed.length === 0) return pairs;
  return {
    refused: "build-failed",
    items: failed,
    next: "make the source build with the recorded commands, before and after the fix",
  };
}

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
