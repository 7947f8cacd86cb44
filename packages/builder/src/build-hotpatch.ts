import { basename } from "node:path";
import { buildFromPackage } from "./deb/package-build.ts";
import type { BuildRequest, BuildResult, Progress } from "./request.ts";
import { buildFromTree } from "./tree-build.ts";
import { resultOfTree } from "./tree-result.ts";

/**
 * Builds a hotpatch file for each program and library that the fixes concern, and says what became
 * of every fix; or says what stands in the way of all.
 *
 * `progress` is called when a step begins. A tree request runs its build command in the source
 * folder; a package request downloads and rebuilds the package in a root of its own in the cache
 * folder, which takes minutes the first time. Throws only for what no request can
 * cause: a full disk, a folder that cannot be written.
 */
export async function buildHotpatch(
  request: BuildRequest,
  progress: Progress,
): Promise<BuildResult> {
  if (request.kind === "deb") return buildFromPackage(request, progress);
  const result = await buildFromTree(request, progress);
  return resultOfTree(result, { fix: basename(request.patch), file: request.binary });
}
