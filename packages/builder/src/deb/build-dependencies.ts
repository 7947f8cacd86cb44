/** Makes sure that what a package needs for its build is installed. */
import { type BuildRefusal, refuseBuild } from "../refusals.ts";
import { failureText, runCommand } from "../run-command.ts";
import { quoteWord } from "../shell-words.ts";
import type { Archive } from "./archive.ts";

/** What only tests and documentation need is not installed: neither changes the code. */
const profiles = "nocheck,nodoc";

/**
 * Checks the build dependencies of an unpacked source and installs what is missing.
 *
 * Where nothing may be installed the refusal has the exact command.
 */
export async function ensureBuildDependencies(
  tree: string,
  place: { readonly archive: Archive; readonly mayInstall: boolean },
  progress: (step: string) => void,
): Promise<BuildRefusal | undefined> {
  const { archive } = place;
  const missing = await missingDependencies(tree, archive);
  if (missing === undefined) return undefined;
  const next = `as root: ${installCommand(tree, []).map(quoteWord).join(" ")}`;
  const refusal = (detail: string): BuildRefusal =>
    refuseBuild("missing-build-dependencies", { name: missing, detail, next });
  if (!place.mayInstall || process.getuid?.() !== 0) {
    return refusal("they may not be installed by this command");
  }
  progress(`installing build dependencies on this machine: ${missing}`);
  const argv = installCommand(tree, ["-q", ...archive.aptOptions]);
  const result = await runCommand(argv, { env: archive.env, cwd: "/" });
  if (result.code !== 0) return refusal(failureText(result));
  const still = await missingDependencies(tree, archive);
  return still === undefined ? undefined : refusal(`still missing: ${still}`);
}

/** The command that installs what the unpacked source in `tree` needs; options come first. */
export const installCommand = (tree: string, options: readonly string[]): readonly string[] => [
  "apt-get",
  ...options,
  "build-dep",
  "-y",
  "--no-install-recommends",
  "-P",
  profiles,
  tree,
];

async function missingDependencies(tree: string, { env }: Archive): Promise<string | undefined> {
  const argv = ["dpkg-checkbuilddeps", "-P", profiles];
  const result = await runCommand(argv, { cwd: tree, env: { ...env, LC_ALL: "C" } });
  if (result.code === 0) return undefined;
  return /Unmet build dependencies: (.*)/.exec(result.stderr)?.[1] ?? failureText(result);
}
