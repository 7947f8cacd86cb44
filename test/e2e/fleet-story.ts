/**
 * `npm start`: the whole product on one machine.
 *
 * A server with a known fault under load; a signed release channel; a control plane with its
 * console; this machine and simulated ones in three rings. The security update is imported, signed
 * and rolled out ring by ring, and the fault is gone. Then comes a hotpatch that leaks memory: the
 * health watch catches it on this machine, reverts it live, and the rollout halts in its first
 * ring. Nobody who is connected to the server notices any of it.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { buildId, parseElf } from "@suture/engine";
import { buildConsole } from "./built-console.ts";
import { openClientFleet } from "./client-fleet.ts";
import {
  type ControlPlane,
  DEMONSTRATION_ROLES,
  loginOf,
  startControlPlane,
} from "./control-plane.ts";
import { type DemonstrationChannel, openChannel } from "./demonstration-channel.ts";
import {
  awaitReady,
  type DemonstrationFleet,
  enrolFleet,
  setUpRings,
} from "./demonstration-fleet.ts";
import { halvesOf } from "./enrolled-machine.ts";
import { tableOf } from "./fleet-table.ts";
import { openHotpatchKeeper } from "./kept-hotpatches.ts";
import { checkClients, chooseScene, type Play, showFaults } from "./play.ts";
import { publishFix, publishLeak } from "./publish-scene.ts";
import { rollOutFix, rollOutLeak } from "./rollout-scene.ts";
import { startServer } from "./server.ts";
import type { Story, Target } from "./story.ts";

export interface FleetFlags {
  /** Ends after the proof. */
  readonly once: boolean;
  /** Where builds of earlier starts are kept: XDG_CACHE_HOME. */
  readonly cacheHome: string | undefined;
}

/** How long the clients are watched in each window, in milliseconds. */
const WATCH_MS = 2000;

/** Plays it; true when everything that was claimed was true. Stays up unless `once`. */
export async function playFleetStory(play: Play, flags: FleetFlags): Promise<boolean> {
  const { journal } = play;
  journal.step("A server with a known fault, under load");
  const target = await openTarget(play);
  journal.step("A release channel: keys, a product, the baseline that runs");
  const channel = await openChannelFor(play, target);
  journal.step("A control plane on its embedded database");
  const control = await openControlPlane(play, channel);
  journal.step("The fleet: this machine and simulated devices, in three rings");
  const story = {
    ...play,
    target,
    channel,
    control,
    fleet: await openFleet(play, { target, channel, control }),
  };

  journal.step("The security update, imported and signed as a hotpatch");
  const keeper = openHotpatchKeeper(flags.cacheHome);
  const fix = await publishFix(story, keeper);
  await watch(target, "before");
  journal.step("Rolled out ring by ring");
  const secured = await rollOutFix(story, fix);
  await watch(target, "protected");

  journal.step("A hotpatch that leaks memory, signed as well");
  const leak = await publishLeak(story, keeper);
  journal.step("Caught by the health watch, and reverted live");
  const leaked = await rollOutLeak(story, { leak, fix });
  await watch(target, "after");

  journal.step("What was measured");
  const report = await target.clients.finish();
  checkClients(journal, target.server, report);
  for (const row of tableOf({ report, secured, leaked })) journal.say(row);
  const isTrue = journal.verdict();
  if (!flags.once) await stayUp(story);
  await story.fleet.machine.agent.end();
  await control.end();
  return isTrue;
}

async function openTarget(play: Play): Promise<Target> {
  const { stage, undo, journal } = play;
  const scene = await chooseScene(play);
  const server = await startServer(scene, stage);
  undo.push(server.kill);
  stage.say(`${scene.title}: process ${server.pid} on 127.0.0.1:${server.port}`);
  const clients = await openClientFleet(server.port);
  undo.push(clients.kill);
  const { connections } = await clients.look();
  stage.say(`${connections.length} connections: a session, a subscription, a transaction, load`);
  const triggers = await showFaults({ scene, journal }, server.port);
  journal.claim("a fault shows from outside", triggers.length > 0);
  const id = buildId(parseElf(readFileSync(scene.program)));
  if (id === undefined) throw new Error(`${scene.program} has no Build-ID`);
  return { scene, server, clients, triggers, buildId: id };
}

async function openChannelFor(
  { stage, signal, journal }: Play,
  { scene, buildId: id }: Target,
): Promise<DemonstrationChannel> {
  const { product, component } = scene.channel;
  const channel = await openChannel({ product, stage, signal });
  await channel.publishBaseline([{ ...component, buildId: id }]);
  journal.say(`baseline ${channel.baseline} of ${product}: ${component.file} ${id.slice(0, 12)}…`);
  return channel;
}

async function openControlPlane(
  { stage, undo, journal, witnesses }: Play,
  channel: DemonstrationChannel,
): Promise<ControlPlane> {
  const folder = join(stage.folder, "control-plane");
  buildConsole(stage.say);
  const control = await startControlPlane({ folder, channel: channel.folder });
  undo.push(control.kill);
  witnesses.push(() => `the server said last:\n${control.said()}`);
  journal.say(`process ${control.pid} at ${control.url}`);
  const page = await fetch(control.url);
  journal.claim("it serves the console", [page.ok, (await page.text()).includes("<div id=")]);
  return control;
}

async function openFleet(
  play: Play,
  { target, channel, control }: Pick<Story, "target" | "channel" | "control">,
): Promise<DemonstrationFleet> {
  const { journal, stage } = play;
  const ringIds = await setUpRings(control);
  const component = { file: target.scene.channel.component.file, buildId: target.buildId };
  const fleet = await enrolFleet({ play, control, ringIds, channelRoot: channel.root, component });
  const viewer = await control.as("viewer");
  const device = await awaitReady(viewer, fleet, target.buildId);
  const { total } = await viewer("devices", { query: { limit: 1 } });
  stage.say(`this machine is ${device.hostname} in ring ${device.ring}, device ${device.id}`);
  journal.claim(`all ${fleet.devices} devices are enrolled`, total === fleet.devices);
  const halves = halvesOf(fleet.machine.agent.pid);
  for (const { half, pid, uid } of halves) stage.say(`${half} half: process ${pid}, user ${uid}`);
  const uidOf = (name: string) => halves.find(({ half }) => half === name)?.uid;
  journal.claim("the half of the agent that has a network is not root", [
    uidOf("executor") === 0,
    uidOf("network") !== undefined && uidOf("network") !== 0,
  ]);
  return fleet;
}

/** The clients' round trips are counted under this name for a while. */
async function watch({ clients }: Target, name: string): Promise<void> {
  await clients.window(name);
  await new Promise((resolve) => setTimeout(resolve, WATCH_MS));
  await clients.look();
  await clients.window("between");
}

/** Until Ctrl-C, which ends this program. */
async function stayUp({ journal, control, fleet, target, stage }: Story): Promise<void> {
  const { say } = journal;
  const logins = DEMONSTRATION_ROLES.map(loginOf);
  say("");
  say(`Console: ${control.url}`);
  say(`Sign in as ${logins.join(", ")}; password: ${control.password}`);
  say(`The agent of this machine: npx suture status --root ${fleet.machine.root}`);
  say(`${target.scene.channel.product}: 127.0.0.1:${target.server.port}; logs: ${stage.folder}`);
  say("Ctrl-C ends everything and leaves nothing behind.");
  await new Promise(() => undefined);
}
