/** What a package's fix is: the fixed source, and the patches that lead to it. */
import { cp, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { applyPatch } from "../apply-patch.ts";
import type { ChangedFile } from "../changed-files.ts";
import { addedPatches, cvesIn, type PatchFile, parsePatchFile } from "../patch-file.ts";
import { type BuildRefusal, isBuildRefusal } from "../refusals.ts";
import type { DebRequest } from "../request.ts";
import type { PatchSource } from "./fix-set.ts";
import { treeCopyOptions } from "./fixed-root.ts";
import { type CachedSource, readSeries } from "./source-package.ts";

/** The source with the fix, and what the fix consists of. */
export interface FixedSource {
  readonly tree: string;
  readonly label: string;
  /** Its patches; none where it is a new upstream version. */
  readonly sources: readonly PatchSource[];
  /** Without patches of their own (a new upstream version) the whole difference is one fix. */
  readonly cves: readonly string[];
  readonly notes: readonly string[];
}

/**
 * Prepares the fixed source of a request: the newer version, or `from`; with the patches that the
 * request names on top of it.
 */
export async function prepareFix(
  request: DebRequest,
  place: {
    readonly from: CachedSource;
    readonly to: CachedSource | undefined;
    readonly scratch: string;
  },
): Promise<FixedSource | BuildRefusal> {
  const { from, to } = place;
  const whole = to && (await newerVersion(from, to));
  const { patches = [] } = request;
  if (whole !== undefined && patches.length === 0) return whole;
  const tree = join(place.scratch, "patched");
  await cp(whole?.tree ?? from.tree, tree, treeCopyOptions);
  const sources = [...(whole?.sources ?? [])];
  const labels = whole === undefined ? [] : [whole.label];
  const notes: string[] = [];
  for (const patch of patches) {
    const applied = await applyPatch(patch, tree, request.env);
    if (isBuildRefusal(applied)) return applied;
    notes.push(...applied);
    sources.push(await readSource(basename(patch), patch));
    labels.push(basename(patch));
  }
  return { tree, label: labels.join(", "), sources, cves: whole?.cves ?? [], notes };
}

async function newerVersion(from: CachedSource, to: CachedSource): Promise<FixedSource> {
  const names = addedPatches(await readSeries(from.tree), await readSeries(to.tree));
  const sources = await Promise.all(
    names.map((name) => readSource(name, join(to.tree, "debian/patches", name))),
  );
  const label = `${to.version.name} ${to.version.version}`;
  return { tree: to.tree, label, sources, cves: await newCves(from, to), notes: [] };
}

const readSource = async (name: string, file: string): Promise<PatchSource> => ({
  patch: parsePatchFile(name, await readFile(file, "latin1")),
  file,
});

/** The fix's patches; one without any (a new upstream version) is one patch of all changes. */
export function patchesOf(
  fixed: FixedSource,
  changes: readonly ChangedFile[],
): readonly PatchFile[] {
  if (fixed.sources.length > 0) return fixed.sources.map(({ patch }) => patch);
  const files = changes.map(({ path }) => ({ path, words: new Set<string>() }));
  return [{ name: fixed.label, cves: fixed.cves, files }];
}

/** CVE ids that only the newer changelog has. */
async function newCves(from: CachedSource, to: CachedSource): Promise<readonly string[]> {
  const [before, after] = await Promise.all(
    [from, to].map(({ tree }) => readFile(join(tree, "debian/changelog"), "utf8")),
  );
  const known = cvesIn(before ?? "");
  return cvesIn(after ?? "").filter((cve) => !known.includes(cve));
}
