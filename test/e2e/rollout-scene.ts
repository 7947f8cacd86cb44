/** Rollouts of the demonstration: drafted by one, approved by another, and watched as they go. */
import { readFileSync } from "node:fs";
import type { Answer } from "@suture/contract";
import type { PublishedHotpatch } from "./demonstration-channel.ts";
import { GATES } from "./demonstration-fleet.ts";
import { expectAnswer } from "./play.ts";
import type { Story, Target } from "./story.ts";
import { until } from "./until.ts";

type Rollout = Answer<"rollout">;

/** Hours of the real thing are seconds here. */
const SOAK_SECONDS = 3;
/** Long enough for the health watch on a busy machine; a halt does not wait for its end. */
const LEAK_SOAK_SECONDS = 60;
const ROLLOUT_TIMEOUT_MS = 180_000;
const SETTLE_TIMEOUT_MS = 60_000;

export interface Secured {
  /** How long the server stood still for it. */
  readonly pauseMicroseconds: number;
  /** From the publication of the hotpatch. */
  readonly secondsToProtected: number;
  readonly secondsToFleet: number;
  readonly devices: number;
}

/** Rolls the fix out through all rings; claims that it is in force, and how it got there. */
export async function rollOutFix(story: Story, fix: PublishedHotpatch): Promise<Secured> {
  const { control, fleet, journal, target } = story;
  await target.clients.window("rollout");
  const id = await beginRollout(story, {
    name: "Security update",
    target: fix.target,
    soakSeconds: SOAK_SECONDS,
  });
  const rollout = await followRollout(story, { id, states: ["completed", "halted", "stopped"] });
  await target.clients.window("between");
  journal.claim("the rollout went through all rings", rollout.state === "completed");
  journal.claim("each ring began after the one before", wentInOrder(rollout));
  journal.claim("/proc/PID/maps of the server shows the hotpatch", isMapped(target, fix));
  const fixed = target.triggers.filter(({ cve }) => cve === undefined || fix.cves.includes(cve));
  for (const trigger of fixed) {
    await expectAnswer(story, trigger, { port: target.server.port, wanted: "fixed" });
  }
  const viewer = await control.as("viewer");
  const device = await viewer("device", { params: { id: fleet.machine.deviceId } });
  const progress = device.progress.find((entry) => entry.target === fix.target);
  const applied = await eventAt(story, "applied", fix.target);
  const simulated = await fleet.simulated.report();
  for (const problem of simulated.problems) journal.say(`simulated device: ${problem}`);
  const last = Math.max(...rollout.groups.map(({ completedAt }) => Date.parse(completedAt ?? "")));
  return {
    pauseMicroseconds: progress?.pauseMicroseconds ?? Number.NaN,
    secondsToProtected: (applied - fix.publishedAt) / 1000,
    secondsToFleet: (last - fix.publishedAt) / 1000,
    devices: rollout.devices,
  };
}

export interface Leaked {
  readonly secondsToRevert: number;
  readonly grewMiB: number;
  readonly spared: number;
}

/** Rolls the leaking hotpatch out; claims that it is caught, reverted, and stays in its ring. */
export async function rollOutLeak(
  story: Story,
  { leak, fix }: { readonly leak: PublishedHotpatch; readonly fix: PublishedHotpatch },
): Promise<Leaked> {
  const { control, fleet, journal, stage, target } = story;
  await target.clients.window("leak");
  const before = residentMiB(target.server.pid);
  const id = await beginRollout(story, {
    name: "A leaking hotpatch",
    target: leak.target,
    soakSeconds: LEAK_SOAK_SECONDS,
  });
  let most = before;
  const watching = setInterval(() => {
    most = Math.max(most, residentMiB(target.server.pid));
  }, 100);
  const rollout = await followRollout(story, { id, states: ["halted", "completed"] }).finally(() =>
    clearInterval(watching),
  );
  await target.clients.window("between");
  journal.claim("the rollout halted by itself", rollout.state === "halted");
  stage.say(`halted: ${rollout.halted?.text ?? "-"}`);
  const here = rollout.halted?.deviceId === fleet.machine.deviceId;
  journal.claim("the signal was memory growth on this machine", [
    here,
    rollout.halted?.signal === "memory-growth",
  ]);
  const later = rollout.groups.slice(1);
  const begun = later.filter(({ beganAt }) => beganAt !== undefined);
  journal.claim("no device of a later ring was offered it", begun.length === 0);
  journal.claim("/proc/PID/maps of the server shows nothing of it", !isMapped(target, leak));
  const [applied, reverted] = [
    await eventAt(story, "applied", leak.target),
    await eventAt(story, "reverted", leak.target),
  ];
  await takeBack(story, id);
  await until("the fix is in force again", SETTLE_TIMEOUT_MS, async () =>
    isMapped(target, fix) ? true : undefined,
  );
  const fixed = target.triggers.filter(({ cve }) => cve === undefined || fix.cves.includes(cve));
  for (const trigger of fixed) {
    await expectAnswer(story, trigger, { port: target.server.port, wanted: "fixed" });
  }
  const audit = await (await control.as("auditor"))("verifyAudit");
  journal.claim(`the audit log of ${audit.records} records is intact`, audit.intact);
  return {
    secondsToRevert: (reverted - applied) / 1000,
    grewMiB: most - before,
    spared: later.reduce((sum, { devices }) => sum + devices, 0),
  };
}

