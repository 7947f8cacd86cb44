/** A product's keys sign for the product's own targets, and for nothing else. */
import { describe, expect, test } from "vitest";
import { sha256Of } from "../metadata/canonical.ts";
import { targetPath } from "../metadata/metadata.ts";
import { contentsOf, forge, forgedMirror, meet, mirrorFetch } from "./attack-fixture.ts";
import {
  eachWithChannel,
  hotpatchBytes,
  hotpatchTarget,
  problemOf,
  publicOf,
  type TestChannel,
  targetMeta,
  testKey,
} from "./channel-fixture.ts";

let channel: TestChannel;
eachWithChannel((made) => {
  channel = made;
});

describe("delegation confusion", () => {
  test("a product's key cannot sign for another product's path", async () => {
    const { redis } = await contentsOf(channel);
    const bytes = hotpatchBytes(2);
    const foreign = hotpatchTarget(2).replace("redis", "nginx");
    const targets = { ...redis.targets, [foreign]: targetMeta(bytes, 2) };
    const file = forge({ ...redis, version: 2, targets }, channel.keys.redis);
    const copy = await forgedMirror(channel, { roles: { redis: { bytes: file, version: 2 } } });
    copy.set(targetPath(foreign, sha256Of(bytes)), bytes);
    const client = channel.client({ fetch: mirrorFetch(copy) });
    const { products, updates } = await client.update();
    expect(products[0]?.problem?.reason).toBe("outside-delegation");
    expect(updates).toEqual([]);
    expect((await problemOf(client.download(foreign))).code).toBe("target-unknown");
  });

  test("a product's file is not another's, whoever lists it", async () => {
    const { channel: content } = await contentsOf(channel);
    const key = testKey();
    const signed = {
      ...content,
      version: 2,
      delegations: {
        keys: { ...content.delegations.keys, [key.keyid]: publicOf(key) },
        roles: [
          ...content.delegations.roles,
          {
            name: "nginx",
            keyids: [key.keyid],
            threshold: 1,
            terminating: true,
            paths: ["nginx/*/*"],
          },
        ],
      },
    };
    const empty = forge({ ...(await contentsOf(channel)).redis, targets: {} }, channel.keys.redis);
    const copy = await forgedMirror(channel, {
      roles: {
        targets: { bytes: forge(signed, channel.keys.targets), version: 2 },
        nginx: { bytes: empty, version: 1 },
      },
    });
    const { products } = await meet(channel, copy);
    expect(products).toMatchObject([
      { name: "redis" },
      { problem: { reason: "too-few-signatures" } },
    ]);
  });

  test.each(["*/*/*", "redis/**", "{redis,nginx}/*/*", "nginx/*/*"])(
    "a product is not delegated %s",
    async (path) => {
      const { channel: content } = await contentsOf(channel);
      const roles = content.delegations.roles.map((role) => ({ ...role, paths: [path] }));
      const signed = { ...content, version: 2, delegations: { ...content.delegations, roles } };
      const bytes = forge(signed, channel.keys.targets);
      const copy = await forgedMirror(channel, { roles: { targets: { bytes, version: 2 } } });
      expect((await problemOf(meet(channel, copy))).message).toContain("expected redis/*/*");
    },
  );
});
