/** Which versions of a source package a request means. */
import { type BuildRefusal, isBuildRefusal, refuseBuild } from "../refusals.ts";
import type { DebRequest } from "../request.ts";
import { runCommand } from "../run-command.ts";
import type { Archive } from "./archive.ts";
import type { ControlRecord } from "./control-records.ts";
import { compareVersions } from "./version.ts";

/** One version of a source package in the archive. */
export interface SourceVersion {
  readonly name: string;
  readonly version: string;
  /** SHA-256 of the .dsc, which names the hashes of everything else. */
  readonly dscSha256: string;
  /** The binary packages that are made for this machine. */
  readonly binaries: readonly string[];
}

export interface ChosenVersions {
  readonly from: SourceVersion;
  /** Absent where the fix comes as patch files. */
  readonly to?: SourceVersion;
}

/** Finds the versions that a request names in the archive. */
export async function chooseVersions(
  request: DebRequest,
  archive: Archive,
): Promise<ChosenVersions | BuildRefusal> {
  const versions = sourceVersions(await archive.sourceRecords(request.package), request.package);
  const last = versions.at(-1);
  if (last === undefined) {
    return refuseBuild("no-such-package", {
      name: request.package,
      detail: "the archive has no source package of that name, nor one that makes it",
      next: "check the name, and that the machine's apt sources have it",
    });
  }
  const from = await chooseOne(request.from, versions, archive);
  if (isBuildRefusal(from) || request.to === undefined) {
    return isBuildRefusal(from) ? from : { from };
  }
  const to = await chooseOne(request.to, versions, archive);
  if (isBuildRefusal(to)) return to;
  if (from.version !== to.version) return { from, to };
  return refuseBuild("no-change", {
    name: `${from.name} ${from.version}`,
    detail: "the version before and after the fix is the same",
    next: `choose two of: ${versions.map(({ version }) => version).join(", ")}`,
  });
}

/** The source versions in records of `apt-cache showsrc`, the oldest first, each once. */
export function sourceVersions(
  records: readonly ControlRecord[],
  wanted: string,
): readonly SourceVersion[] {
  const name = records.some((record) => record.get("package") === wanted)
    ? wanted
    : records[0]?.get("package");
  const found = records.flatMap((record) => {
    const version = record.get("version");
    if (record.get("package") !== name || name === undefined || version === undefined) return [];
    const dsc = /([0-9a-f]{64}) [0-9]+ \S+\.dsc/.exec(record.get("checksums-sha256") ?? "");
    const binaries = (record.get("package-list") ?? "").split("\n").flatMap((line) => {
      const [binary = "", type, , , ...rest] = line.trim().split(/\s+/);
      const architectures =
        rest
          .find((word) => word.startsWith("arch="))
          ?.slice(5)
          .split(",") ?? [];
      const here = ["any", "amd64", "linux-any", "any-amd64"].some((arch) =>
        architectures.includes(arch),
      );
      return type === "deb" && here ? [binary] : [];
    });
    return [{ name, version, dscSha256: dsc?.[1] ?? "", binaries }];
  });
  const distinct = new Map(found.map((version) => [version.version, version]));
  return [...distinct.values()].sort((a, b) => compareVersions(a.version, b.version));
}

async function chooseOne(
  wanted: string,
  versions: readonly SourceVersion[],
  archive: Archive,
): Promise<SourceVersion | BuildRefusal> {
  const name = versions[0]?.name ?? "";
  const version = wanted === "installed" ? await installedVersion(versions, archive) : wanted;
  const chosen =
    version === "oldest"
      ? versions[0]
      : version === "newest"
        ? versions.at(-1)
        : versions.find((candidate) => candidate.version === version);
  if (chosen !== undefined) return chosen;
  return refuseBuild("no-such-package", {
    name: `${name} ${wanted}`,
    detail:
      version === undefined
        ? "it is not installed"
        : `the archive does not have version ${version}`,
    next: `choose one of: ${versions.map((candidate) => candidate.version).join(", ")}`,
  });
}

async function installedVersion(
  versions: readonly SourceVersion[],
  archive: Archive,
): Promise<string | undefined> {
  const newest = versions.at(-1);
  for (const binary of newest?.binaries ?? []) {
    const format = ["db:Status-Status", "source:Package", "source:Version"]
      .map((field) => `$\{${field}}`)
      .join(" ");
    const query = await runCommand(["dpkg-query", "-W", "-f", format, binary], {
      env: archive.env,
    });
    const [status, source, version] = query.stdout.trim().split(" ");
    if (status === "installed" && source === newest?.name) return version;
  }
  return undefined;
}
