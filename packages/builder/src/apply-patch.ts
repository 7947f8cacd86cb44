/** Applies a patch file to a source tree. */
import { basename, resolve } from "node:path";
import { type BuildRefusal, refuseBuild } from "./refusals.ts";
import { type CommandResult, failureText, runCommand } from "./run-command.ts";

/**
 * Applies a patch with `patch -p1`, or refuses with what it said; the tree is then half changed.
 *
 * Hunks of tests and documentation may fail, for they change no program and a backported fix
 * often meets other tests. The result are sentences about those, and about hunks that were
 * placed where their surroundings are a little different.
 */
export async function applyPatch(
  patch: string,
  tree: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly string[] | BuildRefusal> {
  const options = ["-p1", "--batch", "--forward", "--no-backup-if-mismatch"];
  const argv = ["patch", ...options, "-i", resolve(patch)];
  const result = await runCommand(argv, { cwd: tree, env: { ...env, LC_ALL: "C" } });
  if (result.spawnError === "ENOENT") {
    return refuseBuild("missing-tool", {
      name: "patch",
      detail: "the program patch is not on PATH",
      next: "apt-get install patch",
    });
  }
  const name = basename(patch);
  const failed = rejectedFiles(result);
  if (result.code === 0 || (failed.length > 0 && failed.every(isNoProgram))) {
    const fuzzy = /with fuzz/.test(result.stdout)
      ? [`parts of ${name} were placed although the lines around them differ: check the result`]
      : [];
    return [...failed.map((file) => `${file}: its part of ${name} does not apply here`), ...fuzzy];
  }
  return refuseBuild("patch-does-not-apply", {
    name,
    detail: failureText(result),
    next: "give a patch that `patch -p1` applies to the source of the program that runs",
  });
}

/** The files with rejected hunks; empty where the patch failed for another reason. */
function rejectedFiles({ code, stdout }: CommandResult): readonly string[] {
  if (code !== 1) return [];
  const rejected = [
    ...stdout.matchAll(/hunks? FAILED -- saving rejects to file '?(.+?)\.rej'?$/gm),
  ];
  const others = /hunks? ignored|can't find file|Skipping patch|malformed/.test(stdout);
  return others ? [] : rejected.map(([, file = ""]) => file);
}

const isNoProgram = (path: string): boolean =>
  /(?:^|\/)(?:tests?|testsuite|docs?|debian)\//.test(path) &&
  !/\.(?:c|h|cc|cpp|hh|S|s|inc|def|y|l|in|am|ac)$/.test(path);
