/** Runs a package's own make again in its built tree, and records what it compiles. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { UnitDependencies } from "../../packages/builder/src/changed-units.ts";
import { readAllDependencies } from "../../packages/builder/src/compare-trees.ts";
import { commandsOfRuns } from "../../packages/builder/src/compile-commands.ts";
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
  progress: (step: string) => void,
): Promise<readonly UnitDependencies[] | BuildRefusal> {
  const { rebuild, source } = walk;
  const { root, env, buildRoot } = rebuild;
  const makes = makesToRepeat(rebuild.makes);
  if (makes.length === 0) return refuse("the build", "it ran no make that could be repeated");
  const wrapper = await createCompilerWrapper(join(source.folder, "wrapper"), rebuild);
  for (const make of makes) {
    const result = await runCommand(make.argv, {
      cwd: make.directory,
      buildRoot,
      env: { ...wrapper.env, ...make.env },
      timeoutMs: makeTimeoutMs,
    });
    if (result.code !== 0) return refuse(make.argv.join(" "), failureText(result));
  }
  const commands = commandsOfRuns(await wrapper.readRuns(), existsSync);
  if (isBuildRefusal(commands)) return commands;
  const inTree = commands.filter(({ directory }) => `${directory}/`.startsWith(`${root}/`));
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

/** The makes that build: not those that clean, install or test, and not configure's own. */
export function makesToRepeat(makes: readonly MakeRun[]): readonly MakeRun[] {
  const distinct = new Map<string, MakeRun>();
  for (const make of makes) {
    const words = make.argv.slice(1);
    if (
      words.some(
        (word) => otherGoal.test(word) || /^conf(?:test|mf)|^-[bBdeikmrRsStw]*[npqv]/.test(word),
      )
    )
      continue;
    const file = words[words.indexOf("-f") + 1] ?? "";
    if (words.includes("-f") && (file === "-" || !existsSync(resolve(make.directory, file))))
      continue;
    if (existsSync(make.directory)) distinct.set(JSON.stringify([make.directory, words]), make);
  }
  return [...distinct.values()];
}

const otherGoal =
  /^(?:[a-z-]*clean|(?:un)?install[\w.-]*|[\w.-]+-install|check[\w.-]*|tests?|--version|-v)$/;

const refuse = (name: string, detail: string): BuildRefusal =>
  refuseBuild("build-failed", { name, detail, next: "build everything" });
