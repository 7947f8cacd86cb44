/**
 * A source package as it was before its last patches, for archives that serve one version only.
 *
 * The patches come off in reverse order, and out of the series and out of what dpkg-source
 * believes to be applied (.pc/applied-patches), or the build would put them on again.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type BuildRefusal, refuseBuild } from "../refusals.ts";
import { failureText, runCommand } from "../run-command.ts";
import { type CachedSource, readSeries } from "./source-package.ts";

/** The source without some patches of its series, in a cache folder of its own. */
export async function obtainEarlierSource(
  source: CachedSource,
  withoutPatches: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): Promise<CachedSource | BuildRefusal> {
  const series = await readSeries(source.tree);
  const unknown = withoutPatches.find((name) => !series.includes(name));
  if (unknown !== undefined) {
    return refuseBuild("patch-does-not-apply", {
      name: unknown,
      detail: `the series of ${source.version.name} ${source.version.version} does not have it`,
      next: `choose from: ${series.join(", ")}`,
    });
  }
  const digest = createHash("sha256").update(JSON.stringify(withoutPatches)).digest("hex");
  const folder = join(source.folder, `without-${digest.slice(0, 12)}`);
  const tree = join(folder, "source");
  const done = join(folder, "source.done");
  const earlier = { version: source.version, folder, tree };
  if (existsSync(done)) return earlier;
  await rm(folder, { recursive: true, force: true });
  await cp(source.tree, tree, {
    recursive: true,
    preserveTimestamps: true,
    verbatimSymlinks: true,
  });
  for (const name of series.filter((entry) => withoutPatches.includes(entry)).reverse()) {
    const patch = join(source.tree, "debian/patches", name);
    const argv = ["patch", "-R", ...PATCH_OPTIONS, "-i", patch];
    const result = await runCommand(argv, { cwd: tree, env: { ...env, LC_ALL: "C" } });
    if (result.code === 0) continue;
    return refuseBuild("patch-does-not-apply", {
      name,
      detail: `it does not come off: ${failureText(result)}`,
      next: "leave out the patches behind it too",
    });
  }
  for (const list of ["debian/patches/series", ".pc/applied-patches"]) {
    await removeLines(join(tree, list), withoutPatches);
  }
  await writeFile(done, "");
  return earlier;
}

/** As dpkg-source(1) applies them: files that come out empty are removed, and not there to be. */
export const PATCH_OPTIONS = ["-p1", "-E", "--batch", "--no-backup-if-mismatch"];

async function removeLines(file: string, names: readonly string[]): Promise<void> {
  if (!existsSync(file)) return;
  const lines = (await readFile(file, "utf8")).split("\n");
  const kept = lines.filter((line) => !names.includes(line.trim().split(/\s+/)[0] ?? ""));
  await writeFile(file, kept.join("\n"));
}
