/** Downloads and unpacks a source package into the cache. */
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseSeries } from "../patch-file.ts";
import { type BuildRefusal, isBuildRefusal, refuseBuild } from "../refusals.ts";
import { failureText, runCommand } from "../run-command.ts";
import type { Archive } from "./archive.ts";
import type { SourceVersion } from "./choose-versions.ts";

/** Part of every cache folder's name: a higher number makes older caches unused. */
const cacheFormat = 1;

/** A source package in the cache. */
export interface CachedSource {
  readonly version: SourceVersion;
  /** Everything about this version: `source`, and what a rebuild puts beside it. */
  readonly folder: string;
  /** The unpacked source with its patches applied; never built in. */
  readonly tree: string;
}

/** The unpacked source of a version: from the cache, or fetched now. */
export async function obtainSource(
  version: SourceVersion,
  place: { readonly archive: Archive; readonly cacheFolder: string },
  progress: (step: string) => void,
): Promise<CachedSource | BuildRefusal> {
  // dpkg maps the build path out of the debug information only where it has no other characters
  // (Dpkg::Vendor::Debian, fixfilepath): with one, the rebuild would have another Build-ID.
  const readable = `${version.name}_${version.version}`.replace(/[^A-Za-z0-9.+~_-]/g, "_");
  const folder = join(
    place.cacheFolder,
    `${readable}-${version.dscSha256.slice(0, 12)}-${cacheFormat}`,
  );
  const tree = join(folder, "source");
  const done = join(folder, "source.done");
  if (existsSync(done)) return { version, folder, tree };
  await rm(folder, { recursive: true, force: true });
  const downloads = join(folder, "download");
  await mkdir(downloads, { recursive: true });
  progress(`fetching the source of ${version.name} ${version.version}`);
  const failed = await place.archive.fetchSource(version, downloads);
  if (failed !== undefined) return failed;
  const unpacked = await unpackSource(downloads, tree, place.archive);
  if (isBuildRefusal(unpacked)) return unpacked;
  await writeFile(done, "");
  return { version, folder, tree };
}

/** Unpacks the only .dsc of a folder into `tree`, which must not exist. */
export async function unpackSource(
  downloads: string,
  tree: string,
  { env }: Pick<Archive, "env">,
): Promise<BuildRefusal | undefined> {
  const dsc = (await readdir(downloads)).find((name) => name.endsWith(".dsc")) ?? "";
  const argv = ["dpkg-source", "--no-check", "-x", join(downloads, dsc), tree];
  const result = await runCommand(argv, { env });
  if (result.code === 0) return undefined;
  return result.spawnError === "ENOENT"
    ? refuseBuild("missing-tool", {
        name: "dpkg-source",
        detail: "the programs that build Debian packages are not installed",
        next: "apt-get install dpkg-dev",
      })
    : refuseBuild("build-failed", {
        name: dsc,
        detail: failureText(result),
        next: "remove the cache folder and try again",
      });
}

/** The names in debian/patches/series, or none where the package has no patches. */
export async function readSeries(tree: string): Promise<readonly string[]> {
  const path = join(tree, "debian/patches/series");
  return existsSync(path) ? parseSeries(await readFile(path, "utf8")) : [];
}
