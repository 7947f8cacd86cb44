/**
 * What a build of a distribution's update becomes in a channel: the baseline that it is for, and a
 * hotpatch for each program and library that it changes.
 *
 * A baseline is known by its Build-IDs, not by its name: an import for what the channel knows
 * already adds hotpatches to that baseline, whatever it is called. A hotpatch that is the same as
 * the newest one of its baseline is not added again.
 */
import { isDeepStrictEqual } from "node:util";
import { asRequest, ReleaseError } from "../errors.ts";
import type { RepositoryFiles } from "../files/repository-files.ts";
import { type Component, FixVerdict, type HotpatchManifest } from "../manifest.ts";
import { plannedReleases } from "../metadata/calendar.ts";
import { matching } from "../metadata/fields.ts";
import { CALENDAR_TARGET, type TargetMeta, targetPath } from "../metadata/metadata.ts";
import {
  baselinePattern,
  type LeftOut,
  productPattern,
  type Severity,
  targetOf,
  type UpdateEntry,
} from "../metadata/update-entry.ts";
import { addTarget, checkProduct } from "./add.ts";
import type { Signers } from "./create.ts";
import { hotpatchEntryOf } from "./hotpatch-entry.ts";
import { comingChannel, comingProduct, type Repository, readRepository } from "./repository.ts";

/** What runs: a source package in one version, with every program and library that ships. */
export interface ImportedPackage {
  readonly name: string;
  readonly version: string;
  readonly components: readonly Component[];
}

/** A hotpatch file and what it says of itself. */
export interface ImportedHotpatch {
  readonly bytes: Uint8Array;
  readonly manifest: HotpatchManifest;
}

/** What became of one fix in each program and library that it concerns. */
export interface ImportedFix {
  readonly source: string;
  readonly cves: readonly string[];
  readonly binaries: readonly {
    /** Its path in the package. */
    readonly file: string;
    readonly buildId: string;
    readonly verdict: FixVerdict;
    readonly obstacles: readonly {
      readonly code: string;
      readonly name: string;
      readonly detail: string;
    }[];
  }[];
}

export interface ImportRequest {
  readonly files: RepositoryFiles;
  readonly now: Date;
  readonly product: string;
  /** The baseline's name; the one that lists what is imported, or a new one, unless given. */
  readonly baseline?: string;
  readonly package: ImportedPackage;
  readonly hotpatches: readonly ImportedHotpatch[];
  readonly fixes: readonly ImportedFix[];
  readonly kind: "hotpatch" | "out-of-band";
  readonly severity: Severity;
  /** Orders versions of the package: negative where the first is older. */
  readonly compareVersions: (one: string, other: string) => number;
  /** Whether two hotpatch files do and say the same, whatever their sequences. */
  readonly isSameHotpatch: (one: Uint8Array, other: Uint8Array) => boolean;
}

export interface ImportResult {
  readonly baseline: {
    readonly target: string;
    readonly entry: UpdateEntry;
    readonly isStaged: boolean;
    /** What ships and a baseline that was there before does not list. */
    readonly notListed: readonly Component[];
  };
  readonly hotpatches: readonly ImportedTarget[];
}

/** What became of one hotpatch; `target` and `entry` are those that the channel has. */
export interface ImportedTarget {
  /**
   * `unchanged`: it is the newest of its baseline already. `withdrawn`: one that fixes and leaves
   * out the same was withdrawn, so that it is not staged again.
   */
  readonly state: "staged" | "unchanged" | "withdrawn";
  readonly target: string;
  readonly entry: UpdateEntry;
  /** Absent where it was withdrawn. */
  readonly bytes?: Uint8Array;
}

type Targets = Readonly<Record<string, TargetMeta<UpdateEntry>>>;

/** The next free sequence of a component; 1 in a product that is not there yet. */
export function nextSequence(
  repository: Repository,
  of: { readonly product: string; readonly buildId: string; readonly baseline?: string },
): number {
  const { published, staged } = repository;
  const envelope = staged.products.get(of.product) ?? published?.products.get(of.product);
  const sequences = Object.values(envelope?.signed.targets ?? {})
    .map(({ custom }) => custom)
    .filter(({ sequence, components }) => sequence > 0 && components[0]?.buildId === of.buildId)
    .filter(({ baseline }) => of.baseline === undefined || baseline === of.baseline)
    .map(({ sequence }) => sequence);
  return Math.max(0, ...sequences) + 1;
}

/**
 * What can be known before a build, which takes long.
 *
 * Throws ReleaseError for a product that is to be made and may not be, and for names that no
 * product or baseline may have.
 */
