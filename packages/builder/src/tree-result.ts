/** The result of a tree build, which is about one program or library and one fix. */
import { FixVerdict } from "@suture/release";
import { reportFix } from "./fix-report.ts";
import { obstaclesOf } from "./left-out.ts";
import type { BuildRefusal } from "./refusals.ts";
import { isBuildRefusal } from "./refusals.ts";
import type { BuildResult, BuiltHotpatch } from "./request.ts";

export type TreeResult = (BuiltHotpatch & { readonly notes: readonly string[] }) | BuildRefusal;

/** The same in the shape that all builds give. `fix` is the patch's name, `file` the program's. */
export function resultOfTree(
  result: TreeResult,
  { fix, file }: { readonly fix: string; readonly file: string },
): BuildResult {
  if (isBuildRefusal(result)) {
    const named = { name: fix, cves: [] };
    if (result.refused === "no-change") return { ...result, fixes: [reportFix(named, [])] };
    if (!/^(?:not-patchable|symbol-not-found)$/.test(result.refused)) return result;
    const found = { file, buildId: "", verdict: FixVerdict.restartNeeded, functions: [] };
    const report = { ...found, onlyAtStart: [], obstacles: obstaclesOf(result) };
    return { ...result, fixes: [reportFix(named, [report])] };
  }
  const { notes, ...hotpatch } = result;
  const { buildId } = hotpatch.description.target;
  const fixes = hotpatch.manifest.fixes.map(({ source, cves, verdict, functions }) =>
    reportFix({ name: source, cves }, [
      {
        ...{ file, buildId, verdict, functions, hotpatch: hotpatch.description.id },
        onlyAtStart: verdict === FixVerdict.onlyAtStart ? functions : [],
        obstacles: [],
      },
    ]),
  );
  return { hotpatches: [hotpatch], fixes, notes };
}
