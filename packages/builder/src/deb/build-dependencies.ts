/**
 * The root in which one source package is built: the base root and its build dependencies.
 *
 * apt on the machine chooses and downloads the packages, for it knows how to reach the archive
 * and has its keys; apt inside installs what was downloaded, without a network. What it writes is
 * a layer upon the base, or, where the kernel has no overlays upon the cache's file system, a
 * copy of the base.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type BuildRootParts, createBuildRoot } from "../build-root.ts";
import { baseRootTimeoutMs } from "../limits.ts";
import { type BuildRefusal, isBuildRefusal, refuseBuild } from "../refusals.ts";
import { removeTree } from "../remove-tree.ts";
import { failureText, runCommand } from "../run-command.ts";
import type { Archive } from "./archive.ts";
import { type BaseRoot, obtainBaseRoot, publish, removeUnfinished } from "./base-root.ts";
import { parseControlRecords } from "./control-records.ts";
import type { CachedSource } from "./source-package.ts";

/**
 * What only tests and documentation need is not installed: neither changes the code. Some packages
 * cannot be packed without their documentation, though (tiff).
 */
const profiles = "nocheck,nodoc";
const profilesWithDocumentation = "nocheck";

/** The layers of a package's root, as they can be kept in a file. */
export type PackageRoot = Pick<BuildRootParts, "folder" | "layers" | "changes">;

export const isComplete = ({ folder, layers }: PackageRoot): boolean =>
  layers.every((layer) => existsSync(join(folder, layer)));

/**
 * The root for an unpacked source: from the cache, or made now.
 *
 * Its name stands for the base and the dependencies, so that sources with the same dependencies
 * share it. A version that the first suite serves was built with that suite's packages, and its
 * programs may contain what its headers said (nginx: the version of OpenSSL), so those go before
 * newer ones of the updates.
 */
export async function obtainPackageRoot(
  source: CachedSource,
  { archive, documentation }: { readonly archive: Archive; readonly documentation: boolean },
  progress: (step: string) => void,
): Promise<PackageRoot | BuildRefusal> {
  const base = await obtainBaseRoot(archive, progress);
  if (isBuildRefusal(base)) return base;
  const { folder } = base;
  const { tree } = source;
  const suite = (await archive.suitesOf(source.version)).find((name) => name === base.suite);
  const dependencies = await readDependencies(tree);
  const isForDocumentation = documentation && dependencies.some((field) => /\bnodoc\b/.test(field));
  const profile = isForDocumentation ? profilesWithDocumentation : profiles;
  const key = [base.name, dependencies, suite, ...(isForDocumentation ? [profile] : [])];
  const digest = createHash("sha256").update(JSON.stringify(key));
  const name = `package-${digest.digest("hex").slice(0, 16)}`;
  const known = [layered(base, name), copied(base, name)].find(isComplete);
  if (known !== undefined) return known;
  if (process.getuid?.() !== 0) return refuseUser(name);
  const steps = stepsFor(tree, { suite, profile });
  const failed = await download(steps, { archive, base });
  if (failed !== undefined) return refuseDependencies(source, failed);
  progress("installing its build dependencies in a root of their own");
  const unfinished = `${name}.${process.pid}`;
  await removeUnfinished(folder);
  const root = await layDown(base, unfinished);
  const broken = await install(steps, { archive, root, tree });
  if (broken !== undefined) {
    await removeTree(join(folder, unfinished));
    return refuseDependencies(source, broken);
  }
  await removeTree(join(folder, unfinished, "work"));
  await publish(join(folder, unfinished), join(folder, name));
  return isComplete(layered(base, name)) ? layered(base, name) : copied(base, name);
}

const layered = ({ folder, name }: BaseRoot, own: string): PackageRoot => ({
  folder,
  layers: [`${own}/upper`, name],
  changes: "discard",
});

const copied = ({ folder }: BaseRoot, own: string): PackageRoot => ({
  folder,
  layers: [`${own}/copy`],
  changes: "none",
});

/** A place for the packages: an empty layer where the kernel takes one here, else a copy. */
async function layDown(base: BaseRoot, own: string): Promise<PackageRoot> {
  const { folder, name } = base;
  for (const part of ["upper", "work"]) await mkdir(join(folder, own, part), { recursive: true });
  const root: PackageRoot = { folder, layers: [name], changes: { keep: `${own}/upper` } };
  const buildRoot = createBuildRoot({ ...root, binds: [] });
  const tried = await runCommand(["true"], { buildRoot });
  if (tried.code === 0) return root;
  return copyBase(base, own);
}

