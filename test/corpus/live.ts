/** Tries a row's hotpatches on live processes, each on a fresh one. */
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { PackageRoot } from "../../packages/builder/src/deb/build-dependencies.ts";
import { type Engine, openEngine } from "../../packages/builder/src/engine.ts";
import { verifyHotpatch } from "../../packages/builder/src/verify/verify-hotpatch.ts";
import type { CorpusRow } from "./list.ts";
import type { BinaryOutcome } from "./row.ts";
import { type Behaviour, proveBehaviour } from "./triggers/behaviour.ts";
import { TRIGGERS } from "./triggers/table.ts";
import type { Trigger } from "./triggers/trigger.ts";
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
  const libraryPath = (await libraryFolders(walk)).flat();
  const problems: string[] = [];
  let [applied, reverted] = [built.length > 0, built.length > 0];
  for (const { file, path, hotpatch = "" } of built) {
    place.progress(`trying it on a process with ${path}`);
    const { engine, cacheFolder } = place;
    const env = { ...process.env };
    const report = await verifyHotpatch({
      ...{ hotpatch, binary: file, libraryPath, engine, cacheFolder, env },
      ...hostFor(path, walk),
    });
    applied &&= report.applied && report.functions.length > 0;
    reverted &&= report.ok;
    if (report.problem !== undefined) {
      problems.push(`${path}: ${report.problem.reason}: ${report.problem.detail}`);
    }
  }
  return { applied, reverted, problems };
}

/** The trigger of a row, where there is one. */
export const triggerOf = (row: CorpusRow): Trigger | undefined =>
  TRIGGERS.find((it) => it.package === row.package && it.patch === row.patches[0]);

/** Shows the fault before the hotpatch and not with it; undefined without trigger or hotpatch. */
export async function tryBehaviour(
  row: CorpusRow,
  binaries: readonly BinaryOutcome[],
  walk: Walk,
  { engine, progress }: { readonly engine: Engine; readonly progress: Progress },
): Promise<Behaviour | undefined> {
  const trigger = triggerOf(row);
  if (trigger === undefined || binaries.every(({ hotpatch }) => hotpatch === undefined)) return;
  const found = binaries.find(
    (it) => it.hotpatch !== undefined && basename(it.path).startsWith(trigger.binary),
  );
  if (found?.hotpatch === undefined) {
    return {
      behaviour: "not-proven",
      behaviourDetail: `there is no hotpatch for ${trigger.binary}`,
    };
  }
  progress(`showing the fault in a process with ${found.path}`);
  const folder = await mkdtemp(join(tmpdir(), "suture-trigger-"));
  const [own, system] = await libraryFolders(walk);
  const place = {
    ...{ file: found.file, root: walk.rebuild.root, folder },
    // This machine's libraries come before those of the build root, for its loader fits them.
    libraryPath: [...own, "/usr/lib/x86_64-linux-gnu", ...system],
  };
  try {
    const { hotpatch } = found;
    return await proveBehaviour(() => trigger.start(place), { hotpatch, engine });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The program that loads a library which is none to link with: its symbols are some program's own
 * (nginx and its modules).
 */
function hostFor(path: string, { binaries, rebuild }: Walk): { readonly host?: string } {
  if (/python3/.test(path)) return { host: "/usr/bin/python3" };
  if (!/\.so[.0-9]*$/.test(path) || basename(path).startsWith("lib")) return {};
  const program = binaries.find((binary) => /^(?:usr\/)?s?bin\//.test(binary.path));
  return program === undefined ? {} : { host: join(rebuild.root, program.built) };
}

/** Where the package's own libraries are built, and those that its build root has. */
async function libraryFolders({
  binaries,
  rebuild,
  source,
}: Walk): Promise<readonly [own: readonly string[], system: readonly string[]]> {
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
  const distinct = (folders: readonly string[]): readonly string[] =>
    [...new Set(folders)].filter((path) => existsSync(path));
  return [distinct(own), distinct(system)];
}
