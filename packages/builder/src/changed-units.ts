/** Which translation units a change of files concerns. */
import { join, relative, resolve } from "node:path";
import type { ChangedFile } from "./changed-files.ts";
import type { CompileCommand } from "./compiler-arguments.ts";
import { usesLinkTimeOptimisation } from "./compiler-arguments.ts";
import type { RefusalItem } from "./refusals.ts";

/** A recorded command and the files that its unit is made of. */
export interface UnitDependencies {
  readonly command: CompileCommand;
  /** Absolute paths. */
  readonly files: readonly string[];
}

export interface ChangedUnit {
  /** Its source relative to the tree, with a number behind it from the second command on. */
  readonly name: string;
  readonly command: CompileCommand;
  /** The changed files that it is made of, relative to the tree. */
  readonly changedFiles: readonly string[];
}

/**
 * The units that include or are one of the changed files, in the order of their names. Of commands
 * that differ in their output only (libtool, with-pic) the first one stands for all.
 */
export function selectUnits(
  units: readonly UnitDependencies[],
  changes: readonly ChangedFile[],
  root: string,
): readonly ChangedUnit[] {
  const changed = new Map(changes.map(({ path }) => [join(root, path), path]));
  const compiled = new Set<string>();
  const selected = units.flatMap(({ command, files }) => {
    const key = alikeKey(command);
    if (compiled.has(key)) return [];
    compiled.add(key);
    const changedFiles = [...new Set(files.flatMap((file) => changed.get(file) ?? []))];
    if (changedFiles.length === 0) return [];
    const source = relative(root, resolve(command.directory, command.file));
    return [{ name: source, command, changedFiles }];
  });
  selected.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0));
  const seen = new Map<string, number>();
  return selected.map((unit) => {
    const number = (seen.get(unit.name) ?? 0) + 1;
    seen.set(unit.name, number);
    return number === 1 ? unit : { ...unit, name: `${unit.name}(${number})` };
  });
}

/** Equal for commands that compile the same code, whatever they call the object. */
export const alikeKey = (command: CompileCommand): string =>
  JSON.stringify({ ...command, output: undefined });

/** Why a unit cannot be compared function by function; undefined when it can. */
export function checkUnit({ name, command }: ChangedUnit): RefusalItem | undefined {
  if (command.language === "assembly") {
    return {
      name,
      unit: name,
      code: "assembly",
      detail: "the fix changes a unit written in assembly",
    };
  }
  if (command.language !== "c") {
    return {
      name,
      unit: name,
      code: "language",
      detail: `the fix changes a unit that is not C (${command.language})`,
    };
  }
  if (usesLinkTimeOptimisation(command.options)) {
    return {
      name,
      unit: name,
      code: "lto",
      detail: "the unit is optimised when it is linked (-flto)",
    };
  }
  return undefined;
}

const generators =
  /\.(?:y|yy|l|ll|rl|re|gperf|proto|in|am|ac|m4|cmake|mk)$|(?:^|\/)(?:[Mm]akefile|CMakeLists\.txt|meson\.build|configure)$/;

/** Sentences about changed files that a build makes others from: their effect was not compared. */
export const generatorNotes = (changes: readonly ChangedFile[]): readonly string[] =>
  changes
    .filter(({ path }) => generators.test(path))
    .map(({ path }) => `${path} changes; what the build makes from it was not compared`);
