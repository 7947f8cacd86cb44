/** One test for each attack that the TUF specification names (sections 1.5.2 and 5). */
import { describe, expect, test } from "vitest";
import { versionMax } from "../limits.ts";
import { fileMetaOf, keyIdOf, type SigningKey, sha256Of } from "../metadata/canonical.ts";
import { metadataPath, targetPath } from "../metadata/metadata.ts";
import {
  contentsOf,
  copyOf,
  forge,
  forgedMirror,
  meet,
  mirrorFetch,
  withRoleKeys,
} from "./attack-fixture.ts";
import {
  daysAfterStart,
  eachWithChannel,
  hotpatchBytes,
  hotpatchTarget,
  problemOf,
  publishHotpatch,
  type TestChannel,
  targetMeta,
  testKey,
} from "./channel-fixture.ts";

let channel: TestChannel;
eachWithChannel((made) => {
  channel = made;
});

describe("arbitrary software", () => {
  test("a mirror without keys cannot change a hotpatch", async () => {
    const copy = await copyOf(channel);
    const bytes = hotpatchBytes(1);
    copy.set(targetPath(hotpatchTarget(1), sha256Of(bytes)), new Uint8Array(bytes.length));
    const client = channel.client({ fetch: mirrorFetch(copy) });
    await client.update();
    expect(await problemOf(client.download(hotpatchTarget(1)))).toMatchObject({
      code: "wrong-content",
    });
  });

  test.each(["timestamp", "snapshot"] as const)(
    "nor sign the %s with a key of its own",
    async (role) => {
      const copy = await forgedMirror(channel, { keys: { [role]: [testKey()] } });
      const { code, message } = await problemOf(meet(channel, copy));
      expect(code).toBe("too-few-signatures");
      expect(message).toContain(`${role} was signed by 0/1 keys`);
    },
  );

  test("stolen online keys cannot add software to a product", async () => {
    const { redis, snapshot, timestamp } = channel.keys;
    const { redis: content } = await contentsOf(channel);
    const bytes = new TextEncoder().encode("evil");
    const signed = {
      ...content,
      version: 2,
      targets: { ...content.targets, [hotpatchTarget(2)]: targetMeta(bytes, 2) },
    };
    const stolen = [...snapshot, ...timestamp];
    for (const keys of [stolen, channel.keys.targets]) {
      const copy = await forgedMirror(channel, {
        roles: { redis: { bytes: forge(signed, keys), version: 2 } },
      });
      const { products, updates } = await meet(channel, copy);
      expect(products[0]?.problem?.reason).toBe("too-few-signatures");
      expect(updates).toEqual([]);
    }
    // The same file, signed by the product's key, is believed: it is the signature that decides.
    const copy = await forgedMirror(channel, {
      roles: { redis: { bytes: forge(signed, redis), version: 2 } },
    });
    expect((await meet(channel, copy)).updates).toHaveLength(3);
  });

  test("stolen online keys cannot delegate a product to other keys", async () => {
    const { channel: content } = await contentsOf(channel);
    const evil = testKey();
    const [role] = content.delegations.roles;
    const signed = {
      ...content,
      version: 2,
      delegations: {
        keys: { [evil.keyid]: evil.publicKey },
        roles: [{ ...role, keyids: [evil.keyid] }],
      },
    };
    const keys = [...channel.keys.snapshot, ...channel.keys.timestamp, ...channel.keys.redis];
    const roles = { targets: { bytes: forge(signed, keys), version: 2 } };
    expect(await problemOf(meet(channel, await forgedMirror(channel, { roles })))).toMatchObject({
      code: "too-few-signatures",
    });
  });
});