export function checkImport(
  repository: Repository,
  {
    product,
    signers,
    baseline,
  }: { readonly product: string; readonly signers?: Signers; readonly baseline?: string },
): void {
  asRequest(() => matching(product, "product", productPattern));
  if (signers !== undefined) checkProduct(repository, { product, signers });
  if (baseline !== undefined) asRequest(() => matching(baseline, "baseline", baselinePattern));
}

/**
 * Stages the baseline, where the channel does not have it, and each hotpatch that is new.
 *
 * The hotpatches have the sequences of `nextSequence`. Throws ReleaseError `product-missing`, and
 * `wrong-request` where the named baseline is another one, or somebody has staged a hotpatch since
 * the sequences were chosen. Killed at any moment, it finishes when it is run again.
 */
export async function stageImport(request: ImportRequest): Promise<ImportResult> {
  const { files, now, product, hotpatches } = request;
  const repository = await readRepository(files);
  const { targets } = comingProduct(repository, product);
  const known = findBaseline(targets, request);
  const entry = known ?? newBaseline(repository, targets, request);
  checkSequences(repository, request);
  const target = targetOf(product, entry);
  if (known === undefined) await addTarget({ files, now, product, entry });
  const imported: ImportedTarget[] = [];
  for (const hotpatch of hotpatches) {
    imported.push(await stageHotpatch(hotpatch, { request, targets, baseline: entry.baseline }));
  }
  const listed = new Set(entry.components.map(({ buildId }) => buildId));
  const notListed = request.package.components.filter(({ buildId }) => !listed.has(buildId));
  const isStaged = known === undefined;
  return { baseline: { target, entry, isStaged, notListed }, hotpatches: imported };
}

/** The baseline that a request names, or the newest that has all of the hotpatches' components. */
function findBaseline(
  targets: Targets,
  { baseline: name, hotpatches, package: { components } }: ImportRequest,
): UpdateEntry | undefined {
  const concerned =
    hotpatches.length > 0 ? hotpatches.map(({ manifest }) => manifest.component) : components;
  const baselines = Object.values(targets)
    .map(({ custom }) => custom)
    .filter(({ sequence }) => sequence === 0);
  const missingIn = (entry: UpdateEntry): Component | undefined =>
    concerned.find(({ buildId }) => !entry.components.some((own) => own.buildId === buildId));
  if (name === undefined) {
    return baselines
      .filter((entry) => entry.withdrawn === undefined && missingIn(entry) === undefined)
      .toSorted((a, b) => compareTexts(b.released + b.baseline, a.released + a.baseline))[0];
  }
  const named = baselines.find(({ baseline }) => baseline === name);
  if (named === undefined) return undefined;
  const missing = missingIn(named);
  if (named.withdrawn !== undefined) {
    throw new ReleaseError("wrong-request", `baseline ${name}`, "it was withdrawn");
  }
  if (missing === undefined) return named;
  const found = `it has no ${missing.file} with Build-ID ${missing.buildId}; choose another name`;
  throw new ReleaseError("wrong-request", `baseline ${name}`, found);
}

const compareTexts = (one: string, other: string): number =>
  one < other ? -1 : one > other ? 1 : 0;

function newBaseline(
  repository: Repository,
  targets: Targets,
  request: ImportRequest,
): UpdateEntry {
  const { product, now, severity, package: served, compareVersions } = request;
  const baseline = request.baseline ?? freeName(repository, targets, request);
  const isOlder = ({ components }: UpdateEntry): boolean => {
    const versions = components
      .filter((component) => component.package === served.name)
      .flatMap(({ version }) => version ?? []);
    return (
      versions.length > 0 &&
      versions.every((version) => compareVersions(version, served.version) < 0)
    );
  };
  const supersedes = Object.entries(targets)
    .filter(([, { custom }]) => custom.sequence === 0 && custom.withdrawn === undefined)
    .filter(([, { custom }]) => isOlder(custom))
    .map(([target]) => target);
  return {
    ...{ format: 1, kind: "baseline", id: `${product}-${baseline}`, baseline, sequence: 0 },
    ...{ components: served.components, cves: [], severity, supersedes },
    ...{ restartNeeded: true, leftOut: [], released: now.toISOString().slice(0, 10) },
  };
}

/**
 * The last month with a planned baseline; with the version where that name is another's; and with a
 * Build-ID where that is, for a version may be built again.
 */
function freeName(
  repository: Repository,
  targets: Targets,
  { product, now, package: { version, components } }: ImportRequest,
): string {
  const calendar = comingChannel(repository).targets[CALENDAR_TARGET].custom;
  const today = now.toISOString().slice(0, 7);
  const from = `${now.getUTCFullYear() - 1}${today.slice(4)}`;
  const planned = plannedReleases(calendar, { product, from, count: 13 });
  const month = planned.findLast(({ kind }) => kind === "baseline")?.month ?? today;
  const readable = version.replace(/^[0-9]+:/, "").replace(/[^0-9A-Za-z.+~_-]/g, "_");
  const longer = `${month}-${readable}`.slice(0, 55);
  const names = [month, longer, `${longer}-${components[0]?.buildId.slice(0, 8)}`];
  const taken = new Set(Object.values(targets).map(({ custom }) => custom.baseline));
  const free = names.find((name) => !taken.has(name));
  if (free !== undefined) return free;
  const found = `it and ${names.slice(1).join(", ")} are other baselines; choose a name`;
  throw new ReleaseError("wrong-request", `baseline ${month}`, found);
}

