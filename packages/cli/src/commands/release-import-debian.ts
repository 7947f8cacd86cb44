import { join, resolve } from "node:path";
import type { BuildOutcome, DebRequest, RefusedBuild, ServedPackage } from "@suture/builder";
import type {
  ImportResult,
  PublicKey,
  Repository,
  RepositoryFiles,
  SigningKey,
} from "@suture/release";
import { type Arguments, type Command, type Context, UsageError } from "../command.ts";
import { describeImport, type ImportReport } from "../import-report.ts";
import { done, failed, line, type Outcome } from "../outcome.ts";
import type { BuilderParts, ReleaseParts } from "../parts.ts";
import { onlyPositional } from "../selection.ts";
import { refusedBuild } from "./build.ts";
import { severityOf } from "./release-add.ts";
import {
  KEY_OPTION,
  onRelease,
  openKeys,
  PASSPHRASE_OPTIONS,
  REPOSITORY_OPTION,
  readPublicKey,
  repositoryFolder,
  repositoryOf,
  waitingReport,
  whileLocked,
} from "./release-request.ts";

export const releaseImportDebian: Command = {
  name: "release import-debian",
  summary: "turn a distribution's security update into hotpatches of what is installed",
  usage:
    "PACKAGE [--repository DIR] [--product NAME] [--create FILE]...\n" +
    "       [--from VERSION] [--to VERSION] [--baseline NAME] [--key FILE]... [--publish]",
  about:
    "Builds what differs between two versions of a Debian package, and stages the baseline (every\n" +
    "program and library of the version that runs) and one hotpatch for each of them that changes.\n" +
    "The answer names every fix: in the hotpatch, only at start, nothing to do, or needs a restart\n" +
    "and why; what is left out is said in the signed entry too. With --key it is signed as well,\n" +
    "with --publish published. Run again with the same result, it stages nothing. Where no fix can\n" +
    "go into a running process, only the baseline is staged, and the exit code is 5.",
  options: {
    ...REPOSITORY_OPTION,
    product: { type: "string", value: "NAME", help: "the product (the package's name)" },
    create: {
      type: "string",
      multiple: true,
      value: "FILE",
      help: "make the product, with this public key as its signer (may be repeated)",
    },
    from: { type: "string", value: "VERSION", help: "what runs: a version, installed or oldest" },
    to: { type: "string", value: "VERSION", help: "what has the fixes (newest)" },
    without: {
      type: "string",
      multiple: true,
      value: "NAME",
      help: "what runs lacks this patch of its series, which is the fix (may be repeated)",
    },
    baseline: {
      type: "string",
      value: "NAME",
      help: "its name (that which lists what runs, or the last planned month)",
    },
    severity: { type: "string", value: "NAME", help: "critical, important, moderate or low" },
    "out-of-band": { type: "boolean", help: "an update outside the calendar" },
    keep: { type: "string", value: "DIR", help: "write the hotpatch files there as well" },
    cache: { type: "string", value: "DIR", help: "where sources and builds are kept" },
    ...KEY_OPTION,
    publish: { type: "boolean", help: "publish it; --key has the online keys too" },
    ...PASSPHRASE_OPTIONS,
  },
  example:
    "suture release import-debian redis --repository channel --create redis.key.pub\n" +
    "suture release import-debian redis --repository channel --from 5:7.0.15-1~deb12u7 \\\n" +
    "    --key redis.key --key keys/online/snapshot.key --key keys/online/timestamp.key --publish",
  run: onRelease(run),
};

/** All that an import works with, checked before anything is built. */
interface Import {
  readonly args: Arguments;
  readonly parts: ReleaseParts;
  readonly builder: BuilderParts;
  readonly context: Context;
  readonly files: RepositoryFiles;
  readonly product: string;
  readonly keys: readonly SigningKey[];
  /** The signers of a product that is to be made. */
  readonly signers: readonly PublicKey[];
}

