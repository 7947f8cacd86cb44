/** What both stories of `npm start` begin with: a scene, its faults, and what is undone at the end. */
import type { FleetReport } from "./clients.ts";
import type { Journal } from "./journal.ts";
import { prepareLineServer } from "./line-server-scene.ts";
import { prepareRedis } from "./redis-scene.ts";
import type { Scene, Stage, Trigger } from "./scene.ts";
import type { Server } from "./server.ts";

/** What is undone at the end, the last one first. */
export type Undo = () => void;

export interface Play {
  readonly stage: Stage;
  readonly journal: Journal;
  readonly undo: Undo[];
  /** What tells more when the play fails: the last words of processes. */
  readonly witnesses: (() => string)[];
  readonly signal: AbortSignal;
  /** Uses the newest redis without its last patches, as where the archive has one version only. */
  readonly rebuilt: boolean;
  /** Uses the small server of our own instead of redis. */
  readonly victim: boolean;
}

export async function chooseScene({ stage, victim, rebuilt }: Play): Promise<Scene> {
  const redis = victim ? undefined : await prepareRedis(stage, { rebuilt });
  if (redis) return redis;
  stage.say("the same is shown on a small server of our own");
  return prepareLineServer(stage);
}

interface Stageplay {
  readonly scene: Scene;
  readonly journal: Journal;
}

/** Tries every trigger; gives those that show their fault. */
export async function showFaults({ scene, journal }: Stageplay, port: number): Promise<Trigger[]> {
  const shown: Trigger[] = [];
  for (const trigger of scene.triggers) {
    const answer = await trigger.show(port);
    const isFaulty = answer === trigger.faulty;
    journal.say(`${trigger.name}: ${trigger.what}: ${answer}${isFaulty ? "" : " (no fault here)"}`);
    if (isFaulty) shown.push(trigger);
  }
  return shown;
}

/** Claims that the fault is gone, or back. */
export async function expectAnswer(
  { journal }: Pick<Stageplay, "journal">,
  trigger: Trigger,
  { port, wanted }: { readonly port: number; readonly wanted: "fixed" | "faulty" },
): Promise<void> {
  const answer = await trigger.show(port);
  journal.say(`${trigger.name}: ${trigger.what}: ${answer}`);
  const isWanted =
    wanted === "fixed" ? answer.startsWith(trigger.fixed) : answer === trigger.faulty;
  journal.claim(`${trigger.name} is ${wanted === "fixed" ? "gone" : "back"}`, isWanted);
}

/** Claims that nobody who was connected noticed anything. */
export function checkClients(
  { say, claim }: Journal,
  server: Pick<Server, "isRunning">,
  report: FleetReport,
): void {
  for (const failure of report.failures) say(`failed: ${failure}`);
  const lost = report.connections.filter(({ wrong }) => wrong !== undefined);
  for (const { name, wrong } of lost) say(`lost: ${name}: ${wrong}`);
  claim("the server is the process that was started", server.isRunning());
  claim("every connection is alive", lost.length === 0);
  claim("no request failed", report.failed === 0);
  claim("no message was lost", report.received === report.published);
}
