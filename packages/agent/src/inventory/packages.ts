/** Which package a file came from, and in which version: asked of dpkg, and kept. */
import { statSync } from "node:fs";
import type { RunCommand } from "./command-runner.ts";

export interface InstalledPackage {
  readonly package: string;
  readonly version: string;
}

export interface PackageIndex {
  /** Asks for files that were not asked for since the last installation. Never rejects. */
  readonly learn: (paths: readonly string[]) => Promise<void>;
  /** Undefined for files of no package, and for those never learnt. */
  readonly packageOf: (path: string) => InstalledPackage | undefined;
}

/** Where dpkg notes what is installed: changed by every installation and removal. */
const STATUS_FILE = "/var/lib/dpkg/status";
const PATHS_AT_ONCE = 200;
const QUERY_TIMEOUT_MS = 30_000;
const QUERY_OUTPUT_MAX = 4 * 1024 * 1024;

/** An index that begins empty. On a machine without dpkg it stays so. */
export function createPackageIndex(run: RunCommand, statusFile = STATUS_FILE): PackageIndex {
  let known = new Map<string, InstalledPackage | undefined>();
  let stamp = "";
  const query = async (command: [string, ...string[]]): Promise<string> => {
    const limits = { timeoutMs: QUERY_TIMEOUT_MS, outputBytesMax: QUERY_OUTPUT_MAX };
    return (await run({ command, ...limits })).output;
  };
  const learnSome = async (paths: readonly string[]): Promise<void> => {
    const names = paths.flatMap(namesOf);
    const owners = parseOwners(await query(["dpkg-query", "--search", "--", ...names]));
    const packages = [...new Set(owners.values())];
    // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg-query fills it in.
    const format = "--showformat=${binary:Package}\t${Package}\t${Version}\n";
    const versions =
      packages.length === 0
        ? new Map<string, InstalledPackage>()
        : parseVersions(await query(["dpkg-query", "--show", format, "--", ...packages]));
    for (const path of paths) {
      const owner = namesOf(path)
        .map((name) => owners.get(name))
        .find((name) => name !== undefined);
      known.set(path, owner === undefined ? undefined : versions.get(owner));
    }
  };
  return {
    learn: async (paths) => {
      const now = stampOf(statusFile);
      if (now !== stamp) known = new Map();
      stamp = now;
      const unknown = [...new Set(paths)].filter((path) => !known.has(path) && isPlain(path));
      if (now === "none") return;
      for (let at = 0; at < unknown.length; at += PATHS_AT_ONCE) {
        await learnSome(unknown.slice(at, at + PATHS_AT_ONCE));
      }
    },
    packageOf: (path) => known.get(path),
  };
}

function stampOf(statusFile: string): string {
  const stat = statSync(statusFile, { throwIfNoEntry: false });
  return stat === undefined ? "none" : `${stat.ino} ${stat.mtimeMs} ${stat.size}`;
}

/** dpkg takes `*`, `?` and `[` for patterns, and answers in lines. */
const isPlain = (path: string): boolean => path.startsWith("/") && !/[*?[\]\\\n]/.test(path);

/** A file below /usr may stand in the package's list without it, since /lib became a link. */
const namesOf = (path: string): string[] =>
  /^\/usr\/(?:lib|lib32|lib64|bin|sbin)\//.test(path) ? [path, path.slice(4)] : [path];

/** `libc6:amd64, other: /lib/x86_64-linux-gnu/libc.so.6` of dpkg-query(1). */
export function parseOwners(output: string): Map<string, string> {
  const owners = new Map<string, string>();
  for (const line of output.split("\n")) {
    const match = /^([a-z0-9][a-z0-9.+:-]*)(?:, [a-z0-9][a-z0-9.+:, -]*)?: (\/.*)$/.exec(line);
    const [, owner, path] = match ?? [];
    if (owner !== undefined && path !== undefined) owners.set(path, owner);
  }
  return owners;
}

function parseVersions(output: string): Map<string, InstalledPackage> {
  const found = new Map<string, InstalledPackage>();
  for (const line of output.split("\n")) {
    const [qualified, name, version] = line.split("\t");
    if (qualified === undefined || name === undefined || version === undefined) continue;
    found.set(qualified, { package: name, version });
    if (!found.has(name)) found.set(name, { package: name, version });
  }
  return found;
}
