/**
 * The root that all package roots lie upon: the first suite of the archive with what every build
 * has (build-essential), made once by mmdebstrap or debootstrap and kept in the cache.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { privateMounts } from "../build-root.ts";
import { baseRootTimeoutMs } from "../limits.ts";
import { type BuildRefusal, refuseBuild } from "../refusals.ts";
import { removeTree } from "../remove-tree.ts";
import { type CommandResult, failureText, runCommand } from "../run-command.ts";
import { type AptSource, onlySuite, parseSources } from "./apt-sources.ts";
import type { Archive } from "./archive.ts";

export interface BaseRoot {
  /** Holds all roots of a cache. */
  readonly folder: string;
  /** The base's name in it. */
  readonly name: string;
  /** The suite that it is of: the first of the sources. */
  readonly suite: string;
}

/**
 * The base root of an archive: from the cache, or made now, which takes about half a minute.
 *
 * Its name stands for the suite and the date of its release. Refuses where
 * this process is not root or may not mount, and where neither tool is installed.
 */
export async function obtainBaseRoot(
  archive: Archive,
  progress: (step: string) => void,
): Promise<BaseRoot | BuildRefusal> {
  const folder = join(archive.cacheFolder, "roots");
  const sources = await readSources(archive);
  const [first] = sources;
  if (first === undefined) return refuseSources();
  const date = await releaseDate(archive, first.suite);
  const digest = createHash("sha256")
    .update(JSON.stringify([first, date]))
    .digest("hex");
  const name = `base-${first.suite.replace(/[^A-Za-z0-9.-]/g, "-")}-${digest.slice(0, 12)}`;
  const target = join(folder, name);
  if (existsSync(target)) return { folder, name, suite: first.suite };
  if (process.getuid?.() !== 0) return refuseUser(name);
  const mayMount = await runCommand(["true"], { env: archive.env, buildRoot: privateMounts });
  if (mayMount.code !== 0) return refuseMounts(failureText(mayMount));
  await mkdir(join(folder, "mnt"), { recursive: true });
  progress(`making a root of ${first.suite} to build packages in (once for all packages)`);
  await removeUnfinished(folder);
  const unfinished = `${target}.${process.pid}`;
  const result = await bootstrap(archive, { source: first, target: unfinished });
  if (result === undefined) return refuseTool();
  if (result.code !== 0) {
    await removeTree(unfinished);
    return refuseBuild("archive-unreachable", {
      name: first.suite,
      detail: `no root can be made of it: ${failureText(result)}`,
      next: "check the network and the machine's apt sources",
    });
  }
  await prepareForBuilds(unfinished);
  await publish(unfinished, target);
  return { folder, name, suite: first.suite };
}

/** Removes what processes that are gone have left: the name of such a root ends in their id. */
export async function removeUnfinished(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const pid = /\.([0-9]+)$/.exec(name)?.[1];
    if (pid === undefined || (existsSync(`/proc/${pid}`) && Number(pid) !== process.pid)) continue;
    await removeTree(join(folder, name));
  }
}

/** Gives a finished root its name, unless another process was first. */
export async function publish(unfinished: string, target: string): Promise<void> {
  try {
    await rename(unfinished, target);
  } catch (error) {
    if (!existsSync(target)) throw error;
    await removeTree(unfinished);
  }
}

/** Undefined where no tool is there that could do it. */
async function bootstrap(
  archive: Archive,
  root: { readonly source: FoundSource; readonly target: string },
): Promise<CommandResult | undefined> {
  const options = { env: archive.env, timeoutMs: baseRootTimeoutMs, buildRoot: privateMounts };
  const { source, target } = root;
  const file = join(dirname(archive.sourceParts), `base.${process.pid}.${source.file}`);
  const text = await readFile(join(archive.sourceParts, source.file), "utf8");
  await writeFile(file, onlySuite(text, source.file, source.suite));
  const settings = await acquireSettings(archive);
  const first = await runCommand(
    [
      "mmdebstrap",
      ...["--mode=root", "--variant=buildd", "--format=directory", "--quiet"],
      ...settings.map((setting) => `--aptopt=${setting}`),
      ...["", target, file],
    ],
    options,
  );
  await rm(file);
  if (!isMissing(first)) return first;
  const keyring = source.signedBy === undefined ? [] : [`--keyring=${source.signedBy}`];
  const components = `--components=${source.components.join(",")}`;
  const second = await runCommand(
    [
      "debootstrap",
      ...["--variant=buildd", components, ...keyring, source.suite, target, source.uri],
    ],
    options,
  );
  return isMissing(second) ? undefined : second;
}

const isMissing = ({ code }: CommandResult): boolean => code === 127;

/** How the machine reaches archives (proxies, time checks), as apt.conf lines. */
async function acquireSettings(archive: Archive): Promise<readonly string[]> {
  const { stdout } = await runCommand(["apt-config", "dump", "Acquire"], { env: archive.env });
  return stdout.split("\n").filter((line) => /^Acquire::\S+ ".+";$/.test(line));
}

/** What a build machine has: no service starts, and files need not outlive a crash. */
async function prepareForBuilds(root: string): Promise<void> {
  await writeFile(join(root, "usr/sbin/policy-rc.d"), "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  await writeFile(join(root, "etc/dpkg/dpkg.cfg.d/builds"), "force-unsafe-io\n");
  await rm(join(root, "etc/resolv.conf"), { force: true });
  await writeFile(join(root, "etc/hosts"), "127.0.0.1 localhost suture\n::1 localhost\n");
}

interface FoundSource extends AptSource {
  /** The name of the file that has it. */
  readonly file: string;
}

async function readSources({ sourceParts }: Archive): Promise<readonly FoundSource[]> {
  const sources: FoundSource[] = [];
  for (const file of (await readdir(sourceParts)).sort()) {
    const found = parseSources(await readFile(join(sourceParts, file), "utf8"), file);
    sources.push(...found.map((source) => ({ ...source, file })));
  }
  return sources;
}

/** The `Date` of a suite's Release file among the archive's lists; empty where it has none. */
async function releaseDate(archive: Archive, suite: string): Promise<string> {
  const ending = new RegExp(`_dists_${suite.replace(/[^A-Za-z0-9-]/g, ".")}_(?:In)?Release$`);
  const name = (await readdir(archive.lists)).sort().find((entry) => ending.test(entry));
  if (name === undefined) return "";
  const text = await readFile(join(archive.lists, name), "latin1");
  return /^Date: (.*)$/m.exec(text)?.[1] ?? "";
}

const refuseUser = (name: string): BuildRefusal =>
  refuseBuild("not-root", {
    name,
    detail: "the build's programs run in a file system root of their own, which only root can make",
    next: "run the same command as root; nothing is installed on this machine",
  });

const refuseMounts = (detail: string): BuildRefusal =>
  refuseBuild("not-root", {
    name: "unshare",
    detail: `this root may not make mount namespaces: ${detail}`,
    next: "build outside of the container, or give it CAP_SYS_ADMIN",
  });

const refuseTool = (): BuildRefusal =>
  refuseBuild("missing-tool", {
    name: "mmdebstrap",
    detail: "neither it nor debootstrap is installed, and one is needed to make a root to build in",
    next: "apt-get install mmdebstrap",
  });

const refuseSources = (): BuildRefusal =>
  refuseBuild("archive-unreachable", {
    name: "/etc/apt",
    detail: "the apt sources name no archive of binary packages",
    next: "check the machine's apt sources",
  });