async function run(args: Arguments, parts: ReleaseParts, context: Context): Promise<Outcome> {
  const name = onlyPositional(args, "PACKAGE");
  const request = requestOf(name, args, context);
  const severity = severityOf(args, parts);
  if (args.flag("publish") && args.texts("key").length === 0) {
    throw new UsageError("--publish needs the keys of snapshot and timestamp: --key FILE");
  }
  const product = args.text("product") ?? name;
  const signers = args.texts("create").map((path) => readPublicKey(path, parts, context));
  const files = repositoryOf(args, parts);
  const repository = await parts.readRepository(files);
  const baseline = args.text("baseline");
  parts.checkImport(repository, {
    product,
    ...(signers.length > 0 && { signers: { keys: signers, threshold: 1 } }),
    ...(baseline !== undefined && { baseline }),
  });
  const missing = productProblem(repository, { args, parts, product, signers });
  if (missing !== undefined) return missing;
  const keys = args.texts("key").length > 0 ? await openKeys(args, parts) : [];
  checkKeys(repository, { args, parts, product, keys, signers });
  const builder = await context.builder();
  const sequenceOf = (buildId: string): number =>
    parts.nextSequence(repository, {
      product,
      buildId,
      ...(baseline !== undefined && { baseline }),
    });
  const result = await builder.buildHotpatch({ ...request, sequenceOf }, context.progress);
  const whole = { args, parts, builder, context, files, product, keys, signers };
  if (!builder.isBuildRefusal(result)) {
    return await stage({ ...result, package: present(result.package) }, whole, severity);
  }
  const nothing = /^(?:no-change|not-in-binary)$/.test(result.refused);
  const { package: served, fixes = [] } = result;
  if (served === undefined) return nothing ? upToDate(result) : refusedBuild(result);
  if (!nothing && !needsRestart(fixes)) return refusedBuild(result);
  const only = { hotpatches: [], fixes, notes: [], package: served };
  return await stage(only, whole, severity);
}

const needsRestart = (fixes: BuildOutcome["fixes"]): boolean =>
  fixes.some(({ verdict }) => verdict === "restart-needed");

/** A package build says what it was about. */
function present(served: ServedPackage | undefined): ServedPackage {
  if (served === undefined) throw new Error("a package build names its package");
  return served;
}

/** The two versions are one: there is nothing to import yet, and nothing is wrong. */
function upToDate({ items }: RefusedBuild): Outcome {
  const [item] = items;
  return done(
    { imported: null, reason: item?.detail },
    line(`nothing to import: ${item?.name}: ${item?.detail}`),
  );
}

function requestOf(name: string, args: Arguments, context: Context): DebRequest {
  const withoutPatches = args.texts("without");
  const to = args.text("to");
  if (to !== undefined && withoutPatches.length > 0) {
    throw new UsageError("--to and --without exclude each other");
  }
  return {
    kind: "deb",
    package: name,
    from: args.text("from") ?? "installed",
    ...(withoutPatches.length > 0 ? { withoutPatches } : { to: to ?? "newest" }),
    cacheFolder: resolve(args.text("cache") ?? context.cacheFolder),
    env: context.env,
  };
}

type Checked = Pick<Import, "args" | "parts" | "product" | "signers">;

/** A product that is not there, and is not to be made, or one that others sign. */
function productProblem(
  repository: Repository,
  { args, parts, product, signers }: Checked,
): Outcome | undefined {
  const role = parts.rolesOf(repository).find((known) => known.role === product);
  const wanted = signers.map(parts.keyIdOf);
  if (role === undefined && wanted.length > 0) return undefined;
  if (role === undefined) {
    const { outcome, meaning } = parts.RELEASE_PROBLEMS["product-missing"];
    const add = `suture release add product ${product} --repository ${repositoryFolder(args)}`;
    return failed(outcome, {
      reason: "product-missing",
      detail: `${product}: ${meaning}`,
      next: `run this again with --create ${product}.key.pub, or first: ${add} --key ${product}.key.pub`,
    });
  }
  if (wanted.every((keyid) => role.keyids.includes(keyid))) return undefined;
  const found = "it is there, with other signers; see: suture release keys set";
  throw new parts.ReleaseError("wrong-request", product, found);
}

