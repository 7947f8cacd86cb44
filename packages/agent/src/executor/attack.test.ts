/**
 * An attacker who owns the network half: its user, its socket and its folder. At worst he withholds.
 * Nothing is applied that was not signed and assigned, and the executor goes on.
 */
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SOCKET_ATTACKER } from "../../../../test/live/socket-attacker.ts";
import { connectExecutor } from "../executor-client.ts";
import { encodeFrame } from "../frames.ts";
import { REQUESTS, type RequestName, Sender } from "../protocol.ts";
import { createTestControl } from "./assignment-fixture.ts";
import { createTestDevice, type RunningExecutor, type TestDevice } from "./executor-fixture.ts";

type Victim = Awaited<ReturnType<TestDevice["workshop"]["start"]>>;

let device: TestDevice;
let executor: RunningExecutor;
let victim: Victim;
/** Whom the kernel would say that whoever connects next is. */
let uid = 0;
beforeEach(async () => {
  device = await createTestDevice();
  await device.addHotpatch(1, "int one(void) { return 11; }");
  await device.deliver();
  device.enrol();
  victim = await device.workshop.start(device.program, ["1"]);
});
afterEach(() => device.close());

const begin = async (): Promise<void> => {
  executor = await device.start({ peerOf: () => ({ pid: 1, uid, gid: uid }) });
};
const asNetwork = async <Result>(act: () => Promise<Result>): Promise<Result> => {
  uid = 65534;
  try {
    return await act();
  } finally {
    uid = 0;
  }
};

/** The victim runs as it began, the executor answers root, and its log of faults is empty. */
async function nothingHappened(): Promise<void> {
  const status = await executor.root.ask("status", {});
  expect(status.components[0]?.hotpatchedProcesses ?? 0).toBe(0);
  victim.send("x\n");
  expect(await victim.nextLine(/^one/)).toBe("one 1 two 2 three 3");
  expect(await executor.root.ask("audit-verify", {})).not.toHaveProperty("problem");
  expect(executor.log.filter((line) => line.startsWith("fault"))).toEqual([]);
}

