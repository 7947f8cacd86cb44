import { expect, test } from "vitest";
import type { SigningKey } from "../metadata/canonical.ts";
import { metadataPath, type RootSigned } from "../metadata/metadata.ts";
import { contentsOf, copyOf, forge, mirrorFetch, withRoleKeys } from "./attack-fixture.ts";
import {
  daysAfterStart,
  eachWithChannel,
  problemOf,
  start,
  type TestChannel,
  testKey,
} from "./channel-fixture.ts";

let channel: TestChannel;
eachWithChannel((made) => {
  channel = made;
});

/** Version `version` of the root, with these root keys and a threshold of two. */
async function rootOf(version: number, keys: readonly SigningKey[]): Promise<RootSigned> {
  const { root } = await contentsOf(channel);
  return { ...withRoleKeys(root, "root", keys, 2), version };
}

/** What becomes of a client of version 1 that meets a mirror with these newer roots. */
async function updateWith(roots: Readonly<Record<number, Uint8Array>>, now = start) {
  const copy = await copyOf(channel);
  for (const [version, bytes] of Object.entries(roots)) {
    copy.set(metadataPath("root", Number(version)), bytes);
  }
  return channel.client({ name: "one", fetch: mirrorFetch(copy), now }).update();
}

test("follows several roots, each signed by the keys before it and by its own", async () => {
  const generations = [channel.keys.root, [testKey(), testKey()], [testKey(), testKey()]] as const;
  const [first, second, third] = generations;
  const roots = {
    2: forge(await rootOf(2, second), [...first, ...second]),
    3: forge(await rootOf(3, third), [...second, ...third]),
    4: forge(await rootOf(4, third), third),
  };
  expect((await updateWith(roots)).versions.root).toBe(4);
  // It was kept: without the newer roots on the mirror the client still trusts the last one.
  expect((await updateWith({})).versions.root).toBe(4);
});

test("a root whose predecessor is missing is out of reach", async () => {
  const next = [testKey(), testKey()];
  const three = forge(await rootOf(3, next), [...channel.keys.root, ...next]);
  expect((await updateWith({ 3: three })).versions.root).toBe(1);
});

test("a root that skips a version is refused, whatever signed it", async () => {
  const three = forge(await rootOf(3, channel.keys.root), channel.keys.root);
  const { code, message } = await problemOf(updateWith({ 2: three }));
  expect(code).toBe("wrong-version");
  expect(message).toContain("Expected version 2, got 3");
});

test("an older root in place of a newer one is refused", async () => {
  const { code } = await problemOf(updateWith({ 2: channel.rootBytes }));
  expect(code).toBe("wrong-version");
});

test("a root that the old keys did not sign by their threshold is refused", async () => {
  const [old = testKey()] = channel.keys.root;
  const next = [testKey(), testKey()];
  const { code, message } = await problemOf(
    updateWith({ 2: forge(await rootOf(2, next), [old, ...next]) }),
  );
  expect(code).toBe("too-few-signatures");
  expect(message).toContain("1/2 keys");
  // Nothing of it was kept.
  expect((await updateWith({})).versions.root).toBe(1);
});

test("a root that its own keys did not sign by their threshold is refused", async () => {
  const [one = testKey(), two] = [testKey(), testKey()];
  const bytes = forge(await rootOf(2, [one, two]), [...channel.keys.root, one]);
  const { code, message } = await problemOf(updateWith({ 2: bytes }));
  expect(code).toBe("too-few-signatures");
  expect(message).toContain("1/2 keys");
});

test("an expired root is refused at the end of the chain, and passed within it", async () => {
  const short = { ...(await rootOf(2, channel.keys.root)), expires: "2026-10-01T00:00:00Z" };
  const two = forge(short, channel.keys.root);
  const { code, message } = await problemOf(updateWith({ 2: two }));
  expect(code).toBe("expired");
  expect(message).toContain("root.json");
  const three = forge(await rootOf(3, channel.keys.root), channel.keys.root);
  expect((await updateWith({ 2: two, 3: three })).versions.root).toBe(3);
});

test("the pinned root may have expired long ago, where a newer one follows", async () => {
  const late = daysAfterStart(400);
  const fresh = { ...(await rootOf(2, channel.keys.root)), expires: "2030-01-01T00:00:00Z" };
  const two = forge(fresh, channel.keys.root);
  const { code, message } = await problemOf(updateWith({}, late));
  expect(code).toBe("expired");
  expect(message).toContain("root.json");
  // The root is fine now; what is left to refuse is the old timestamp.
  expect((await problemOf(updateWith({ 2: two }, late))).message).toContain("timestamp.json");
});

test("a client takes a limited number of roots at once, and the rest next time", async () => {
  const copy = await copyOf(channel);
  for (const version of [2, 3, 4, 5]) {
    const bytes = forge(await rootOf(version, channel.keys.root), channel.keys.root);
    copy.set(metadataPath("root", version), bytes);
  }
  const client = channel.client({ fetch: mirrorFetch(copy), limits: { rootRotationsMax: 2 } });
  expect((await client.update()).versions.root).toBe(3);
  expect((await client.update()).versions.root).toBe(5);
});

test("a newer pinned root comes before an older kept one", async () => {
  await channel.client({ name: "pinned" }).update();
  const bytes = forge(await rootOf(2, channel.keys.root), channel.keys.root);
  const client = channel.client({ name: "pinned", root: bytes });
  expect((await client.update()).versions.root).toBe(2);
});
