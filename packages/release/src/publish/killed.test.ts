/** Publishers and clients that are killed: at each of their writes, before it and after it. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  eachWithChannel,
  hotpatchBytes,
  hotpatchEntry,
  hotpatchTarget,
  publicOf,
  publishHotpatch,
  start,
  type TestChannel,
  testKey,
} from "../client/channel-fixture.ts";
import { openReleaseClient } from "../client/client.ts";
import { folderFiles, folderStorage } from "../files/folder.ts";
import { addTarget, withdraw } from "./add.ts";
import { fusedFiles, killEverywhere } from "./fuse-fixture.ts";
import { publish } from "./publish.ts";
import { signMetadata } from "./sign.ts";
import { setSigners } from "./signers.ts";
import { verifyRepository } from "./verify.ts";

let channel: TestChannel;
eachWithChannel((made) => {
  channel = made;
});

/** What a machine that follows the channel, and a new one, make of it now. */
async function expectUsable(name: string, sequences: readonly number[][]): Promise<number> {
  const follower = await channel.client({ name }).update();
  const fresh = await channel.client().update();
  expect(fresh.updates).toEqual(follower.updates);
  const found = fresh.updates.map(({ sequence }) => sequence);
  expect(sequences).toContainEqual(found);
  const report = await verifyRepository({
    root: channel.rootBytes,
    fetch: channel.fetch,
    now: start,
  });
  expect(report.findings).toEqual([]);
  return fresh.updates.length;
}

describe("a publisher", () => {
  test("killed while it publishes leaves the old state or the new, and finishes later", async () => {
    const { files, keys } = channel;
    const name = randomUUID();
    const payload = hotpatchBytes(2);
    await addTarget({ files, now: start, product: "redis", entry: hotpatchEntry(2), payload });
    for (const key of keys.redis) await signMetadata({ files, key });
    let seen = 0;
    const count = await killEverywhere(
      (step) => publish({ files: fusedFiles(files, step), now: start, keys: channel.onlineKeys }),
      async () => {
        const length = await expectUsable(name, [
          [0, 1],
          [0, 1, 2],
        ]);
        // What was visible once stays visible.
        expect(length).toBeGreaterThanOrEqual(seen);
        seen = length;
      },
    );
    expect(count).toBeGreaterThan(4);
    await expectUsable(name, [[0, 1, 2]]);
    expect(await files.list("staged")).toEqual([]);
  });

  test("killed while it replaces an online key, with both keys, breaks no client", async () => {
    const { files, keys } = channel;
    const name = randomUUID();
    const fresh = testKey();
    const signers = { keys: [publicOf(fresh)], threshold: 1 };
    await setSigners({ files, now: start, role: "timestamp", signers });
    for (const key of keys.root.slice(0, 2)) await signMetadata({ files, key });
    const count = await killEverywhere(
      (step) =>
        publish({
          files: fusedFiles(files, step),
          now: start,
          keys: [...channel.onlineKeys, fresh],
        }),
      async () => void (await expectUsable(name, [[0, 1]])),
    );
    expect(count).toBeGreaterThan(2);
    const { versions } = await channel.client({ name }).update();
    expect(versions.root).toBe(2);
    await publish({ files, now: start, keys: [...keys.snapshot, fresh] });
    await expectUsable(name, [[0, 1]]);
  });

  test("killed while it adds, signs or withdraws, changes nothing that clients see", async () => {
    const { files, keys } = channel;
    const before = await channel.client().update();
    const entry = hotpatchEntry(2);
    const payload = hotpatchBytes(2);
    const request = { now: start, product: "redis", entry, payload };
    const expectSame = async () => expect(await channel.client().update()).toEqual(before);
    const [key = testKey()] = keys.redis;
    const withdrawal = { now: start, target: hotpatchTarget(1), reason: "leaks" };
    await killEverywhere((s) => addTarget({ files: fusedFiles(files, s), ...request }), expectSame);
    await killEverywhere((s) => signMetadata({ files: fusedFiles(files, s), key }), expectSame);
    await killEverywhere(
      (s) => withdraw({ files: fusedFiles(files, s), ...withdrawal }),
      expectSame,
    );
    await expectSame();
    await signMetadata({ files, key });
    await publish({ files, now: start, keys: channel.onlineKeys });
    const { updates } = await channel.client().update();
    expect(updates.map(({ withdrawn }) => withdrawn?.reason)).toEqual([
      undefined,
      "leaks",
      undefined,
    ]);
  });

  test("leaves temporary files at most, which nobody takes for its own", async () => {
    const path = join(channel.folder, "public/metadata/9.root.json.suture-new");
    await folderFiles(channel.folder).write(
      "public/metadata/9.root.json.suture-new",
      new Uint8Array(3),
    );
    expect(path).toContain("suture-new");
    await publish({ files: channel.files, now: start, keys: channel.onlineKeys });
    await expectUsable(randomUUID(), [[0, 1]]);
  });
});

test("a client killed at any of its writes goes on, and is as safe from rollback as before", async () => {
  const folder = join(channel.folder, "../killed-client");
  const storage = folderStorage(folder);
  const clientWith = (step: () => void) =>
    openReleaseClient({
      root: channel.rootBytes,
      fetch: channel.fetch,
      now: () => start,
      storage: {
        read: storage.read,
        write: async (name, bytes) => {
          step();
          await storage.write(name, bytes);
        },
      },
    });
  const survive = async () =>
    await killEverywhere(
      (step) => clientWith(step).update(),
      async () => {
        const name = randomUUID();
        expect((await channel.client({ name }).update()).products).toEqual([{ name: "redis" }]);
      },
    );
  expect(await survive()).toBeGreaterThan(0);
  await publishHotpatch(channel, 2);
  expect(await survive()).toBeGreaterThan(0);
  const { versions, updates } = await clientWith(() => undefined).update();
  expect(versions.timestamp).toBe(2);
  expect(updates).toHaveLength(3);
});

test("a kept root with one digit changed is not the end: the pinned one takes over", async () => {
  const name = randomUUID();
  const honest = await channel.client({ name }).update();
  const text = new TextDecoder().decode(channel.rootBytes).replace(/"version": 1/, '"version": 3');
  expect(text).toContain('"version": 3');
  const storage = folderStorage(join(channel.folder, "..", name));
  await storage.write("root.json", new TextEncoder().encode(text));
  expect(await channel.client({ name }).update()).toEqual(honest);
});

test("what a client kept may be lost or damaged: it begins again from the pinned root", async () => {
  const name = randomUUID();
  const honest = await channel.client({ name }).update();
  const storage = folderStorage(join(channel.folder, "..", name));
  for (const file of [
    "root.json",
    "timestamp.json",
    "snapshot.json",
    "targets.json",
    "product.redis.json",
  ]) {
    for (const bytes of [new Uint8Array(), new TextEncoder().encode('{"signed":')]) {
      await storage.write(file, bytes);
      expect(await channel.client({ name }).update(), file).toEqual(honest);
    }
  }
});