describe("rollback", () => {
  test("an older timestamp is refused by who has seen a newer one", async () => {
    const old = await copyOf(channel);
    await publishHotpatch(channel, 2);
    const { code, message } = await problemOf(meet(channel, old));
    expect(code).toBe("wrong-version");
    expect(message).toContain("timestamp version 1 is less than current version 2");
  });

  test("a newer timestamp may not lead to an older snapshot", async () => {
    const old = await contentsOf(channel);
    await publishHotpatch(channel, 2);
    const copy = await forgedMirror(channel, { timestamp: { meta: old.timestamp.meta } });
    const { code, message } = await problemOf(meet(channel, copy));
    expect(code).toBe("wrong-version");
    expect(message).toContain("snapshot version 1 is less than current version 2");
  });

  test("a newer snapshot may not lead to an older product", async () => {
    const old = await contentsOf(channel);
    await publishHotpatch(channel, 2);
    const { code, message } = await problemOf(
      meet(channel, await forgedMirror(channel, { snapshot: { meta: old.snapshot.meta } })),
    );
    expect(code).toBe("wrong-version");
    expect(message).toContain("version 1 of redis.json is less than current version 2");
  });

  test("a newer snapshot may not forget a product", async () => {
    const { snapshot } = await contentsOf(channel);
    const { "redis.json": _, ...meta } = snapshot.meta;
    const { message } = await problemOf(
      meet(channel, await forgedMirror(channel, { snapshot: { meta } })),
    );
    expect(message).toContain("Missing file redis.json");
  });

  test("a snapshot of another version than the timestamp says is refused", async () => {
    const { snapshot } = await contentsOf(channel);
    const bytes = forge({ ...snapshot, version: 5 }, channel.keys.snapshot);
    const copy = await forgedMirror(channel, {
      timestamp: { meta: { "snapshot.json": fileMetaOf(bytes, 4) } },
    });
    copy.set(metadataPath("snapshot", 4), bytes);
    expect((await problemOf(meet(channel, copy))).message).toContain(
      "version doesn't match timestamp",
    );
  });

  test("a product file of another version than the snapshot says is refused", async () => {
    const { redis } = await contentsOf(channel);
    const bytes = forge({ ...redis, version: 7 }, channel.keys.redis);
    const copy = await forgedMirror(channel, { roles: { redis: { bytes, version: 2 } } });
    expect((await meet(channel, copy)).products[0]?.problem?.reason).toBe("wrong-version");
  });
});

describe("mix-and-match", () => {
  test("files of two moments do not go together", async () => {
    const old = await copyOf(channel);
    await publishHotpatch(channel, 2);
    for (const role of ["snapshot", "redis"]) {
      const copy = await copyOf(channel);
      const former = old.get(metadataPath(role, 1));
      if (former === undefined) throw new Error(`no former ${role}`);
      // Padded to the length that is signed for, so that only the digest can tell.
      const length = copy.get(metadataPath(role, 2))?.length ?? 0;
      copy.set(metadataPath(role, 2), padded(former, length));
      const client = channel.client({ fetch: mirrorFetch(copy) });
      const problem =
        role === "snapshot"
          ? (await problemOf(client.update())).code
          : (await client.update()).products[0]?.problem?.reason;
      expect(problem, role).toBe("wrong-content");
    }
  });

  const padded = (bytes: Uint8Array, length: number): Uint8Array =>
    new TextEncoder().encode(new TextDecoder().decode(bytes).padEnd(length));
});

