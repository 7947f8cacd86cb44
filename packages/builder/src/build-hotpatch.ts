import { buildFromPackage } from "./deb/package-build.ts";
import type { BuildRequest, BuildResult, Progress } from "./request.ts";
import { buildFromTree } from "./tree-build.ts";

/**
 * Builds a hotpatch file, or says what stands in its way.
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
  return request.kind === "tree"
    ? buildFromTree(request, progress)
    : buildFromPackage(request, progress);
}
