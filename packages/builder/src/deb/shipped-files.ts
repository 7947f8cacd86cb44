/** The binary packages of a source version as they ship, unpacked but not installed. */
import { existsSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { type BuildRefusal, isBuildRefusal, refuseBuild } from "../refusals.ts";
import { failureText, runCommand } from "../run-command.ts";
import type { Archive, NamedVersion } from "./archive.ts";
import type { SourceVersion } from "./choose-versions.ts";
import { findAliases, findLinkedFiles, findServices, type LinkedFile } from "./linked-files.ts";
import type { CachedSource } from "./source-package.ts";

/** A program or library that ships, with all its names. */
export interface ShippedFile extends LinkedFile {
  /** Absolute, in the cache. */
  readonly absolute: string;
  /** Its own path and those of links to it, relative to the root. */
  readonly names: readonly string[];
  /** The names that systemd units start it by. */
  readonly services: readonly string[];
}

/**
 * Unpacks all binary packages of a version into one folder and lists what is linked.
 *
 * They come from the archive, or with `built` from a folder where they were just built.
 */
export async function obtainShippedFiles(
  source: CachedSource,
  from: { readonly archive: Archive; readonly built?: string },
  progress: (step: string) => void,
): Promise<readonly ShippedFile[] | BuildRefusal> {
  const root = join(source.folder, "shipped");
  const done = join(source.folder, "shipped.done");
  if (!existsSync(done)) {
    await rm(root, { recursive: true, force: true });
    await mkdir(root, { recursive: true });
    const { name, version } = source.version;
    if (from.built === undefined) progress(`fetching the binary packages of ${name} ${version}`);
    const debs = from.built ?? (await fetchBinaries(source, from.archive));
    if (isBuildRefusal(debs)) return debs;
    const failed = await unpackBinaries(debs, root, from.archive);
    if (failed !== undefined) return failed;
    await writeFile(done, "");
  }
  const [files, aliases, services] = await Promise.all([
    findLinkedFiles(root),
    findAliases(root),
    findServices(root),
  ]);
  return files.map((file) => {
    const links = [...aliases].flatMap(([path, target]) =>
      follow(target, aliases) === file.path ? [path] : [],
    );
    const names = [file.path, ...links.sort()];
    const started = names.map((path) => basename(path)).filter((name) => services.has(name));
    return { ...file, absolute: join(root, file.path), names, services: [...new Set(started)] };
  });
}

/** The folder with the downloaded binary packages. */
async function fetchBinaries(
  source: CachedSource,
  archive: Archive,
): Promise<string | BuildRefusal> {
  const folder = join(source.folder, "debs");
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder);
  const wanted: NamedVersion[] = [];
  for (const name of source.version.binaries.filter((binary) => !/-(?:dev|doc)$/.test(binary))) {
    const version = await binaryVersion(name, source.version, archive);
    if (version !== undefined) wanted.push({ name, version });
  }
  for (const binary of wanted) {
    const failed = await archive.fetchBinary(binary, folder);
    if (failed !== undefined) return failed;
  }
  if (wanted.length > 0) return folder;
  return refuseBuild("no-such-package", {
    name: `${source.version.name} ${source.version.version}`,
    detail: "the archive has its source, but none of its binary packages",
    next: "choose a version whose binary packages the archive still serves",
  });
}

async function unpackBinaries(
  folder: string,
  root: string,
  archive: Archive,
): Promise<BuildRefusal | undefined> {
  const debs = (await readdir(folder)).filter(
    (name) => /\.deb$/.test(name) && !/-dbgsym_/.test(name),
  );
  for (const deb of debs.sort()) {
    const result = await runCommand(["dpkg-deb", "-x", join(folder, deb), root], {
      env: archive.env,
    });
    if (result.code === 0) continue;
    return refuseBuild("build-failed", {
      name: deb,
      detail: failureText(result),
      next: "remove the cache folder and try again",
    });
  }
  return undefined;
}

/** A binary package's version: its source's, or that of a rebuild without source changes (+b1). */
async function binaryVersion(
  name: string,
  source: SourceVersion,
  archive: Archive,
): Promise<string | undefined> {
  for (const record of await archive.binaryRecords(name)) {
    const version = record.get("version");
    if (record.get("package") !== name || version === undefined) continue;
    const ofSource = /\((.*)\)/.exec(record.get("source") ?? "")?.[1] ?? version;
    if (ofSource === source.version) return version;
  }
  return undefined;
}

function follow(path: string, aliases: ReadonlyMap<string, string>): string {
  let current = path;
  for (let steps = 0; steps < 40; steps += 1) {
    const target = aliases.get(current);
    if (target === undefined) break;
    current = target;
  }
  return current;
}
