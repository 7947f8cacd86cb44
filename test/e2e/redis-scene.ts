/**
 * The oldest redis-server that the Debian archive still has, unpacked but not installed.
 *
 * Versions move. With two versions or more the hotpatch comes from the difference between the
 * oldest and the newest; gives undefined, after saying why, where the archive cannot serve this.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { REDIS_TRIGGERS } from "./redis-triggers.ts";
import type { Scene, Stage } from "./scene.ts";
import { problemOf, runSuture } from "./suture-command.ts";

export async function prepareRedis(
  stage: Stage,
  { rebuilt }: { readonly rebuilt: boolean },
): Promise<Scene | undefined> {
  if (!isThere("apt-cache") || !isThere("dpkg-source")) {
    stage.say("no apt and dpkg-source here");
    return undefined;
  }
  const versions = versionsInArchive() ?? refreshed(stage);
  const [oldest] = versions ?? [];
  const newest = versions?.at(-1);
  if (oldest === undefined || newest === undefined) {
    stage.say("the archive has no redis-server");
    return undefined;
  }
  if (rebuilt || oldest === newest) return await prepareEarlier(newest, stage);
  const folder = join(stage.folder, "redis");
  if (!fetchBinary(oldest, folder) && !(refreshed(stage) && fetchBinary(oldest, folder))) {
    stage.say(`the archive lists redis-server ${oldest} but does not serve it`);
    return undefined;
  }
  return {
    title: `redis-server ${oldest}, the oldest of ${versions?.length} that the archive has`,
    program: join(folder, "usr/bin/redis-server"),
    args: (port) => redisArguments(port, stage.folder),
    ...sceneOf(oldest, ["--to", sourceOf(newest)]),
    triggers: REDIS_TRIGGERS,
  };
}

/** What is built: the fix that `fix` names, for a version that runs. */
function sceneOf(runs: string, fix: readonly string[]): Pick<Scene, "build" | "channel"> {
  const version = sourceOf(runs);
  const words = ["--from", version, ...fix];
  return {
    build: ["--deb", "redis", ...words],
    channel: {
      product: "redis",
      component: { file: "redis-server", package: "redis", version },
      imports: ["redis", ...words],
      leaking: ["--deb", "redis", ...words, "--patch", LEAK, "--binary", "redis-server"],
    },
  };
}

const LEAK = fileURLToPath(new URL("../victims/redis-leak.patch", import.meta.url));

/** The source version of a binary version: a rebuild without changes adds `+b1`. */
const sourceOf = (version: string): string => version.replace(/\+b\d+$/, "");

/** With one version left: that version rebuilt without a patch whose fault can be shown. */
async function prepareEarlier(version: string, stage: Stage): Promise<Scene | undefined> {
  stage.say(`building redis-server ${version} without its last patches`);
  for (const trigger of REDIS_TRIGGERS) {
    if (trigger.patch === undefined) continue;
    const scene = sceneOf(version, ["--without", trigger.patch]);
    const output = ["--output", join(stage.folder, "first.hotpatch")];
    const result = await runSuture(["build", ...scene.build, ...output], { onProgress: stage.say });
    if (result.answer.ok) {
      // The agent looks after the stage's folder alone, and what is built lies in a cache.
      const program = join(stage.folder, "redis-server");
      copyFileSync(String(result.answer.binary), program);
      return {
        title: `redis-server ${version}, rebuilt without ${trigger.patch}`,
        program,
        // One file is server and checker, and goes by the name it is called by.
        calledAs: "redis-server",
        args: (port) => redisArguments(port, stage.folder),
        ...scene,
        triggers: [trigger],
      };
    }
    stage.say(problemOf(result));
  }
  return undefined;
}

export const redisArguments = (port: number, folder: string): readonly string[] =>
  Object.entries({
    port: String(port),
    bind: "127.0.0.1",
    save: "",
    dir: folder,
    logfile: join(folder, "redis.log"),
    "enable-debug-command": "yes",
  }).flatMap(([name, value]) => [`--${name}`, value]);

const isThere = (program: string): boolean => !spawnSync(program, ["--version"]).error;

/** Distinct versions, oldest first; undefined where apt knows none. */
function versionsInArchive(): string[] | undefined {
  const { stdout } = spawnSync("apt-cache", ["madison", "redis-server"], { encoding: "utf8" });
  const versions = new Set(
    (stdout ?? "").split("\n").flatMap((row) => {
      const [, version, where] = row.split("|").map((cell) => cell.trim());
      return version && where?.includes("Packages") ? [version] : [];
    }),
  );
  const isOlder = (a: string, b: string): boolean =>
    spawnSync("dpkg", ["--compare-versions", a, "lt", b]).status === 0;
  return versions.size === 0 ? undefined : [...versions].sort((a, b) => (isOlder(a, b) ? -1 : 1));
}

/** Fetches apt's lists again, where this user may; gives what they name. */
function refreshed(stage: Stage): string[] | undefined {
  stage.say("apt-get update");
  spawnSync("apt-get", ["update", "-qq"], { stdio: "ignore" });
  return versionsInArchive();
}

function fetchBinary(version: string, folder: string): boolean {
  mkdirSync(folder, { recursive: true });
  // redis-server's own package holds the service; the program itself stands in redis-tools.
  const packages = ["redis-server", "redis-tools"].map((name) => `${name}=${version}`);
  const options = ["-o", "APT::Sandbox::User=root", "-qq"];
  spawnSync("apt-get", [...options, "download", ...packages], { cwd: folder, stdio: "ignore" });
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".deb")))
    spawnSync("dpkg-deb", ["-x", file, "."], { cwd: folder, stdio: "inherit" });
  return existsSync(join(folder, "usr/bin/redis-server"));
}
