/** The installed program or library that a hotpatch is for. */
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { join } from "node:path";
import { buildId, FormatError, type Hotpatch, parseElf } from "../engine.ts";
import { problem, type VerifyProblem } from "./problems.ts";

/** Where distributions put programs and libraries. */
const FOLDERS = [
  ...["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/lib", "/bin", "/sbin"],
  ...["/usr/local/bin", "/usr/local/sbin", "/usr/local/lib", "/opt"],
];
/** Folders within those: /usr/lib/x86_64-linux-gnu/nginx/modules is three below. */
const DEPTH_MAX = 5;

type Target = Hotpatch["description"]["target"];

/** The file that is given, if it is the one, or an installed one with that Build-ID. */
export function findBaseline(
  target: Target,
  { binary, root = "/" }: { readonly binary?: string; readonly root?: string },
): string | VerifyProblem {
  if (binary !== undefined) return checkGiven(target, binary);
  const [stem = target.name] = target.name.split(".so");
  const folders = FOLDERS.map((folder) => join(root, folder)).filter((path) => existsSync(path));
  const seen = new Set<string>();
  for (const folder of new Set(folders.map((path) => realpathSync(path)))) {
    for (const file of filesNamed(folder, stem, DEPTH_MAX)) {
      if (!existsSync(file)) continue; // A link to nothing.
      const path = realpathSync(file);
      if (seen.has(path)) continue;
      seen.add(path);
      if (readBuildId(path) === target.buildId) return path;
    }
  }
  return problem("no-baseline", {
    detail: `no installed file ${stem} has the Build-ID ${target.buildId}`,
    next: "give the file that the hotpatch was built for: --binary FILE",
  });
}

function checkGiven(target: Target, binary: string): string | VerifyProblem {
  if (!existsSync(binary)) {
    return problem("no-baseline", {
      detail: `there is no file ${binary}`,
      next: "give the file that the hotpatch was built for: --binary FILE",
    });
  }
  const found = readBuildId(binary);
  if (found === target.buildId) return realpathSync(binary);
  return {
    reason: "wrong-build-id",
    detail: `${binary} has the Build-ID ${found ?? "none"}, the hotpatch is for ${target.buildId} (${target.name})`,
    next: "give the file that the hotpatch was built for: --binary FILE",
  };
}

function* filesNamed(folder: string, stem: string, depth: number): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory() && depth > 1) yield* filesNamed(path, stem, depth - 1);
    else if (entry.name.startsWith(stem) && !entry.isDirectory()) yield path;
  }
}

function readBuildId(path: string): string | undefined {
  try {
    return buildId(parseElf(readFileSync(path)));
  } catch (error) {
    if (error instanceof FormatError) return undefined;
    throw error;
  }
}
