/** Runs a package's own make again in its built tree, and records what it compiles. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { UnitDependencies } from "../../packages/builder/src/changed-units.ts";
import { readAllDependencies } from "../../packages/builder/src/compare-trees.ts";
import { commandsOfRuns } from "../../packages/builder/src/compile-commands.ts";
import type { CompileCommand } from "../../packages/builder/src/compiler-arguments.ts";
import {
  createCompilerWrapper,
  type MakeRun,
} from "../../packages/builder/src/compiler-wrapper.ts";
import type { Rebuild } from "../../packages/builder/src/deb/rebuild.ts";
import type { CachedSource } from "../../packages/builder/src/deb/source-package.ts";
import {
  type BuildRefusal,
  isBuildRefusal,
  refuseBuild,
} from "../../packages/builder/src/refusals.ts";
import { failureText, runCommand } from "../../packages/builder/src/run-command.ts";

/**
 * Makes again what changed sources concern, with the makes that the build ran itself. The result
 * are all units, the old ones kept.
 */
export async function remake(
  walk: { readonly rebuild: Rebuild; readonly source: CachedSource },
  touched: ReadonlySet<string>,
  progress: (step: string) => void,
): Promise<readonly UnitDependencies[] | BuildRefusal> {
  const { rebuild, source } = walk;
  const { root, env, buildRoot } = rebuild;
  const makes = makesToRepeat(rebuild.makes);
  if (makes.building.length + makes.installing.length === 0)
    return refuse("the build", "it ran no make that could be repeated");
  const wrapper = await createCompilerWrapper(join(source.folder, "wrapper"), rebuild);
  const run = async (runs: readonly MakeRun[]): Promise<BuildRefusal | undefined> => {
    for (const make of runs) {
      const result = await runCommand(make.argv, {
        cwd: make.directory,
        buildRoot,
        env: { ...wrapper.env, ...make.env },
        timeoutMs: makeTimeoutMs,
      });
      if (result.code !== 0) return refuse(make.argv.join(" "), failureText(result));
    }
    return undefined;
  };
  const compiledAnew = async (): Promise<readonly CompileCommand[] | BuildRefusal> => {
    const commands = commandsOfRuns(await wrapper.readRuns(), existsSync);
    if (isBuildRefusal(commands)) return commands;
    return commands.filter(({ directory }) => `${directory}/`.startsWith(`${root}/`));
  };
  const missing = (commands: readonly CompileCommand[]): string | undefined => {
    const sources = new Set(commands.map(sourceOf));
    return [...touched].find((unit) => !sources.has(unit));
  };
  const failed = await run(makes.building);
  if (failed !== undefined) return failed;
  let inTree = await compiledAnew();
  if (isBuildRefusal(inTree)) return inTree;
  if (missing(inTree) !== undefined) {
    // Some packages compile when they install.
    const failedAgain = await run(makes.installing);
    if (failedAgain !== undefined) return failedAgain;
    inTree = await compiledAnew();
    if (isBuildRefusal(inTree)) return inTree;
  }
  const stale = missing(inTree);
  if (stale !== undefined) return refuse(stale, "make did not compile it again");
  progress(`${inTree.length} units were compiled again`);
  const anew = await readAllDependencies(inTree, { recordedRoot: root, root, env, buildRoot });
  const known = new Set(anew.map(({ command }) => JSON.stringify(command)));
  const kept = rebuild.units.filter(
    ({ command }) =>
      !known.has(JSON.stringify(command)) && existsSync(resolve(command.directory, command.file)),
  );
  return [...kept, ...anew];
}

/** A make that takes longer would be slower than a build from nothing. */
const makeTimeoutMs = 30 * 60 * 1000;

/** The makes that build, and those that install: not those that clean or test, nor configure's. */
export function makesToRepeat(makes: readonly MakeRun[]): {
  readonly building: readonly MakeRun[];
  readonly installing: readonly MakeRun[];
} {
  const building = new Map<string, MakeRun>();
  const installing = new Map<string, MakeRun>();
  for (const make of makes) {
    const words = make.argv.slice(1);
    if (words.some((word) => otherGoal.test(word) || looksOnly.test(word))) continue;
    const file = words[words.indexOf("-f") + 1] ?? "";
    if (words.includes("-f") && (file === "-" || !existsSync(resolve(make.directory, file))))
      continue;
    if (!existsSync(make.directory)) continue;
    const kind = words.some((word) => installGoal.test(word)) ? installing : building;
    kind.set(JSON.stringify([make.directory, words]), make);
  }
  return { building: [...building.values()], installing: [...installing.values()] };
}

const otherGoal =
  /^(?:[a-z-]*clean|uninstall[\w.-]*|check[\w.-]*|tests?|--version|-v|conf(?:test|mf).*)$/;
const looksOnly = /^-[bBdeikmrRsStw]*[npqv]/;
const installGoal = /^(?:install[\w.-]*|[\w.-]+-install)$/;

/** The source of a unit, absolute. */
export const sourceOf = ({ directory, file }: CompileCommand): string => resolve(directory, file);

const refuse = (name: string, detail: string): BuildRefusal =>
  refuseBuild("build-failed", { name, detail, next: "build everything" });
