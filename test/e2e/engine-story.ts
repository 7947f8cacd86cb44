/**
 * `npm start -- --engine-only`: one process patched by hand, on a real server under load.
 *
 * A server with a known fault is started and clients are connected. The fault is shown from
 * outside, the hotpatch is built and applied, the fault is gone, the hotpatch is reverted, the
 * fault is back; all the while no connection is lost and no request fails.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type ClientFleet, openClientFleet } from "./client-fleet.ts";
import type { Journal } from "./journal.ts";
import {
  checkClients,
  chooseScene,
  expectAnswer,
  type Play,
  showFaults,
  type Undo,
} from "./play.ts";
import type { Scene, Stage } from "./scene.ts";
import { type Server, startServer } from "./server.ts";
import { type CommandResult, problemOf, runSuture } from "./suture-command.ts";

/** How long the clients are watched before, between and after, in milliseconds. */
const WATCH_MS = 3000;

interface Job {
  readonly stage: Stage;
  readonly scene: Scene;
  readonly server: Server;
  readonly clients: ClientFleet;
  readonly journal: Journal;
  readonly signal: AbortSignal;
}

export interface EngineFlags {
  /** Leaves the server running with the hotpatch in it. */
  readonly keep: boolean;
}

/** Plays it; true when everything that was claimed was true. */
export async function playEngineStory(play: Play, flags: EngineFlags): Promise<boolean> {
  const { stage, journal, undo, signal } = play;
  journal.step("A server with a known fault");
  const scene = await chooseScene(play);
  const server = await startServer(scene, stage);
  undo.push(server.kill);
  stage.say(`${scene.title}: process ${server.pid} on 127.0.0.1:${server.port}`);

  journal.step("Clients: a session, a subscription, an open transaction, and load");
  const clients = await openClientFleet(server.port);
  undo.push(clients.kill);
  const job: Job = { stage, scene, server, clients, journal, signal };
  const first = await clients.look();
  stage.say(`${first.connections.length} connections`);

  journal.step("The fault, from outside");
  const shown = await showFaults(job, server.port);

  journal.step("Build the hotpatch");
  const hotpatch = await build(job);
  const triggers = shown.filter(({ cve }) => !cve || hotpatch.cves.includes(cve));
  journal.claim("a fault that the hotpatch fixes shows from outside", triggers.length > 0);
  await watch(job, "before");

  journal.step("Apply it");
  const applied = await change(job, "apply", ["apply", "--pid", `${server.pid}`, hotpatch.file]);
  await checkStatus(job, hotpatch.id, true);
  await watch(job, "applied");

  journal.step("The fault is gone");
  for (const trigger of triggers)
    await expectAnswer(job, trigger, { port: server.port, wanted: "fixed" });

  if (flags.keep) return await keep(job, hotpatch.id, undo);

  journal.step("Revert it");
  const reverted = await change(job, "revert", ["revert", "--pid", `${server.pid}`, hotpatch.id]);
  await checkStatus(job, hotpatch.id, false);
  await watch(job, "reverted");

  journal.step("The fault is back");
  for (const trigger of triggers)
    await expectAnswer(job, trigger, { port: server.port, wanted: "faulty" });

  const report = await clients.finish();
  checkClients(journal, server, report);
  journal.measured({ report, build: hotpatch, applied, reverted });
  return journal.verdict();
}

export interface BuiltInJob {
  readonly file: string;
  readonly id: string;
  readonly cves: readonly string[];
  readonly functions: number;
  readonly seconds: number;
}

async function build({ stage, scene, journal, signal }: Job): Promise<BuiltInJob> {
  const file = join(stage.folder, "fix.hotpatch");
  const args = ["build", ...scene.build, "--output", file];
  const result = await runSuture(args, { onProgress: journal.say, signal });
  requireSuccess(journal, "the hotpatch is built", result);
  const { description, manifest } = result.answer as unknown as {
    description: { id: string; functions: { name: string }[] };
    manifest: {
      fixes: { cves: string[]; verdict: string; functions: string[] }[];
      builtFrom: { proof: string };
    };
  };
  const fixes = manifest.fixes.filter(({ verdict }) => verdict === "in-hotpatch");
  journal.say(`${description.id}: ${description.functions.map(({ name }) => name).join(", ")}`);
  journal.say(`proof that it is what runs: ${manifest.builtFrom.proof}`);
  return {
    file,
    id: description.id,
    cves: fixes.flatMap(({ cves }) => cves),
    functions: description.functions.length,
    seconds: result.seconds,
  };
}

export interface Change {
  readonly stopUs: number;
  readonly threads: number;
  readonly seconds: number;
}

/** Runs apply or revert, with the clients' round trips meanwhile counted under its name. */
async function change(job: Job, name: string, args: readonly string[]): Promise<Change> {
  const { clients, journal, signal } = job;
  await clients.window(name);
  const result = await runSuture(args, { onProgress: journal.say, signal });
  await clients.window("between");
  requireSuccess(journal, `${name} succeeds`, result);
  const [report] = result.answer.processes as { stopUs: number; threads: number }[];
  const { stopUs, threads } = report ?? { stopUs: Number.NaN, threads: 0 };
  journal.say(`stopped for ${stopUs.toFixed(0)} µs, ${threads} threads`);
  return { stopUs, threads, seconds: result.seconds };
}

/** Looks into the process from outside: its own record, and its memory map. */
async function checkStatus({ server, journal }: Job, id: string, isIn: boolean): Promise<void> {
  const { answer } = await runSuture(["status", "--pid", `${server.pid}`]);
  const processes = (answer.processes ?? []) as { hotpatches: { id: string; state: string }[] }[];
  const found = processes.some(({ hotpatches }) =>
    hotpatches.some((hotpatch) => hotpatch.id === id && hotpatch.state === "applied"),
  );
  const named = readFileSync(`/proc/${server.pid}/maps`, "utf8").includes(id);
  journal.claim(`status and /proc/PID/maps ${isIn ? "show it" : "show nothing of it"}`, [
    found === isIn,
    named === isIn,
  ]);
}

async function watch({ clients }: Job, name: string): Promise<void> {
  await clients.window(name);
  await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  await clients.look();
  await clients.window("between");
}

function requireSuccess(journal: Journal, what: string, result: CommandResult): void {
  journal.claim(what, result.answer.ok);
  if (!result.answer.ok) throw new Error(problemOf(result));
}

async function keep(job: Job, id: string, undo: Undo[]): Promise<boolean> {
  const { server, clients, journal, stage } = job;
  checkClients(journal, server, await clients.finish());
  undo.length = 0;
  server.leave();
  journal.say(`the server goes on: process ${server.pid} on 127.0.0.1:${server.port}`);
  journal.say(`see it:    npx suture status --pid ${server.pid}`);
  journal.say(`revert it: npx suture revert --pid ${server.pid} ${id}`);
  journal.say(`end it:    kill ${server.pid} && rm -r ${stage.folder}`);
  return journal.verdict();
}