/** Runs the attacker as that user; what it prints for each line. */
async function attackAs(user: number, lines: readonly string[]): Promise<string[]> {
  const script = join(device.root, "attacker.ts");
  copyFileSync(SOCKET_ATTACKER, script);
  chmodSync(device.root, 0o755);
  const node = join(device.root, "node");
  copyFileSync(process.execPath, node);
  const child = spawn(node, [script, device.folders.socket], {
    ...{ uid: user, gid: user, cwd: device.root },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(lines.map((line) => `${line}\n`).join(""));
  let output = "";
  for await (const chunk of child.stdout) output += chunk;
  return output.trim().split("\n");
}

const hello = '{"request":"hello","protocol":1}';

test("the kernel tells who asks: root's requests are root's, and a stranger gets nothing", async () => {
  executor = await device.start();
  const rootOnly = Object.keys(REQUESTS).filter(
    (name) => !REQUESTS[name as RequestName].senders.includes(Sender.network),
  );
  const lines = [
    '{"request":"state"}',
    hello,
    hello,
    ...rootOnly.map((request) => JSON.stringify({ request })),
    '{"request":"state","known":"x"}',
    '{"request":"events","after":0}',
  ];
  expect(await attackAs(65534, lines)).toEqual([
    "wrong-phase",
    "protocol,version,phase,deviceId,serials",
    "wrong-phase",
    ...rootOnly.map(() => "sender-not-permitted"),
    "request-field",
    "events,last",
  ]);
  chmodSync(device.folders.socket, 0o666);
  expect((await attackAs(65533, [hello]))[0]).toMatch(/^(sender-not-permitted|closed)$/);
  expect(await executor.root.ask("status", {})).toMatchObject({ phase: "managed" });
});

const newSocket = async (): Promise<Socket> => {
  const socket = connect(device.folders.socket);
  socket.on("error", () => {});
  await new Promise((resolve) => socket.once("connect", resolve));
  return socket;
};
const ended = (socket: Socket): Promise<void> =>
  new Promise((resolve) => {
    if (socket.destroyed) return resolve();
    socket.once("close", () => resolve());
    socket.resume();
    socket.end();
  });

test("any bytes, and any fields in any request", async () => {
  await begin();
  const target = device.target(1);
  const signed = device.control.signed(device.assignment(1, { apply: [target] }));
  const good: Record<string, object> = {
    assignment: signed,
    state: { known: 1, waitSeconds: 0 },
    events: { after: 0 },
    apply: { target: target.target, dryRun: false },
    remove: { target: target.target, reason: "x", dryRun: false },
  };
  const names = Object.keys(REQUESTS);
  const value = fc.oneof(fc.jsonValue(), fc.constantFrom("", -1, 2 ** 53, "x".repeat(70_000)));
  const field = fc.constantFrom("document", "signature", "controlKey", "target", "after", "more");
  const mutated = fc
    .tuple(fc.constantFrom(...names), field, value)
    .map(([request, name, wrong]) => {
      const fields = { request, ...good[request] };
      return Buffer.from(encodeFrame({ ...fields, [name]: wrong }));
    });
  const cut = fc
    .tuple(mutated, fc.nat())
    .map(([bytes, at]) => bytes.subarray(0, at % bytes.length));
  const raw = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
  const greeting = Buffer.from(encodeFrame({ request: "hello", protocol: 1 }));
  await fc.assert(
    fc.asyncProperty(fc.array(fc.oneof(mutated, cut, raw), { maxLength: 4 }), async (frames) => {
      await asNetwork(async () => {
        const socket = await newSocket();
        socket.write(Buffer.concat([greeting, ...frames]));
        await ended(socket);
      });
    }),
    { numRuns: 150 },
  );
  await nothingHappened();
});

test("connections without end, and frames that are never finished: root still gets in", async () => {
  await begin();
  const sockets: Socket[] = [];
  await asNetwork(async () => {
    for (let count = 0; count < 100; count++) sockets.push(await newSocket());
    for (const socket of sockets) {
      socket.write(Buffer.from([0, 15, 0, 0, 123]));
    }
  });
  const connection = await connectExecutor(device.folders.socket);
  expect(await connection.ask("status", {})).toMatchObject({ phase: "managed" });
  connection.close();
  for (const socket of sockets) socket.destroy();
  await nothingHappened();
});

test("a thousand requests a second are slowed down, and root's are not", async () => {
  await begin();
  const connection = await asNetwork(() => connectExecutor(device.folders.socket));
  const codes = new Set<string>();
  for (let count = 0; count < 1000; count++) {
    await connection.ask("events", { after: 0 }).catch(({ code }) => codes.add(code));
  }
  expect([...codes]).toEqual(["too-many-requests"]);
  for (let count = 0; count < 300; count++) await executor.root.ask("readiness", {});
  connection.close();
});

test("an assignment that is forged, for another, or repeated does nothing", async () => {
  await begin();
  const apply = [device.target(1)];
  const other = createTestControl(device.now);
  const { control } = device;
  const assignment = device.assignment(5, { apply });
  const strangers = device.assignment(6, { apply, deviceId: crypto.randomUUID() });
  const past = new Date(device.now.getTime() - 1000).toISOString();
  const forged = [
    other.signed(assignment),
    { ...other.signed(assignment), controlKey: control.signed(assignment).controlKey },
    control.signed(strangers),
    control.signed(device.assignment(7, { apply, expiresAt: past })),
    { ...control.signed(device.assignment(8)), document: control.signed(assignment).document },
  ];
  const connection = await asNetwork(() => connectExecutor(device.folders.socket));
  for (const request of forged) {
    await expect(connection.ask("assignment", request)).rejects.toThrow();
  }
  await connection.ask(
    "assignment",
    control.signed(device.assignment(20, { paused: true, apply })),
  );
  await expect(connection.ask("assignment", control.signed(assignment))).rejects.toThrow("older");
  // As often as he likes: the journal does not grow with it.
  const size = readFileSync(join(device.folders.executor, "journal")).length;
  for (let count = 0; count < 50; count++) {
    await connection.ask("assignment", other.signed(assignment)).catch(() => {});
  }
  expect(readFileSync(join(device.folders.executor, "journal")).length).toBe(size);
  connection.close();
  await nothingHappened();
});

test("a spool of links, pipes, folders, floods and old files", async () => {
  const { spool } = device.folders;
  device.enrol();
  rmSync(device.folders.settings);
  device.writePolicy({ hotpatchInWindowOnly: true });
  await begin();
  await executor.until(({ components }) => components[0]?.reason === "wait-for-window");
  const timestamp = join(spool, "metadata/timestamp.json");
  const first = readFileSync(timestamp);
  const good = join(tmpdir(), `suture-good-${process.pid}`);
  await device.addHotpatch(2, "int one(void) { return 11; }");
  await device.deliver();
  cpSync(spool, good, { recursive: true });
  expect((await executor.root.ask("channel-changed", {})).versions?.timestamp).toBe(3);
  const attacks: Record<string, () => void> = {
    "a link": () => symlinkSync("/etc/shadow", timestamp),
    "a pipe": () => execFileSync("mkfifo", [timestamp]),
    "a device": () => symlinkSync("/dev/zero", timestamp),
    "a folder": () => mkdirSync(timestamp),
    "a flood": () => {
      writeFileSync(timestamp, "");
      truncateSync(timestamp, 2 ** 40);
    },
    "an old timestamp": () => writeFileSync(timestamp, first),
    rubbish: () => writeFileSync(timestamp, "{".repeat(10_000)),
    nothing: () => {},
    "another root": () => {
      writeFileSync(timestamp, readFileSync(join(good, "metadata/timestamp.json")));
      writeFileSync(
        join(spool, "metadata/2.root.json"),
        readFileSync(join(spool, "metadata/1.root.json")),
      );
    },
  };
  for (const [name, attack] of Object.entries(attacks)) {
    rmSync(timestamp, { recursive: true, force: true });
    attack();
    const { problem, versions } = await executor.root.ask("channel-changed", {});
    expect(problem, name).toBeDefined();
    expect(versions?.timestamp, name).toBe(3);
    const { components } = await executor.root.ask("status", {});
    expect(components[0]?.reason, name).toBe("wait-for-window");
  }
  rmSync(good, { recursive: true });
  await nothingHappened();
});

test("other bytes in the place of a hotpatch are not applied, nor read twice", async () => {
  rmSync(device.folders.settings);
  device.writePolicy();
  const folder = join(device.folders.spool, "targets/victims/2026-10");
  const name = readdirSync(folder).find((file) => file.endsWith(".hotpatch")) ?? "";
  const file = join(folder, name);
  const bytes = readFileSync(file);
  const evil = device.workshop.makeHotpatch({
    ...{ binary: device.program, functions: ["one"], id: "fix-1", sequence: 1 },
    source: "int one(void) { return 111; }",
  });
  writeFileSync(file, evil.bytes);
  await begin();
  const status = await executor.until(({ progress }) => progress[0]?.state === "refused");
  expect(status.progress[0]).toMatchObject({ code: "channel" });
  await nothingHappened();
  writeFileSync(file, bytes);
  const { actions } = await executor.root.ask("apply", { dryRun: false });
  expect(actions).toMatchObject([{ outcome: "done" }]);
  victim.send("x\n");
  expect(await victim.nextLine(/^one/)).toBe("one 11 two 2 three 3");
});

test("a process that its user has stopped keeps the fix from nobody else", async () => {
  rmSync(device.folders.settings);
  device.writePolicy();
  chmodSync(device.workshop.folder, 0o755);
  const strangers = await device.workshop.start(device.program, ["1"], { uid: 65533 });
  process.kill(strangers.pid, "SIGSTOP");
  await begin();
  const status = await executor.until(
    ({ components }) =>
      components[0]?.hotpatchedProcesses === 1 && components[0].reason === "retry-later",
  );
  expect(status.progress).toMatchObject([{ state: "applied", processes: 1 }]);
  const { events } = await executor.root.ask("events", { after: 0 });
  expect(events.at(-1)).toMatchObject({ kind: "refused", code: "process-stopped" });
  victim.send("x\n");
  expect(await victim.nextLine(/^one/)).toBe("one 11 two 2 three 3");
  process.kill(strangers.pid, "SIGCONT");
  const { actions } = await executor.root.ask("apply", { dryRun: false });
  expect(actions).toMatchObject([{ outcome: "done", pids: [strangers.pid] }]);
});

test("a person who ends a process of his own takes the fix from nobody", async () => {
  rmSync(device.folders.settings);
  device.writePolicy();
  chmodSync(device.workshop.folder, 0o755);
  const own = await device.workshop.start(device.program, ["1"], { uid: 12_345 });
  await begin();
  const { watching } = await executor.until(
    ({ components }) => components[0]?.hotpatchedProcesses === 2,
  );
  expect(watching[0]?.pids).toEqual([victim.pid]);
  own.send("x\n");
  expect(await own.nextLine(/^one/)).toBe("one 11 two 2 three 3");
  await own.kill();
  const again = await device.workshop.start(device.program, ["1"], { uid: 12_345 });
  await executor.until(
    ({ components }) =>
      components[0]?.hotpatchedProcesses === 2 && components[0].pids.includes(again.pid),
  );
  const { events } = await executor.root.ask("events", { after: 0 });
  expect(events.filter(({ kind }) => kind === "health-signal")).toEqual([]);
});
