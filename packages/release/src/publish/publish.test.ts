import { execFileSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Updater } from "tuf-js";
import { describe, expect, test } from "vitest";
import { contentsOf, forge, forgedMirror, mirrorFetch } from "../client/attack-fixture.ts";
import {
  baselineEntry,
  daysAfterStart,
  eachWithChannel,
  hotpatchBytes,
  hotpatchEntry,
  hotpatchTarget,
  problemOf,
  publicOf,
  publishHotpatch,
  start,
  type TestChannel,
  targetMeta,
  testKey,
} from "../client/channel-fixture.ts";
import { targetsMax } from "../limits.ts";
import { DEFAULT_CALENDAR } from "../metadata/calendar.ts";
import { addProduct, addTarget, renewMetadata, setCalendar, withdraw } from "./add.ts";
import { changesOf } from "./changes.ts";
import { createRepository } from "./create.ts";
import { publish } from "./publish.ts";
import { readRepository, stageRole } from "./repository.ts";
import { signMetadata } from "./sign.ts";
import { setSigners } from "./signers.ts";

let channel: TestChannel;
eachWithChannel((made) => {
  channel = made;
});

const codeOf = async (act: Promise<unknown>) => (await problemOf(act)).code;

test("tuf-js's own client takes hotpatches from the channel", async () => {
  const server = createServer(async (request, response) => {
    const bytes = await channel.files.read(`public${decodeURIComponent(request.url ?? "")}`);
    response.writeHead(bytes ? 200 : 404).end(bytes);
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const folder = await mkdtemp(join(tmpdir(), "suture-tuf-js-"));
  try {
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const base = `http://127.0.0.1:${address.port}`;
    // Its clock is the system's, so what it reads must be signed for today.
    const now = new Date();
    for (const role of ["root", "targets", "redis"]) {
      await renewMetadata({ files: channel.files, now, role });
    }
    const { root, targets, redis } = channel.keys;
    for (const key of [...root, ...targets, ...redis]) {
      await signMetadata({ files: channel.files, key });
    }
    await publish({ files: channel.files, now, keys: channel.onlineKeys });
    await writeFile(join(folder, "root.json"), channel.rootBytes);
    const updater = new Updater({
      metadataDir: folder,
      targetDir: folder,
      metadataBaseUrl: `${base}/metadata`,
      targetBaseUrl: `${base}/targets`,
    });
    const info = await updater.getTargetInfo(hotpatchTarget(1));
    if (info === undefined) throw new Error("it does not find the target");
    const path = await updater.downloadTarget(info);
    expect(new Uint8Array(await readFile(path))).toEqual(hotpatchBytes(1));
  } finally {
    await new Promise((done) => server.close(done));
    await rm(folder, { recursive: true });
  }
});

test("openssl verifies the signature of a root over its canonical JSON", async () => {
  const folder = await mkdtemp(join(tmpdir(), "suture-openssl-"));
  try {
    const { signatures, signed } = JSON.parse(new TextDecoder().decode(channel.rootBytes));
    // The rules of canonical JSON by hand: sorted names, no spaces, two escapes.
    const canonical = (value: unknown): string => {
      if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
      if (typeof value !== "object" || value === null) return JSON.stringify(value);
      const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
      return `{${entries.map(([name, item]) => `"${name}":${canonical(item)}`).join(",")}}`;
    };
    const [{ keyid, sig }] = signatures;
    const spki = Buffer.from(`302a300506032b6570032100${signed.keys[keyid].keyval.public}`, "hex");
    await writeFile(join(folder, "key.der"), spki);
    await writeFile(join(folder, "signed"), canonical(signed));
    await writeFile(join(folder, "sig"), Buffer.from(sig, "hex"));
    const words = ["pkeyutl", "-verify", "-pubin", "-inkey", "key.der", "-keyform", "DER"];
    const output = execFileSync(
      "openssl",
      [...words, "-rawin", "-in", "signed", "-sigfile", "sig"],
      {
        cwd: folder,
        encoding: "utf8",
      },
    );
    expect(output).toContain("Signature Verified Successfully");
  } finally {
    await rm(folder, { recursive: true });
  }
});

describe("a repository refuses", () => {
  const now = start;
  const signersOf = (...keys: ReturnType<typeof testKey>[]) => ({
    keys: keys.map(publicOf),
    threshold: keys.length,
  });

  test("to be made twice", async () => {
    const [root, targets, snapshot, timestamp] = [testKey(), testKey(), testKey(), testKey()];
    const roles = {
      root: signersOf(root),
      targets: signersOf(targets),
      snapshot: signersOf(snapshot),
      timestamp: signersOf(timestamp),
    };
    const { files } = channel;
    expect(await codeOf(createRepository({ files, now, roles }))).toBe("repository-exists");
  });

  test("an online key as a key of root, targets or a product", async () => {
    const { files, keys } = channel;
    const signers = signersOf(...keys.timestamp);
    for (const role of ["root", "targets"] as const) {
      expect(await codeOf(setSigners({ files, now, role, signers }))).toBe("keys-not-apart");
    }
    const product = "nginx";
    expect(await codeOf(addProduct({ files, now, product, signers }))).toBe("keys-not-apart");
    const offline = signersOf(...keys.redis);
    const role = "snapshot";
    expect(await codeOf(setSigners({ files, now, role, signers: offline }))).toBe("keys-not-apart");
  });

  test("a threshold that one key given twice would have to reach", async () => {
    const { files } = channel;
    const key = testKey();
    const signers = { keys: [publicOf(key), publicOf(key)], threshold: 2 };
    expect(await codeOf(addProduct({ files, now, product: "nginx", signers }))).toBe(
      "wrong-request",
    );
  });

  test("publication below a threshold, and leaves everything as it was", async () => {
    const { files, keys } = channel;
    await setCalendar({ files, now, calendar: { ...DEFAULT_CALENDAR, plannedMonths: [2] } });
    const [first = testKey()] = keys.targets;
    await signMetadata({ files, key: first });
    const before = await files.list("public");
    expect(await codeOf(publish({ files, now, keys: channel.onlineKeys }))).toBe(
      "too-few-signatures",
    );
    expect(await files.list("public")).toEqual(before);
    await signMetadata({ files, key: keys.targets[1] ?? testKey() });
    // One online key is not both.
    expect(await codeOf(publish({ files, now, keys: keys.snapshot }))).toBe("too-few-signatures");
    expect(await files.list("public")).toEqual(before);
    await publish({ files, now, keys: channel.onlineKeys });
    expect((await channel.client().update()).calendar.plannedMonths).toEqual([2]);
  });

  test("signatures of keys that a role does not list, or of another content", async () => {
    const { files, keys } = channel;
    const payload = hotpatchBytes(2);
    const entry = hotpatchEntry(2);
    await addTarget({ files, now, product: "redis", entry, payload });
    expect(await codeOf(signMetadata({ files, key: testKey() }))).toBe("key-not-listed");
    expect(await codeOf(signMetadata({ files, key: keys.targets[0] ?? testKey() }))).toBe(
      "key-not-listed",
    );
    const [key = testKey()] = keys.redis;
    await signMetadata({ files, key });
    // A change after the signature drops it.
    await withdraw({ files, now, target: hotpatchTarget(1), reason: "leaks" });
    expect(await codeOf(publish({ files, now, keys: channel.onlineKeys }))).toBe(
      "too-few-signatures",
    );
  });

  test("a hotpatch without its baseline, with a lower sequence, or over a published one", async () => {
    const { files } = channel;
    await publishHotpatch(channel, 3);
    const payload = hotpatchBytes(2);
    const add = (entry: typeof baselineEntry) =>
      codeOf(addTarget({ files, now, product: "redis", entry, payload }));
    expect(await add({ ...hotpatchEntry(4), baseline: "2027-01" })).toBe("wrong-request");
    expect(await add(hotpatchEntry(2))).toBe("wrong-request");
    expect(await add(hotpatchEntry(3))).toBe("target-exists");
    expect(await add(baselineEntry)).toBe("target-exists");
    expect(await add({ ...hotpatchEntry(4), restartNeeded: true })).toBe("wrong-request");
    expect(await add({ ...hotpatchEntry(4), cves: ["CVE-1"] })).toBe("wrong-request");
  });

  test("to publish with an expired root or expired targets", async () => {
    const { files, keys } = channel;
    const late = daysAfterStart(181);
    const request = { files, now: late, keys: channel.onlineKeys };
    expect(await codeOf(publish(request))).toBe("expired");
    await renewMetadata({ files, now: late, role: "targets" });
    for (const key of keys.targets) await signMetadata({ files, key });
    await publish(request);
    expect((await channel.client({ now: late }).update()).versions.targets).toBe(2);
  });
});

test("a channel that clients would not read is not even staged", async () => {
  const { files } = channel;
  const targets = Object.fromEntries(
    Array.from({ length: targetsMax + 1 }, (_, at) => [
      hotpatchTarget(at + 1),
      targetMeta(hotpatchBytes(at + 1), at + 1),
    ]),
  );
  const { redis } = await contentsOf(channel);
  const signed = { ...redis, version: 2, targets };
  expect(await codeOf(stageRole(files, "redis", signed))).toBe("wrong-request");
  expect(await files.list("staged")).toEqual([]);
  const bytes = forge(signed, channel.keys.redis);
  const mirror = await forgedMirror(channel, { roles: { redis: { bytes, version: 2 } } });
  const { products } = await channel.client({ fetch: mirrorFetch(mirror) }).update();
  expect(products[0]?.problem?.detail).toContain(`${targetsMax + 1} entries`);
});

test("a signer sees what a signature would say", async () => {
  const { files, keys } = channel;
  const now = start;
  const seen = async () =>
    changesOf(await readRepository(files)).map(
      ({ role, change, subject, detail }) => `${role}: ${change} ${subject}: ${detail}`,
    );
  expect(await seen()).toEqual([]);
  const fresh = testKey();
  const signers = { keys: [publicOf(fresh)], threshold: 1 };
  await addProduct({ files, now, product: "nginx", signers });
  await setCalendar({ files, now, calendar: { ...DEFAULT_CALENDAR, plannedMonths: [2, 8] } });
  await setSigners({
    files,
    now,
    role: "timestamp",
    signers: { ...signers, keys: [publicOf(testKey())] },
  });
  await addTarget({
    files,
    now,
    product: "redis",
    entry: hotpatchEntry(2),
    payload: hotpatchBytes(2),
  });
  await withdraw({ files, now, target: hotpatchTarget(1), reason: "leaks" });
  const [root, calendar, nginx, ...rest] = await seen();
  expect(root).toMatch(/^root: changed timestamp: signed by 1 of [0-9a-f]{64}$/);
  expect(calendar).toContain("targets: changed calendar: baselines planned in months 2, 8;");
  expect(nginx).toBe(`targets: added nginx: signed by 1 of ${fresh.keyid}`);
  expect(rest.sort()).toEqual([
    expect.stringMatching(/^nginx: renewed nginx.json: until /),
    expect.stringContaining(`redis: added ${hotpatchTarget(2)}: hotpatch, important, fixes CVE-`),
    `redis: withdrawn ${hotpatchTarget(1)}: leaks`,
  ]);
  await renewMetadata({ files, now: daysAfterStart(1), role: "redis" });
  expect(await seen()).toContain(`redis: withdrawn ${hotpatchTarget(1)}: leaks`);
  expect(keys.redis).toHaveLength(1);
});

describe("several products", () => {
  const now = start;
  const nginx = testKey();

  test("one that waits for its signers does not hold up another, or the timestamp", async () => {
    const { files, keys } = channel;
    const signers = { keys: [publicOf(nginx)], threshold: 1 };
    await addProduct({ files, now, product: "nginx", signers });
    const payload = hotpatchBytes(2);
    await addTarget({ files, now, product: "redis", entry: hotpatchEntry(2), payload });
    const [redis = testKey()] = keys.redis;
    await signMetadata({ files, key: redis });
    const request = { files, now, keys: channel.onlineKeys };
    expect(await codeOf(publish(request))).toBe("too-few-signatures");
    const only = await publish({ ...request, roles: [] });
    expect(only.versions).toMatchObject({ redis: 1, snapshot: 1, timestamp: 2 });
    const first = await publish({ ...request, roles: ["redis"] });
    expect(first.versions).toMatchObject({ redis: 2, targets: 1, timestamp: 3 });
    expect(await codeOf(publish({ ...request, roles: ["nginx"] }))).toBe("wrong-request");
    expect(await codeOf(publish({ ...request, roles: ["targets"] }))).toBe("too-few-signatures");
    for (const key of keys.targets) await signMetadata({ files, key });
    expect(await codeOf(publish({ ...request, roles: ["targets"] }))).toBe("wrong-request");
    await signMetadata({ files, key: nginx });
    await publish(request);
    const { products } = await channel.client().update();
    expect(products).toEqual([{ name: "redis" }, { name: "nginx" }]);
    expect(await files.list("staged")).toEqual([]);
  });

  test("one whose signers change is signed by the new ones, or nothing is published", async () => {
    const { files, keys } = channel;
    const signers = { keys: [publicOf(nginx)], threshold: 1 };
    await addProduct({ files, now, product: "redis", signers });
    for (const key of keys.targets) await signMetadata({ files, key });
    const request = { files, now, keys: channel.onlineKeys };
    expect(await codeOf(publish({ ...request, roles: ["targets"] }))).toBe("too-few-signatures");
    expect(await codeOf(publish(request))).toBe("too-few-signatures");
    await signMetadata({ files, key: nginx });
    await publish(request);
    expect((await channel.client().update()).updates).toHaveLength(2);
  });

  test("new keys for the targets sign the targets, or nothing is published", async () => {
    const { files, keys } = channel;
    const fresh = testKey();
    const signers = { keys: [publicOf(fresh)], threshold: 1 };
    await setSigners({ files, now, role: "targets", signers });
    for (const key of keys.root) await signMetadata({ files, key });
    const request = { files, now, keys: channel.onlineKeys };
    expect(await codeOf(publish({ ...request, roles: ["root"] }))).toBe("too-few-signatures");
    await signMetadata({ files, key: fresh });
    await publish(request);
    expect((await channel.client().update()).versions).toMatchObject({ root: 2, targets: 2 });
  });
});

test("a day on which nothing changes costs a timestamp, and no new snapshot", async () => {
  const { files } = channel;
  const first = await publish({ files, now: daysAfterStart(1), keys: channel.onlineKeys });
  expect(first.versions).toMatchObject({ snapshot: 1, timestamp: 2 });
  // The snapshot is signed anew before it is too old.
  const later = await publish({ files, now: daysAfterStart(20), keys: channel.onlineKeys });
  expect(later.versions).toMatchObject({ snapshot: 2, timestamp: 3 });
  expect(later.expires).toBe("2026-11-09T08:00:00Z");
});

test("a withdrawn hotpatch is refused by clients, and its file is gone", async () => {
  const { files, keys } = channel;
  await withdraw({ files, now: start, target: hotpatchTarget(1), reason: "leaks memory" });
  for (const key of keys.redis) await signMetadata({ files, key });
  await publish({ files, now: start, keys: channel.onlineKeys });
  const client = channel.client();
  const { updates } = await client.update();
  expect(updates[1]?.withdrawn).toEqual({ date: "2026-10-13", reason: "leaks memory" });
  expect(await codeOf(client.download(hotpatchTarget(1)))).toBe("target-withdrawn");
  expect((await files.list("public")).filter((path) => path.endsWith(".hotpatch"))).toEqual([]);
});

test("what is not published yet is not in the folder that is served", async () => {
  const { files } = channel;
  const before = await files.list("public");
  const entry = hotpatchEntry(2);
  await addTarget({ files, now: start, product: "redis", entry, payload: hotpatchBytes(2) });
  expect(await files.list("public")).toEqual(before);
  expect(await files.list("staged")).toHaveLength(2);
});