/** An operator takes it back from the devices that did not notice. */
async function takeBack(story: Story, id: string): Promise<void> {
  const operator = await story.control.as("operator");
  const body = { action: "revert", reason: "it leaks memory" } as const;
  await operator("actOnRollout", { params: { id }, body });
  const { state } = await followRollout(story, { id, states: ["reverted"] });
  story.journal.claim("an operator reverted it everywhere", state === "reverted");
}

interface RolloutPlan {
  readonly name: string;
  readonly target: string;
  readonly soakSeconds: number;
}

/** The channel is read anew, then the author drafts and submits, and the approver approves. */
async function beginRollout(
  { control, fleet }: Story,
  { name, target, soakSeconds }: RolloutPlan,
): Promise<string> {
  const author = await control.as("author");
  const approver = await control.as("approver");
  await author("refreshCatalog");
  const gates = { ...GATES, soakHours: soakSeconds / 3600 };
  const body = { name, target, ringIds: [...fleet.ringIds], groupIds: [], gates };
  const { id } = await author("createRollout", { body });
  await author("actOnRollout", { params: { id }, body: { action: "submit" } });
  await approver("actOnRollout", { params: { id }, body: { action: "approve" } });
  return id;
}

/** Waits for one of these states, and tells what happens until then. */
async function followRollout(
  { control, stage }: Pick<Story, "control" | "stage">,
  { id, states }: { readonly id: string; readonly states: readonly Rollout["state"][] },
): Promise<Rollout> {
  const viewer = await control.as("viewer");
  let told = "";
  const what = `the rollout is ${states.join(" or ")}`;
  const rollout = await until(what, ROLLOUT_TIMEOUT_MS, async () => {
    const rollout = await viewer("rollout", { params: { id } });
    const now = describe(rollout);
    if (now !== told) stage.say(now);
    told = now;
    return states.includes(rollout.state) ? rollout : undefined;
  });
  const { items } = await viewer("rolloutDevices", { params: { id }, query: {} });
  for (const { hostname, state, code = "", detail = "" } of items) {
    if (ERRORS.has(state)) stage.say(`${hostname}: ${state}: ${code} ${detail}`);
  }
  return rollout;
}

const ERRORS: ReadonlySet<string> = new Set(["refused", "failed", "reverted"]);

function describe({ state, groups }: Rollout): string {
  const parts = groups.map(({ name, devices, counts, state: group }) => {
    const has = (counts.applied ?? 0) + (counts.succeeded ?? 0);
    return `${name} ${group} ${has}/${devices}`;
  });
  return `${state}: ${parts.join(", ")}`;
}

/** Whether each group began only after the one before had completed. */
const wentInOrder = ({ groups }: Rollout): boolean =>
  groups.every(({ beganAt, completedAt }, at) => {
    const before = groups[at - 1];
    if (beganAt === undefined || completedAt === undefined) return false;
    return before === undefined || Date.parse(before.completedAt ?? "") <= Date.parse(beganAt);
  });

/** When this machine says that it happened, in milliseconds since 1970. */
async function eventAt(
  { control, fleet }: Story,
  kind: "applied" | "reverted",
  target: string,
): Promise<number> {
  const viewer = await control.as("viewer");
  return await until(`this machine tells that it ${kind} it`, SETTLE_TIMEOUT_MS, async () => {
    const params = { id: fleet.machine.deviceId };
    const { items } = await viewer("deviceEvents", { params, query: { limit: 100 } });
    const event = items.find((item) => item.kind === kind && item.target === target);
    return event && Date.parse(event.at);
  });
}

/** By the process's own memory map, whatever anybody says. */
const isMapped = ({ server }: Target, { id }: PublishedHotpatch): boolean =>
  readFileSync(`/proc/${server.pid}/maps`, "utf8").includes(id);

function residentMiB(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
}
