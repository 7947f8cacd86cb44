/** Tries a row's hotpatches on live processes, each on a fresh one. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { PackageRoot } from "../../packages/builder/src/deb/build-dependencies.ts";
import { type Engine, openEngine } from "../../packages/builder/src/engine.ts";
import { verifyHotpatch } from "../../packages/builder/src/verify/verify-hotpatch.ts";
import type { BinaryOutcome } from "./row.ts";
import type { Progress, Walk } from "./walk.ts";

export interface LiveOutcome {
  readonly applied: boolean;
  readonly reverted: boolean;
  /** What went wrong, a sentence for each hotpatch. */
  readonly problems: readonly string[];
}

/** One engine for many hotpatches: only its first stop is slow. */
export const openLiveEngine = (): Engine => openEngine();

/** Applies each hotpatch to a process with its program or library, looks, and reverts it. */
export async function tryLive(
  binaries: readonly BinaryOutcome[],
  walk: Walk,
  place: { readonly engine: Engine; readonly cacheFolder: string; readonly progress: Progress },
): Promise<LiveOutcome> {
  const built = binaries.filter(({ hotpatch }) => hotpatch !== undefined);
  const libraryPath = await libraryFolders(walk);
  const problems: string[] = [];
  let [applied, reverted] = [built.length > 0, built.length > 0];
  for (const { file, path, hotpatch = "" } of built) {
    place.progress(`trying it on a process with ${path}`);
    const { engine, cacheFolder } = place;
    const env = { ...process.env };
    const report = await verifyHotpatch({
      ...{ hotpatch, binary: file, libraryPath, engine, cacheFolder, env },
      ...hostFor(path),
    });
    applied &&= report.applied && report.functions.length > 0;
    reverted &&= report.ok;
    if (report.problem !== undefined) {
      problems.push(`${path}: ${report.problem.reason}: ${report.problem.detail}`);
    }
  }
  return { applied, reverted, problems };
}

/** Extension modules need the program whose functions they call. */
function hostFor(path: string): { readonly host?: string } {
  if (/python3/.test(path)) return { host: "/usr/bin/python3" };
  return {};
}

/** Where the package's own libraries are built, and those that its build root has. */
async function libraryFolders({ binaries, rebuild, source }: Walk): Promise<readonly string[]> {
  const own = binaries
    .filter(({ path }) => /\.so[.0-9]*$/.test(path))
    .map(({ built }) => join(rebuild.root, dirname(built)));
  const recorded: unknown = JSON.parse(await readFile(join(source.folder, "build.json"), "utf8"));
  const { folder, layers } = (recorded as { readonly packageRoot: PackageRoot }).packageRoot;
  const system = layers
    .slice(0, -1)
    .flatMap((layer) =>
      ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"].map((name) => join(folder, layer, name)),
    );
  return [...new Set([...own, ...system])].filter((path) => existsSync(path));
}
