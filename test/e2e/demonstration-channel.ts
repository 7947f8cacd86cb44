/**
 * The release channel of the demonstration: keys, repository and signatures, each made by the
 * command that a publisher would use.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DEFAULT_CALENDAR } from "@suture/release";
import type { Stage } from "./scene.ts";
import { type CommandResult, problemOf, runSuture } from "./suture-command.ts";

export interface DemonstrationChannel {
  /** The whole repository. */
  readonly folder: string;
  /** What devices and servers may read of it. */
  readonly publicFolder: string;
  /** The root that machines pin. */
  readonly root: string;
  readonly baseline: string;
  readonly publishBaseline: (components: readonly BaselineComponent[]) => Promise<void>;
  /** Turns a distribution's update into a hotpatch, signs and publishes it. */
  readonly importDebian: (words: readonly string[]) => Promise<PublishedHotpatch>;
  readonly publishHotpatch: (file: string) => Promise<PublishedHotpatch>;
}

export interface BaselineComponent {
  readonly file: string;
  readonly buildId: string;
  readonly package?: string;
  readonly version?: string;
}

export interface PublishedHotpatch {
  readonly target: string;
  /** Its name in memory maps. */
  readonly id: string;
  readonly cves: readonly string[];
  /** Date.now() when the timestamp was replaced. */
  readonly publishedAt: number;
  readonly answer: CommandResult["answer"];
}

export interface ChannelOptions {
  readonly product: string;
  readonly stage: Stage;
  readonly signal: AbortSignal;
}

/** Makes the keys and an empty channel, and a product whose key signs its updates. */
export async function openChannel(options: ChannelOptions): Promise<DemonstrationChannel> {
  const { product, stage } = options;
  const folder = join(stage.folder, "channel");
  const keys = join(stage.folder, "keys");
  const publisher = createPublisher(options, { folder, keys });
  mkdirSync(keys, { mode: 0o700 });
  // A passphrase of a demonstration protects nothing: its keys live as long as this folder.
  writeFileSync(join(keys, "passphrase"), "a demonstration's passphrase\n", { mode: 0o600 });
  await publisher.run("init", ["--keys", keys]);
  const key = join(keys, `${product}.key`);
  await publisher.run("keys", ["new", key], { repository: false });
  await publisher.run("add", ["product", product, "--key", `${key}.pub`], { passphrase: false });
  const root = join(folder, "public/metadata/1.root.json");
  stage.say(`channel: ${folder}; machines pin ${root}`);
  const baseline = lastPlannedMonth(new Date());
  return {
    ...{ folder, root, baseline, publicFolder: join(folder, "public") },
    async publishBaseline(components) {
      const words = components.flatMap(({ file, buildId, package: name, version }) => [
        "--component",
        [file, buildId, ...(name && version ? [name, version] : [])].join(" "),
      ]);
      await publisher.add(["baseline", "--baseline", baseline, ...words]);
      // The product itself is new: the targets keys sign that it is there.
      await publisher.publish(publisher.targetsKey);
    },
    async importDebian(words) {
      const args = [...words, "--baseline", baseline, "--publish", ...publisher.allKeys];
      const { answer } = await publisher.run("import-debian", args);
      const { imported } = answer as unknown as ImportAnswer;
      const [first] = imported.hotpatches;
      if (first === undefined) throw new Error("the import made no hotpatch");
      const { target, entry } = first;
      return { target, id: entry.id, cves: entry.cves, publishedAt: Date.now(), answer };
    },
    async publishHotpatch(file) {
      const { answer } = await publisher.add(["hotpatch", file, "--baseline", baseline]);
      await publisher.publish();
      const { target, entry } = (answer as unknown as AddAnswer).added;
      return { target, id: entry.id, cves: entry.cves, publishedAt: Date.now(), answer };
    },
  };
}

interface ImportAnswer {
  readonly imported: { readonly hotpatches: readonly TargetAnswer[] };
}
interface AddAnswer {
  readonly added: TargetAnswer;
}
interface TargetAnswer {
  readonly target: string;
  readonly entry: { readonly id: string; readonly cves: readonly string[] };
}

/** The commands, with the keys of this channel. */
function createPublisher(
  { product, stage, signal }: ChannelOptions,
  { folder, keys }: { readonly folder: string; readonly keys: string },
) {
  const passphrase = ["--passphrase-file", join(keys, "passphrase")];
  const run = async (
    command: string,
    words: readonly string[],
    uses: { readonly repository?: boolean; readonly passphrase?: boolean } = {},
  ): Promise<CommandResult> => {
    const args = [
      ...["release", command, ...words],
      ...(uses.repository === false ? [] : ["--repository", folder]),
      ...(uses.passphrase === false ? [] : passphrase),
    ];
    const result = await runSuture(args, { onProgress: stage.say, signal });
    if (!result.answer.ok) throw new Error(`release ${command}: ${problemOf(result)}`);
    return result;
  };
  const productKey = ["--key", join(keys, `${product}.key`)];
  const targetsKey = ["--key", join(keys, "offline/targets-1.key")];
  const online = ["snapshot", "timestamp"].flatMap((role) => [
    "--key",
    join(keys, `online/${role}.key`),
  ]);
  return {
    run,
    targetsKey,
    allKeys: [...productKey, ...online],
    add: (words: readonly string[]) =>
      run("add", [...words, "--product", product], { passphrase: false }),
    async publish(more: readonly string[] = []): Promise<void> {
      await run("sign", [...productKey, ...more]);
      await run("publish", online);
    },
  };
}

/** The name of the baseline that is in force: `2026-10`. */
function lastPlannedMonth(now: Date): string {
  const month = now.getUTCMonth() + 1;
  const past = DEFAULT_CALENDAR.plannedMonths.filter((planned) => planned <= month);
  const planned = past.at(-1) ?? Math.max(...DEFAULT_CALENDAR.plannedMonths);
  const year = now.getUTCFullYear() - (past.length === 0 ? 1 : 0);
  return `${year}-${String(planned).padStart(2, "0")}`;
}