/** Whoever staged a hotpatch meanwhile has taken its sequence, or would be superseded unseen. */
function checkSequences(
  repository: Repository,
  { product, baseline, hotpatches }: ImportRequest,
): void {
  for (const { manifest } of hotpatches) {
    const { buildId, file } = manifest.component;
    const next = nextSequence(repository, { product, buildId, ...(baseline && { baseline }) });
    if (manifest.sequence === next) continue;
    const found = `its sequence is ${manifest.sequence}, and the next one is ${next}; import again`;
    throw new ReleaseError("wrong-request", `hotpatch for ${file}`, found);
  }
}

async function stageHotpatch(
  { bytes, manifest }: ImportedHotpatch,
  place: {
    readonly request: ImportRequest;
    readonly targets: Targets;
    readonly baseline: string;
  },
): Promise<ImportedTarget> {
  const { request, targets, baseline } = place;
  const { files, now, product, kind, severity, fixes, isSameHotpatch } = request;
  const { buildId } = manifest.component;
  const former = Object.entries(targets)
    .filter(([, { custom }]) => custom.baseline === baseline && custom.sequence > 0)
    .filter(([, { custom }]) => custom.components[0]?.buildId === buildId)
    .toSorted(([, a], [, b]) => b.custom.sequence - a.custom.sequence);
  const current = former.filter(([, { custom }]) => custom.withdrawn === undefined);
  const [newest] = current;
  if (newest !== undefined) {
    const [target, { hashes, custom }] = newest;
    const present = await readTarget(files, targetPath(target, hashes.sha256));
    if (isSameHotpatch(present, bytes)) {
      return { state: "unchanged", target, entry: custom, bytes: present };
    }
  }
  const supersedes = current.map(([target]) => target);
  const leftOut = leftOutElsewhere(fixes, { components: request.package.components, buildId });
  const about = { manifest, kind, baseline, severity, supersedes, leftOut, now };
  const entry = hotpatchEntryOf(about);
  const withdrawn = former.find(
    ([, { custom }]) =>
      custom.withdrawn !== undefined &&
      isDeepStrictEqual([custom.cves, custom.leftOut], [entry.cves, entry.leftOut]),
  );
  if (withdrawn !== undefined) {
    return { state: "withdrawn", target: withdrawn[0], entry: withdrawn[1].custom };
  }
  const target = await addTarget({ files, now, product, entry, payload: bytes });
  return { state: "staged", target, entry, bytes };
}

/** The file of a target, which is staged or public. */
async function readTarget(files: RepositoryFiles, path: string): Promise<Uint8Array> {
  const bytes = (await files.read(`staged/${path}`)) ?? (await files.read(`public/${path}`));
  if (bytes !== undefined) return bytes;
  throw new ReleaseError("repository-damaged", path, "neither staged nor public");
}

/** Characters of a reason that the channel takes. */
const reasonMax = 1000;

/**
 * What other programs and libraries of the package do not get while they run.
 *
 * A hotpatch for them may not exist, so this one says it: else it would be said nowhere.
 */
function leftOutElsewhere(
  fixes: readonly ImportedFix[],
  own: { readonly components: readonly Component[]; readonly buildId: string },
): LeftOut[] {
  return fixes.flatMap(({ source, cves, binaries }) =>
    binaries
      .filter(({ buildId }) => buildId !== own.buildId)
      .flatMap(({ file, buildId, verdict, obstacles }): LeftOut[] => {
        const component = own.components.find((known) => known.buildId === buildId) ?? {
          ...{ file: file.slice(file.lastIndexOf("/") + 1), buildId },
        };
        const why =
          verdict === FixVerdict.onlyAtStart
            ? "takes effect at the next start only"
            : verdict === FixVerdict.restartNeeded
              ? obstacles.map(({ code, name, detail }) => `${code}: ${name}: ${detail}`).join("; ")
              : undefined;
        if (why === undefined) return [];
        const reason = oneLine(why === "" ? "needs a restart" : why).slice(0, reasonMax);
        return [{ source, cves: [...new Set(cves)], reason, component }];
      }),
  );
}

/** Compilers' messages have line breaks; what the channel says has no control characters. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
const oneLine = (text: string): string => text.replace(/[\x00-\x1f\x7f-\x9f]+/g, " ").trim();
