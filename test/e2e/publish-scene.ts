/** How the demonstration's hotpatches come into the channel: imported or built, signed, published. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { PublishedHotpatch } from "./demonstration-channel.ts";
import type { HotpatchKeeper } from "./kept-hotpatches.ts";
import type { Story } from "./story.ts";
import { problemOf, runSuture } from "./suture-command.ts";

/** The security fix. Claims that it fixes a fault which shows from outside. */
export async function publishFix(story: Story, keeper: HotpatchKeeper): Promise<PublishedHotpatch> {
  const { stage, journal, target } = story;
  const { imports } = target.scene.channel;
  const fix =
    imports === undefined
      ? await publishBuilt(story, ["build", ...target.scene.build, "--sequence", "1"])
      : await importOrKept(story, imports, keeper);
  stage.say(`published ${fix.target}`);
  stage.say(`fixes ${fix.cves.join(", ") || "a fault without a number"}`);
  const fixed = target.triggers.filter(({ cve }) => cve === undefined || fix.cves.includes(cve));
  journal.claim("it fixes a fault that shows from outside", fixed.length > 0);
  return fix;
}

/** The same fix and a leak: signed like any other, with a higher sequence. */
export async function publishLeak(
  story: Story,
  keeper: HotpatchKeeper,
): Promise<PublishedHotpatch> {
  const { leaking, imports } = story.target.scene.channel;
  const words = ["build", ...leaking, "--sequence", "2"];
  // What is built from a source tree in the temporary folder is never the same.
  const leak = await publishBuilt(story, words, imports === undefined ? undefined : keeper);
  story.stage.say(`published ${leak.target}: the same fixes, and a mistake`);
  return leak;
}

async function importOrKept(
  { stage, channel }: Story,
  imports: readonly string[],
  keeper: HotpatchKeeper,
): Promise<PublishedHotpatch> {
  const kept = keeper.find(imports);
  if (kept !== undefined) {
    stage.say("imported by an earlier start: the same hotpatch is signed anew");
    return await channel.publishHotpatch(fileOf(stage.folder, "kept", kept.bytes));
  }
  const folder = join(stage.folder, "imported");
  mkdirSync(folder);
  const published = await channel.importDebian([...imports, "--keep", folder]);
  const bytes = readFileSync(join(folder, `${published.id}.hotpatch`));
  keeper.keep(imports, { bytes, answer: published.answer });
  return published;
}

async function publishBuilt(
  { stage, channel, signal }: Story,
  words: readonly string[],
  keeper?: HotpatchKeeper,
): Promise<PublishedHotpatch> {
  const kept = keeper?.find(words);
  if (kept !== undefined) {
    stage.say("built by an earlier start");
    return await channel.publishHotpatch(fileOf(stage.folder, "kept-leak", kept.bytes));
  }
  const file = join(stage.folder, `built-${words.at(-1)}.hotpatch`);
  const result = await runSuture([...words, "--output", file], { onProgress: stage.say, signal });
  if (!result.answer.ok) throw new Error(problemOf(result));
  keeper?.keep(words, { bytes: readFileSync(file), answer: result.answer });
  return await channel.publishHotpatch(file);
}

function fileOf(folder: string, name: string, bytes: Uint8Array): string {
  const file = join(folder, `${name}.hotpatch`);
  writeFileSync(file, bytes);
  return file;
}