/** Every key has something to sign, so that a wrong one is noticed before a build of an hour. */
function checkKeys(
  repository: Repository,
  { args, parts, product, keys, signers }: Checked & Pick<Import, "keys">,
): void {
  const online: readonly string[] = args.flag("publish") ? ["snapshot", "timestamp"] : [];
  const names = [product, "targets", ...online];
  const listed = parts
    .rolesOf(repository)
    .filter(({ role }) => names.includes(role))
    .flatMap(({ keyids }) => keyids);
  const known = new Set([...listed, ...signers.map(parts.keyIdOf)]);
  const stranger = keys.find(({ keyid }) => !known.has(keyid));
  if (stranger === undefined) return;
  const found = `it signs for none of ${names.join(", ")}`;
  throw new parts.ReleaseError("key-not-listed", `key ${stranger.keyid}`, found);
}

type Built = Omit<BuildOutcome, "hotpatches" | "package"> & {
  readonly hotpatches: readonly BuildOutcome["hotpatches"][number][];
  readonly package: ServedPackage;
};

async function stage(
  built: Built,
  whole: Import,
  severity: ReturnType<typeof severityOf>,
): Promise<Outcome> {
  const { args, parts } = whole;
  return await whileLocked(args, { parts, task: releaseImportDebian.name }, async () => {
    const result = await stageBuilt(built, whole, severity);
    keepFiles(result, whole);
    const roles = rolesOf(await parts.readRepository(whole.files), whole.product);
    const signed = await signBuilt(roles, whole);
    const { waiting, isReady, lines } = await waitingReport(parts, whole.files, roles);
    const mayPublish = args.flag("publish") && isReady && waiting.length > 0;
    const publication = mayPublish
      ? await parts.publish({
          ...{ files: whole.files, now: parts.now(), keys: whole.keys },
          roles: waiting.map(({ role }) => role),
        })
      : undefined;
    const report: ImportReport = {
      ...{ product: whole.product, built, result, signed, waiting },
      ...{ waitingLines: publication ? [] : lines, isReady, publication },
      wantsPublication: args.flag("publish"),
    };
    return describeImport(report, parts);
  });
}

async function stageBuilt(
  { package: served, hotpatches, fixes }: Built,
  { args, parts, builder, files, product, signers }: Import,
  severity: ReturnType<typeof severityOf>,
): Promise<ImportResult> {
  const now = parts.now();
  const repository = await parts.readRepository(files);
  const isThere = parts.rolesOf(repository).some(({ role }) => role === product);
  if (!isThere && signers.length > 0) {
    await parts.addProduct({ files, now, product, signers: { keys: signers, threshold: 1 } });
  }
  const baseline = args.text("baseline");
  return await parts.stageImport({
    ...{ files, now, product, package: served, hotpatches, fixes, severity },
    ...(baseline !== undefined && { baseline }),
    kind: args.flag("out-of-band") ? "out-of-band" : "hotpatch",
    compareVersions: builder.compareVersions,
    isSameHotpatch: builder.isSameHotpatch,
  });
}

function keepFiles({ hotpatches }: ImportResult, { args, context }: Import): void {
  const folder = args.text("keep");
  if (folder === undefined) return;
  for (const { entry, bytes } of hotpatches) {
    if (bytes) context.writeFile(join(resolve(folder), `${entry.id}.hotpatch`), bytes);
  }
}

/** What an import may sign and publish: its product, and what leads to it where that is new. */
function rolesOf({ published }: Repository, product: string): readonly string[] {
  if (published === undefined) return ["root", "targets", product];
  const { roles } = published.channel.signed.delegations;
  return roles.some(({ name }) => name === product) ? [product] : ["targets", product];
}

/** Signs what waits with every key that is listed for it. */
async function signBuilt(
  wanted: readonly string[],
  { parts, files, keys }: Import,
): Promise<ImportReport["signed"]> {
  const waiting = parts
    .waitingFor(await parts.readRepository(files))
    .filter(({ role }) => wanted.includes(role));
  const signed: { keyid: string; roles: readonly string[] }[] = [];
  for (const key of keys) {
    const roles = waiting
      .filter(({ signers }) => signers.some((set) => set.role.keyids.includes(key.keyid)))
      .map(({ role }) => role);
    if (roles.length === 0) continue;
    signed.push({ keyid: key.keyid, roles: await parts.signMetadata({ files, key, roles }) });
  }
  return signed;
}
