/** The suture command on a real process: built, applied, killed half-way, reverted. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { prepareLineServer } from "./line-server-scene.ts";
import type { Scene, Stage } from "./scene.ts";
import { type Server, startServer } from "./server.ts";
import { problemOf, runSuture } from "./suture-command.ts";

const stage: Stage = {
  folder: mkdtempSync(join(tmpdir(), "suture-cli-")),
  say: () => undefined,
};
const file = join(stage.folder, "fix.hotpatch");
const servers: Server[] = [];
let scene: Scene;
let id = "";

beforeAll(async () => {
  scene = prepareLineServer(stage);
  const cache = join(stage.folder, "cache");
  const result = await runSuture(["build", ...scene.build, "--output", file, "--cache", cache]);
  expect(result.answer.ok, problemOf(result)).toBe(true);
  ({ id } = result.answer.description as { id: string });
});

afterAll(() => {
  for (const server of servers) server.kill();
  rmSync(stage.folder, { recursive: true, force: true });
});

async function start(): Promise<Server & { answer: () => Promise<string | undefined> }> {
  const server = await startServer(scene, stage);
  servers.push(server);
  return { ...server, answer: async () => await scene.triggers[0]?.show(server.port) };
}

const FAULTY = "s";
const FIXED = "ERR index out of range";

const onPid = (server: Server, name: string, ...args: string[]) =>
  runSuture([name, "--pid", `${server.pid}`, ...args]);

const states = async (server: Server): Promise<string[]> => {
  const { answer } = await onPid(server, "status");
  const [process] = answer.processes as { hotpatches: { state: string; inForce: boolean }[] }[];
  return (process?.hotpatches ?? []).map(({ state, inForce }) => `${state} ${inForce}`);
};

test("checks, applies, shows and reverts a hotpatch", async () => {
  const server = await start();
  expect((await onPid(server, "check", file)).code).toBe(0);
  expect(await states(server)).toEqual([]);
  expect(await server.answer()).toBe(FAULTY);

  expect((await onPid(server, "apply", file)).code).toBe(0);
  expect(await server.answer()).toBe(FIXED);
  expect(await states(server)).toEqual(["applied true"]);
  const ps = await runSuture(["ps", file]);
  expect(ps.answer.processes).toMatchObject([{ pid: server.pid, applied: [id] }]);

  const again = await onPid(server, "apply", file);
  expect(again.code).toBe(3);
  expect(again.answer.error).toMatchObject({ reason: "already-applied" });

  expect((await onPid(server, "revert", id)).code).toBe(0);
  expect(await server.answer()).toBe(FAULTY);
  expect(await states(server)).toEqual([]);
  expect((await onPid(server, "revert", id)).answer.error).toMatchObject({ reason: "not-applied" });
  server.kill();
});

test("--all takes every process of the Build-ID", async () => {
  const both = [await start(), await start()];
  const applied = await runSuture(["apply", "--all", file]);
  expect(applied.code, problemOf(applied)).toBe(0);
  for (const server of both) expect(await server.answer()).toBe(FIXED);
  expect((await runSuture(["revert", "--all", id])).code).toBe(0);
  for (const server of both) expect(await server.answer()).toBe(FAULTY);
  expect((await runSuture(["revert", "--all", id])).code).toBe(4);
  for (const server of both) server.kill();
});

test("refuses a process of another Build-ID, one that is gone, and a damaged file", async () => {
  const other = await runSuture(["apply", "--pid", `${process.pid}`, file]);
  expect(other.code).toBe(3);
  expect(other.answer.error).toMatchObject({ reason: "wrong-build-id" });

  const gone = await runSuture(["apply", "--pid", "4194304", file]);
  expect(gone.code).toBe(3);
  expect(gone.answer.error).toMatchObject({ reason: "process-gone" });

  const damaged = join(stage.folder, "damaged.hotpatch");
  const bytes = readFileSync(file);
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
  writeFileSync(damaged, bytes);
  const server = await start();
  const refused = await onPid(server, "apply", damaged);
  expect(refused.code).toBe(3);
  expect(refused.answer.error).toMatchObject({ reason: "bad-hotpatch" });
  expect(await server.answer()).toBe(FAULTY);
  server.kill();
});

const APPLY_POINTS = [
  ...["planned", "seized", "mapped", "written", "recorded"],
  ...["before-stop", "stopped", "switching", "switched", "resumed"],
] as const;
const REVERT_POINTS = [
  ...["before-stop", "stopped", "switching", "switched", "resumed", "reverted", "freed"],
] as const;

describe("a command that is killed leaves a server that answers, and the next one recovers", () => {
  const killAt = async (point: string, server: Server, name: string, ...args: string[]) => {
    const env = { SUTURE_FAULT_POINT: point };
    const result = await runSuture([name, "--pid", `${server.pid}`, ...args], { env });
    expect(result.answer.signal, `the point ${point} exists`).toBe("SIGKILL");
  };
  /** The mappings of the program and of hotpatches; stacks and heaps come and go by themselves. */
  const mappings = (server: Server): string[] =>
    readFileSync(`/proc/${server.pid}/maps`, "utf8")
      .split("\n")
      .filter((text) => text.includes(scene.program) || text.includes("suture:"));

  test.each(APPLY_POINTS)("apply killed at %s", async (point) => {
    const server = await start();
    const before = mappings(server);
    await killAt(point, server, "apply", file);
    expect([FAULTY, FIXED]).toContain(await server.answer());
    const status = await onPid(server, "status");
    expect(status.code, problemOf(status)).toBe(0);
    const applied = (await states(server)).length > 0;
    expect(await server.answer()).toBe(applied ? FIXED : FAULTY);
    if (applied) expect((await onPid(server, "revert", id)).code).toBe(0);
    expect(await server.answer()).toBe(FAULTY);
    expect(mappings(server)).toEqual(before);
    server.kill();
  });

  test.each(REVERT_POINTS)("revert killed at %s", async (point) => {
    const server = await start();
    const before = mappings(server);
    expect((await onPid(server, "apply", file)).code).toBe(0);
    await killAt(point, server, "revert", id);
    expect([FAULTY, FIXED]).toContain(await server.answer());
    expect((await onPid(server, "status")).code).toBe(0);
    if ((await states(server)).length > 0) await onPid(server, "revert", id);
    expect(await server.answer()).toBe(FAULTY);
    expect(mappings(server)).toEqual(before);
    server.kill();
  });
});
