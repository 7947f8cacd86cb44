/** Runs a package's own make again in its built tree, and records what it compiles. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { UnitDependencies } from "../../packages/builder/src/changed-units.ts";
import { readAllDependencies } from "../../packages/builder/src/compare-trees.ts";
import { commandsOfRuns } from "../../packages/builder/src/compile-commands.ts";
import { createCompilerWrapper } from "../../packages/builder/src/compiler-wrapper.ts";
import type { Rebuild } from "../../packages/builder/src/deb/rebuild.ts";
import type { CachedSource } from "../../packages/builder/src/deb/source-package.ts";
import {
  type BuildRefusal,
  isBuildRefusal,
  refuseBuild,
} from "../../packages/builder/src/refusals.ts";
import { failureText, runCommand } from "../../packages/builder/src/run-command.ts";

/** Makes again what changed sources concern. The result are all units, the old ones kept. */
export async function remake(
  walk: { readonly rebuild: Rebuild; readonly source: CachedSource },
  progress: (step: string) => void,
): Promise<readonly UnitDependencies[] | BuildRefusal> {
  const { rebuild, source } = walk;
  const { root, env, buildRoot } = rebuild;
  const wrapper = await createCompilerWrapper(join(source.folder, "wrapper"), rebuild);
  const argv = await buildStep(root);
  const result = await runCommand(argv, {
    cwd: root,
    buildRoot,
    env: { ...wrapper.env, DEB_RULES_REQUIRES_ROOT: "no" },
    timeoutMs: 30 * 60 * 1000,
  });
  if (result.code !== 0) {
    const detail = failureText(result);
    return refuseBuild("build-failed", { name: argv.join(" "), detail, next: "build everything" });
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

/** The step of debian/rules that compiles: its own where it overrides debhelper's. */
async function buildStep(root: string): Promise<readonly string[]> {
  const rules = await readFile(join(root, "debian/rules"), "utf8");
  const target = /^(override_dh_auto_build(?:-arch)?)\s*:/m.exec(rules)?.[1];
  if (target !== undefined) return ["make", "-f", "debian/rules", target];
  const options = /^\s*dh\s+\$@(.*)$/m.exec(rules)?.[1] ?? "";
  const kept = options.split(/\s+/).filter((word) => /^(?:--(?:build|source)|-[BDS])/.test(word));
  return ["dh_auto_build", ...kept];
}
