import { join } from "node:path";
import { expect, test } from "vitest";
import { folderFetch, folderFiles } from "../files/folder.ts";
import { mirroringFetch } from "../files/mirror.ts";
import {
  buildId,
  eachWithChannel,
  hotpatchBytes,
  hotpatchTarget,
  publishHotpatch,
  type TestChannel,
} from "./channel-fixture.ts";

let channel: TestChannel;
eachWithChannel((made) => {
  channel = made;
});

test("a new client reads the catalog and downloads a hotpatch", async () => {
  const client = channel.client();
  const catalog = await client.update();
  expect(catalog.versions).toEqual({ root: 1, timestamp: 1, snapshot: 1, targets: 1 });
  expect(catalog.calendar.plannedMonths).toEqual([1, 4, 7, 10]);
  expect(catalog.products).toEqual([{ name: "redis" }]);
  expect(catalog.expires).toBe("2026-10-20T08:00:00Z");
  expect(catalog.updates).toMatchObject([
    { kind: "baseline", target: "redis/2026-10/baseline.json", restartNeeded: true },
    { kind: "hotpatch", target: hotpatchTarget(1), components: [{ buildId }], sequence: 1 },
  ]);
  expect(await client.download(hotpatchTarget(1))).toEqual(hotpatchBytes(1));
});

test("a client follows the channel, and the earlier hotpatch stays for slower rings", async () => {
  const client = channel.client();
  await client.update();
  await publishHotpatch(channel, 2);
  const { updates, versions } = await client.update();
  expect(versions).toEqual({ root: 1, timestamp: 2, snapshot: 2, targets: 1 });
  expect(updates.map(({ sequence }) => sequence)).toEqual([0, 1, 2]);
  expect(await client.download(hotpatchTarget(2))).toEqual(hotpatchBytes(2));
  expect(await client.download(hotpatchTarget(1))).toEqual(hotpatchBytes(1));
});

test("a reader without network verifies the copy that another one keeps", async () => {
  const copy = folderFiles(join(channel.folder, "../copy"));
  const online = channel.client({ fetch: mirroringFetch(channel.fetch, copy) });
  const catalog = await online.update();
  const offline = channel.client({ fetch: folderFetch(join(channel.folder, "../copy")) });
  expect(await offline.update()).toEqual(catalog);
  await expect(offline.download(hotpatchTarget(1))).rejects.toMatchObject({ code: "file-missing" });
  await online.download(hotpatchTarget(1));
  expect(await offline.download(hotpatchTarget(1))).toEqual(hotpatchBytes(1));
});
