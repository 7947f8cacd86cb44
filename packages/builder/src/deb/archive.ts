/**
 * The package archive, through apt with folders of its own.
 *
 * apt keeps checking signatures and hashes as it is configured on the machine; only its sources,
 * lists and downloads are ours.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { type BuildRefusal, refuseBuild } from "../refusals.ts";
import type { ArchiveOptions } from "../request.ts";
import { type CommandResult, failureText, runCommand } from "../run-command.ts";
import { withSourceLines, withSourcePackages } from "./apt-sources.ts";
import { type ControlRecord, parseControlRecords } from "./control-records.ts";

/** How old the archive's lists may be before they are fetched again, in milliseconds. */
const listsAgeMaxMs = 6 * 60 * 60 * 1000;

export interface Archive {
  /** Holds all that is kept of packages: sources, builds and the roots they are built in. */
  readonly cacheFolder: string;
  /** The machine's apt sources with source packages. */
  readonly sourceParts: string;
  readonly lists: string;
  /** `-o` options that make apt programs use this archive. */
  readonly aptOptions: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  /** All source records of a source package or of the source of a binary package. */
  readonly sourceRecords: (name: string) => Promise<readonly ControlRecord[]>;
  /** The suites that have a version of a source package, in the order of the sources. */
  readonly suitesOf: (source: NamedVersion) => Promise<readonly string[]>;
  readonly binaryRecords: (name: string) => Promise<readonly ControlRecord[]>;
  /** Downloads into a folder; undefined when done, else why not. */
  readonly fetchSource: (wanted: NamedVersion, folder: string) => Promise<BuildRefusal | undefined>;
  readonly fetchBinary: (wanted: NamedVersion, folder: string) => Promise<BuildRefusal | undefined>;
}

export interface NamedVersion {
  readonly name: string;
  readonly version: string;
}

/**
 * Opens the archive that the machine's apt sources name, with fresh lists. `folder` is for the
 * archive's own files, absolute and in the folder where sources and builds are kept.
 */
export async function openArchive(
  place: {
    readonly folder: string;
    readonly env: Readonly<Record<string, string | undefined>>;
    readonly options: ArchiveOptions;
  },
  progress: (step: string) => void,
): Promise<Archive | BuildRefusal> {
  const { folder } = place;
  const env = { ...place.env, LC_ALL: "C.UTF-8", DEBIAN_FRONTEND: "noninteractive" };
  const parts = await writeSources(place.options.sources ?? "/etc/apt", folder);
  for (const name of ["lists/partial", "cache/archives/partial"]) {
    await mkdir(join(folder, name), { recursive: true });
  }
  const aptOptions = [
    ["Dir::Etc::SourceList", "/dev/null"],
    ["Dir::Etc::SourceParts", parts],
    ["Dir::State::Lists", join(folder, "lists")],
    ["Dir::Cache", join(folder, "cache")],
    ["Acquire::Languages", "none"],
    // The private folders may be where apt's own unprivileged user cannot write.
    ["APT::Sandbox::User", "root"],
  ].flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const apt = (argv: readonly string[], cwd?: string): Promise<CommandResult> =>
    runCommand([argv[0] ?? "", ...aptOptions, ...argv.slice(1)], {
      env,
      ...(cwd !== undefined && { cwd }),
    });
  const stamp = join(folder, "updated");
  if (place.options.refresh === true || !(await isFresh(stamp))) {
    progress("fetching the archive's package lists");
    const updated = await apt(["apt-get", "update", "-q"]);
    if (updated.code !== 0) return refuseArchive(updated);
    await writeFile(stamp, "");
  }
  const records = async (argv: readonly string[]): Promise<readonly ControlRecord[]> =>
    parseControlRecords((await apt(argv)).stdout);
  return {
    cacheFolder: dirname(folder),
    sourceParts: parts,
    lists: join(folder, "lists"),
    aptOptions,
    env,
    sourceRecords: (name) => records(["apt-cache", "showsrc", name]),
    suitesOf: async ({ name, version }) =>
      suitesIn((await apt(["apt-cache", "madison", name])).stdout, version),
    binaryRecords: (name) => records(["apt-cache", "show", name]),
    fetchSource: (wanted, into) =>
      fetch(wanted, () =>
        apt(["apt-get", "source", "-q", "--download-only", "--only-source", spec(wanted)], into),
      ),
    fetchBinary: (wanted, into) =>
      fetch(wanted, () => apt(["apt-get", "download", "-q", spec(wanted)], into)),
  };
}

const spec = ({ name, version }: NamedVersion): string => `${name}=${version}`;

/** Rows of `apt-cache madison`: `name | version | URI SUITE/COMPONENT Sources`. */
export const suitesIn = (table: string, version: string): readonly string[] =>
  table.split("\n").flatMap((row) => {
    const [, found, where = ""] = row.split("|").map((cell) => cell.trim());
    const suite = / ([^ /]+)\/\S+ Sources$/.exec(where)?.[1];
    return found === version && suite !== undefined ? [suite] : [];
  });

async function fetch(
  wanted: NamedVersion,
  run: () => Promise<CommandResult>,
): Promise<BuildRefusal | undefined> {
  const result = await run();
  if (result.code === 0) return undefined;
  return refuseBuild("archive-unreachable", {
    name: `${wanted.name} ${wanted.version}`,
    detail: failureText(result),
    next: "try again with fresh package lists, and check the machine's apt sources",
  });
}

/** A folder named by its content: others may be reading it, so it is never changed. */
async function writeSources(from: string, into: string): Promise<string> {
  const folder = join(from, "sources.list.d");
  const names = [
    join(from, "sources.list"),
    ...(existsSync(folder) ? (await readdir(folder)).map((name) => join(folder, name)) : []),
  ];
  const parts = new Map<string, string>();
  for (const file of names.filter((path) => existsSync(path)).sort()) {
    const text = await readFile(file, "utf8");
    const number = parts.size + 1;
    if (file.endsWith(".sources")) parts.set(`${number}.sources`, withSourcePackages(text));
    else if (file.endsWith(".list")) parts.set(`${number}.list`, withSourceLines(text));
  }
  const digest = createHash("sha256")
    .update(JSON.stringify([...parts]))
    .digest("hex");
  const written = join(into, `sources-${digest.slice(0, 12)}`);
  if (existsSync(written)) return written;
  await mkdir(into, { recursive: true });
  const draft = await mkdtemp(join(into, "sources-"));
  for (const [name, text] of parts) await writeFile(join(draft, name), text);
  try {
    await rename(draft, written);
  } catch (error) {
    // Another process was faster, with the same content.
    if (!existsSync(written)) throw error;
    await rm(draft, { recursive: true });
  }
  return written;
}

const isFresh = async (stamp: string): Promise<boolean> =>
  existsSync(stamp) && Date.now() - (await stat(stamp)).mtimeMs < listsAgeMaxMs;

const refuseArchive = (result: CommandResult): BuildRefusal =>
  result.spawnError === "ENOENT"
    ? refuseBuild("missing-tool", {
        name: "apt-get",
        detail: "this machine has no apt",
        next: "build distribution packages on a machine of that distribution",
      })
    : refuseBuild("archive-unreachable", {
        name: "apt-get update",
        detail: failureText(result),
        next: "check the network and the machine's apt sources",
      });