describe("freeze", () => {
  const renewed = { expires: "2030-01-01T00:00:00Z" };

  test("what nobody signs anew is not believed for ever", async () => {
    const copy = await copyOf(channel);
    expect((await meet(channel, copy, { now: daysAfterStart(6.9) })).versions.timestamp).toBe(1);
    const { code, message } = await problemOf(meet(channel, copy, { now: daysAfterStart(7) }));
    expect(code).toBe("expired");
    expect(message).toContain("timestamp.json");
  });

  test("a stolen timestamp key cannot keep an expired snapshot alive", async () => {
    const { timestamp } = await contentsOf(channel);
    const copy = await copyOf(channel);
    const signed = { ...timestamp, ...renewed, version: 2 };
    copy.set("metadata/timestamp.json", forge(signed, channel.keys.timestamp));
    const { code, message } = await problemOf(meet(channel, copy, { now: daysAfterStart(31) }));
    expect(code).toBe("expired");
    expect(message).toContain("snapshot.json");
  });

  test("nor both online keys expired targets, or an expired product", async () => {
    const copy = await forgedMirror(channel, { timestamp: renewed, snapshot: renewed });
    const { code, message } = await problemOf(meet(channel, copy, { now: daysAfterStart(181) }));
    expect(code).toBe("expired");
    expect(message).toContain("targets.json");
    const { products, updates } = await meet(channel, copy, { now: daysAfterStart(91) });
    expect(products[0]?.problem?.reason).toBe("expired");
    expect(updates).toEqual([]);
  });

  test("a catalog that was believed once is not believed after its expiry", async () => {
    let now = daysAfterStart(6);
    const client = channel.client({ clock: () => now });
    await client.update();
    expect(await client.download(hotpatchTarget(1))).toEqual(hotpatchBytes(1));
    now = daysAfterStart(7);
    expect((await problemOf(client.download(hotpatchTarget(1)))).code).toBe("expired");
  });
});

describe("indefinite replay", () => {
  test("a new machine does not take a channel of long ago for today's", async () => {
    const old = await copyOf(channel);
    const later = daysAfterStart(30);
    await publishHotpatch(channel, 2, later);
    const client = channel.client({ fetch: mirrorFetch(old), now: later });
    expect(await problemOf(client.update())).toMatchObject({ code: "expired" });
    const honest = await channel.client({ now: later }).update();
    expect(honest.updates).toHaveLength(3);
  });

  test("a timestamp of the version that is trusted already changes nothing", async () => {
    const { timestamp } = await contentsOf(channel);
    const copy = await forgedMirror(channel, {
      timestamp: { version: timestamp.version, expires: "2040-01-01T00:00:00Z" },
    });
    expect((await meet(channel, copy)).expires).toBe(timestamp.expires);
  });
});

describe("fast-forward", () => {
  test("a channel recovers once the stolen online keys are replaced", async () => {
    const forged = await forgedMirror(channel, {
      timestamp: { version: versionMax },
      snapshot: { version: versionMax },
    });
    expect((await meet(channel, forged, { name: "met" })).versions.timestamp).toBe(versionMax);
    // The damage is real: the honest channel is refused now.
    const client = channel.client({ name: "met" });
    expect((await problemOf(client.update())).code).toBe("wrong-version");
    const keys = { snapshot: testKey(), timestamp: testKey() };
    await replaceOnlineKeys(keys);
    expect((await client.update()).versions).toMatchObject({ root: 2, timestamp: 2 });
  });

  test("also where only the snapshot's key is replaced", async () => {
    const forged = await forgedMirror(channel, { snapshot: { version: versionMax } });
    await meet(channel, forged, { name: "met" });
    const client = channel.client({ name: "met" });
    await replaceOnlineKeys({ snapshot: testKey() });
    expect((await client.update()).versions).toMatchObject({ root: 2, snapshot: 2 });
  });

  /** A new root and a snapshot and timestamp of the next version, written by hand. */
  async function replaceOnlineKeys(next: { snapshot: SigningKey; timestamp?: SigningKey }) {
    const { root } = await contentsOf(channel);
    const timestamp = next.timestamp ?? channel.keys.timestamp[0] ?? testKey();
    const signed = withRoleKeys(withRoleKeys(root, "snapshot", [next.snapshot]), "timestamp", [
      timestamp,
    ]);
    const bytes = forge({ ...signed, version: 2 }, channel.keys.root);
    const copy = await forgedMirror(channel, {
      keys: { snapshot: [next.snapshot], timestamp: [timestamp] },
    });
    for (const [path, content] of copy) await channel.files.write(`public/${path}`, content);
    await channel.files.write("public/metadata/2.root.json", bytes);
  }
});

