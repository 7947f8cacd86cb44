/**
 * `npm start`: the whole of it, on a real server under load.
 *
 *     npm start                  the proof; exit code 0 only if everything shown was true
 *     npm start -- --keep        leaves the server running with the hotpatch in it
 *     npm start -- --rebuilt     uses the newest redis without its last patches, as where the
 *                                archive has one version only
 *     npm start -- --victim      uses the small server of our own instead of redis
 *
 * A server with a known fault is started and clients are connected. The fault is shown from
 * outside, the hotpatch is built and applied, the fault is gone, the hotpatch is reverted, the
 * fault is back; all the while no connection is lost and no request fails.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type ClientFleet, openClientFleet } from "./client-fleet.ts";
import type { FleetReport } from "./clients.ts";
import { createJournal, type Journal } from "./journal.ts";
import { prepareLineServer } from "./line-server-scene.ts";
import { prepareRedis } from "./redis-scene.ts";
import type { Scene, Stage, Trigger } from "./scene.ts";
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

/** What is undone at the end, the last one first. */
type Undo = () => void;

interface Flags {
  readonly keep: boolean;
  readonly rebuilt: boolean;
  readonly victim: boolean;
}

async function main(flags: Flags, undo: Undo[], signal: AbortSignal) {
  const journal = createJournal();
  const stage = openStage(journal, undo);

  journal.step("A server with a known fault");
  const scene = await chooseScene(stage, flags);
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
  const shown = await showFaults(job);

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
  for (const trigger of triggers) await expectAnswer(job, trigger, "fixed");

  if (flags.keep) return await keep(job, hotpatch.id, undo);

  journal.step("Revert it");
  const reverted = await change(job, "revert", ["revert", "--pid", `${server.pid}`, hotpatch.id]);
  await checkStatus(job, hotpatch.id, false);
  await watch(job, "reverted");

  journal.step("The fault is back");
  for (const trigger of triggers) await expectAnswer(job, trigger, "faulty");

  const report = await clients.finish();
  checkClients(job, report);
  journal.measured({ report, build: hotpatch, applied, reverted });
  return journal.verdict();
}

function openStage(journal: Journal, undo: Undo[]): Stage {
  const folder = mkdtempSync(join(tmpdir(), "suture-job-"));
  undo.push(() => rmSync(folder, { recursive: true, force: true }));
  return { folder, say: journal.say };
}

async function chooseScene(stage: Stage, { victim, rebuilt }: Flags): Promise<Scene> {
  const redis = victim ? undefined : await prepareRedis(stage, { rebuilt });
  if (redis) return redis;
  stage.say("the same is shown on a small server of our own");
  return prepareLineServer(stage);
}

/** Tries every trigger; gives those that show their fault. */
async function showFaults({ scene, server, journal }: Job): Promise<Trigger[]> {
  const shown: Trigger[] = [];
  for (const trigger of scene.triggers) {
    const answer = await trigger.show(server.port);
    const isFaulty = answer === trigger.faulty;
    journal.say(`${trigger.name}: ${trigger.what}: ${answer}${isFaulty ? "" : " (no fault here)"}`);
    if (isFaulty) shown.push(trigger);
  }
  return shown;
}

async function expectAnswer(job: Job, trigger: Trigger, wanted: "fixed" | "faulty") {
  const answer = await trigger.show(job.server.port);
  job.journal.say(`${trigger.name}: ${trigger.what}: ${answer}`);
  const isWanted =
    wanted === "fixed" ? answer.startsWith(trigger.fixed) : answer === trigger.faulty;
  job.journal.claim(`${trigger.name} is ${wanted === "fixed" ? "gone" : "back"}`, isWanted);
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

function checkClients({ server, journal }: Job, report: FleetReport): void {
  for (const failure of report.failures) journal.say(`failed: ${failure}`);
  const lost = report.connections.filter(({ wrong }) => wrong !== undefined);
  for (const { name, wrong } of lost) journal.say(`lost: ${name}: ${wrong}`);
  journal.claim("the server is the process that was started", server.isRunning());
  journal.claim("every connection is alive", lost.length === 0);
  journal.claim("no request failed", report.failed === 0);
  journal.claim("no message was lost", report.received === report.published);
}

function requireSuccess(journal: Journal, what: string, result: CommandResult): void {
  journal.claim(what, result.answer.ok);
  if (!result.answer.ok) throw new Error(problemOf(result));
}

async function keep(job: Job, id: string, undo: Undo[]): Promise<boolean> {
  const { server, clients, journal, stage } = job;
  checkClients(job, await clients.finish());
  undo.length = 0;
  server.leave();
  journal.say(`the server goes on: process ${server.pid} on 127.0.0.1:${server.port}`);
  journal.say(`see it:    npx suture status --pid ${server.pid}`);
  journal.say(`revert it: npx suture revert --pid ${server.pid} ${id}`);
  journal.say(`end it:    kill ${server.pid} && rm -r ${stage.folder}`);
  return journal.verdict();
}

const { values } = parseArgs({
  options: {
    keep: { type: "boolean", default: false },
    once: { type: "boolean", default: true },
    rebuilt: { type: "boolean", default: false },
    victim: { type: "boolean", default: false },
  },
});
const undo: Undo[] = [];
const abort = new AbortController();
const undoAll = (): void => {
  for (const one of undo.splice(0).reverse()) one();
};
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const)
  process.once(name, () => {
    abort.abort();
    undoAll();
    process.exit(130);
  });
try {
  process.exitCode = (await main(values, undo, abort.signal)) ? 0 : 1;
} catch (error) {
  console.error(`\nfailed: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  undoAll();
}