async function copyBase(base: BaseRoot, own: string): Promise<PackageRoot> {
  const { folder, name } = base;
  await removeTree(join(folder, own, "upper"));
  const argv = ["cp", "-a", "--reflink=auto", join(folder, name), join(folder, own, "copy")];
  const result = await runCommand(argv);
  if (result.code !== 0) throw new Error(`cannot copy the base root: ${failureText(result)}`);
  return copied(base, own);
}

/**
 * What apt is to do. Where the first suite serves the source it is given before all others; else
 * the base is brought up to the updates first, as on the machines that build updates.
 */
function stepsFor(
  tree: string,
  { suite, profile }: { readonly suite: string | undefined; readonly profile: string },
): readonly AptStep[] {
  const buildDep: AptStep = (options) => buildDepCommand(tree, options, profile);
  if (suite === undefined) return [(options) => aptCommand(options, ["dist-upgrade"]), buildDep];
  return [(options) => buildDep([...options, "-o", `APT::Default-Release=${suite}`])];
}

type AptStep = (options: readonly string[]) => readonly string[];

/** apt's choice is for the base as it is, and not for the machine. Gives why it failed. */
async function download(
  steps: readonly AptStep[],
  { archive, base }: { readonly archive: Archive; readonly base: BaseRoot },
): Promise<string | undefined> {
  const root = join(base.folder, base.name);
  const options = [
    ...archive.aptOptions,
    ...["-o", `Dir::State::status=${root}/var/lib/dpkg/status`],
    ...["-o", `Dir::State::extended_states=${root}/var/lib/apt/extended_states`],
    // What the machine prefers, and which architectures it has, is not known inside.
    ...["-o", "Dir::Etc::Preferences=/dev/null", "-o", "Dir::Etc::PreferencesParts=/dev/null"],
    ...["-o", "APT::Architectures=amd64", "-o", "Debug::NoLocking=true", "--download-only"],
  ];
  // What cannot be had is said before anything else is fetched.
  for (const step of [...steps].reverse()) {
    const result = await runCommand(step(options), { env: archive.env, cwd: "/" });
    if (result.code !== 0) return failureText(result);
  }
  return undefined;
}

async function install(
  steps: readonly AptStep[],
  place: { readonly archive: Archive; readonly root: PackageRoot; readonly tree: string },
): Promise<string | undefined> {
  const { archive, root, tree } = place;
  const folders = [archive.cacheFolder, ...(isBelow(tree, archive.cacheFolder) ? [] : [tree])];
  const binds = folders.map((path) => ({ from: path, to: path }));
  const buildRoot = createBuildRoot({ ...root, binds });
  const env = { ...archive.env, PATH: rootPath };
  const options = [
    ...archive.aptOptions,
    ...["-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="],
    ...["-o", "Debug::NoLocking=true", "--no-download"],
  ];
  for (const step of steps) {
    const at = { buildRoot, env, cwd: "/", timeoutMs: baseRootTimeoutMs };
    const result = await runCommand(step(options), at);
    if (result.code !== 0) return failureText(result);
  }
  return undefined;
}

/** Where programs are found inside, whatever the author's own PATH is. */
export const rootPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export const isBelow = (path: string, folder: string): boolean =>
  `${path}/`.startsWith(`${folder}/`);

/** The command that installs what the unpacked source in `tree` needs; options come first. */
export const buildDepCommand = (
  tree: string,
  options: readonly string[],
  profile = profiles,
): readonly string[] => aptCommand(options, ["build-dep", "-P", profile, tree]);

const aptCommand = (options: readonly string[], words: readonly string[]): readonly string[] => [
  ...["apt-get", "-q", "-y", "--no-install-recommends"],
  ...options,
  ...words,
];

/** The fields of debian/control that decide what is installed (Debian Policy 7.7). */
async function readDependencies(tree: string): Promise<readonly string[]> {
  const text = await readFile(join(tree, "debian/control"), "utf8");
  const [source] = parseControlRecords(text);
  return ["build-depends", "build-depends-arch", "build-depends-indep"]
    .flatMap((field) => [field, field.replace("depends", "conflicts")])
    .map((field) => (source?.get(field) ?? "").replace(/\s+/g, " "));
}

const refuseDependencies = ({ version }: CachedSource, detail: string): BuildRefusal =>
  refuseBuild("missing-build-dependencies", {
    name: `${version.name} ${version.version}`,
    detail,
    next: "check that the machine's apt sources have all that debian/control asks for",
  });

const refuseUser = (name: string): BuildRefusal =>
  refuseBuild("not-root", {
    name,
    detail: "build dependencies are installed in a root of their own, which only root can make",
    next: "run the same command as root; nothing is installed on this machine",
  });