describe("signatures", () => {
  test("too few of them: one of two for the targets", async () => {
    const { channel: content } = await contentsOf(channel);
    const signed = { ...content, version: 2 };
    const roles = (count: number) => ({
      targets: { bytes: forge(signed, channel.keys.targets.slice(0, count)), version: 2 },
    });
    const { code, message } = await problemOf(
      meet(channel, await forgedMirror(channel, { roles: roles(1) })),
    );
    expect(code).toBe("too-few-signatures");
    expect(message).toContain("1/2 keys");
    const two = await forgedMirror(channel, { roles: roles(2) });
    expect((await meet(channel, two)).versions.targets).toBe(2);
  });

  test("one key that signs twice counts once", async () => {
    const { channel: content } = await contentsOf(channel);
    const [key = testKey()] = channel.keys.targets;
    const bytes = forge({ ...content, version: 2 }, [key, key]);
    const copy = await forgedMirror(channel, { roles: { targets: { bytes, version: 2 } } });
    const { code, message } = await problemOf(meet(channel, copy));
    expect(code).toBe("metadata-field");
    expect(message).toContain("one key twice");
  });

  test("one key under two ids counts once: a root that lists it so is refused", async () => {
    const { root, channel: content } = await contentsOf(channel);
    const [key = testKey()] = channel.keys.targets;
    const alias = { ...key, keyid: "0".repeat(64) };
    const signed = { ...withRoleKeys(root, "targets", [key, alias], 2), version: 2 };
    const bytes = forge({ ...content, version: 2 }, [key, alias]);
    const copy = await forgedMirror(channel, { roles: { targets: { bytes, version: 2 } } });
    copy.set("metadata/2.root.json", forge(signed, channel.keys.root));
    const { code, message } = await problemOf(meet(channel, copy));
    expect(code).toBe("metadata-field");
    expect(message).toContain("not the digest of its key");
    expect(keyIdOf(key.publicKey)).not.toBe(alias.keyid);
  });

  test("one key id listed twice is refused", async () => {
    const { root } = await contentsOf(channel);
    const [key = testKey()] = channel.keys.targets;
    const signed = { ...withRoleKeys(root, "targets", [key, key], 2), version: 2 };
    const copy = await copyOf(channel);
    copy.set("metadata/2.root.json", forge(signed, channel.keys.root));
    expect((await problemOf(meet(channel, copy))).message).toContain("an item twice");
  });
});

describe("wrong length and wrong hash", () => {
  const cases: [string, Uint8Array][] = [
    ["shorter", new TextEncoder().encode("hotpatch")],
    ["longer", new TextEncoder().encode("hotpatch 1 and more")],
    ["of the same length", new TextEncoder().encode("hotpatch 2")],
  ];
  test.each(cases)("a hotpatch that is %s is refused", async (_, bytes) => {
    const copy = await copyOf(channel);
    copy.set(targetPath(hotpatchTarget(1), sha256Of(hotpatchBytes(1))), bytes);
    const client = channel.client({ fetch: mirrorFetch(copy) });
    await client.update();
    const { code } = await problemOf(client.download(hotpatchTarget(1)));
    expect(code).toBe(bytes.length > 10 ? "metadata-too-large" : "wrong-content");
  });

  test("a length that is signed for decides, also where the digest is right", async () => {
    const { redis } = await contentsOf(channel);
    const meta = redis.targets[hotpatchTarget(1)];
    const targets = { ...redis.targets, [hotpatchTarget(1)]: { ...meta, length: 11 } };
    const bytes = forge({ ...redis, version: 2, targets }, channel.keys.redis);
    const copy = await forgedMirror(channel, { roles: { redis: { bytes, version: 2 } } });
    const client = channel.client({ fetch: mirrorFetch(copy) });
    await client.update();
    expect((await problemOf(client.download(hotpatchTarget(1)))).message).toContain(
      "10 bytes, not 11",
    );
  });
});
