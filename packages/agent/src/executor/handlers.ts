/** What each request of the local socket does. Who may send it, and when, was checked before. */
import { setTimeout as delay } from "node:timers/promises";
import type { QualityUpdate } from "@suture/release";
import { AgentError } from "../errors.ts";
import {
  type AvailableUpdate,
  type ChannelState,
  type Phase,
  PROTOCOL_VERSION,
  type RemoveRequest,
  type Serials,
  type StatusAnswer,
} from "../protocol.ts";
import type { PresentState, StateKeeper, StateParts } from "./present-state.ts";
import { createRateLimit } from "./rate-limit.ts";
import { AUDIT_EVERY_MS, createSeldom } from "./seldom.ts";
import type { Handlers } from "./socket-server.ts";
import type { Demand, TurnResult } from "./turn.ts";
import type { WorkQueue } from "./work-queue.ts";

export interface HandlerParts extends StateParts {
  readonly state: StateKeeper;
  readonly queue: WorkQueue;
  readonly phase: () => Phase;
  readonly deviceId: () => string | undefined;
  /** A turn; only ever run in the queue. */
  readonly turn: (demand?: Demand) => Promise<TurnResult>;
  /** Let the next turn come at once. */
  readonly kick: () => void;
  /** Verifies the spool, and keeps what the hotpatches of the catalog need. */
  readonly updateChannel: () => Promise<ChannelState>;
  readonly reload: () => Promise<void>;
  readonly stop: () => void;
}

const EVENTS_DEFAULT = 100;
const VERIFICATION_PAUSE_MS = 4000;

export function createHandlers(parts: HandlerParts): Handlers {
  const { state, queue, recorder, orders, now, phase, channel } = parts;
  const present = (): PresentState => state.present();
  const mayTell = createSeldom(parts.clock, AUDIT_EVERY_MS);
  const verifications = createRateLimit({ perSecond: 0.5, burst: 20 }, parts.clock);
  const serials = (): Serials => ({
    assignment: orders().assignment()?.serial ?? 0,
    event: recorder.record().eventSerial,
    change: state.changeSerial(),
  });
  return {
    hello: ({ protocol }) => {
      if (protocol !== PROTOCOL_VERSION) {
        throw new AgentError("request-field", "protocol", `${protocol}, not ${PROTOCOL_VERSION}`);
      }
      const deviceId = parts.deviceId();
      const answer = { protocol: PROTOCOL_VERSION, version: parts.version, phase: phase() };
      return { ...answer, ...(deviceId !== undefined && { deviceId }), serials: serials() };
    },
    state: async ({ known, waitSeconds = 0 }, gone) => {
      if (known !== undefined) await state.changed(known, waitSeconds * 1000, gone);
      const answer = { phase: phase(), serials: serials(), channel: channel.state() };
      if (known === state.changeSerial()) return answer;
      const { facts, progress } = present();
      return { ...answer, facts, progress };
    },
    "channel-changed": async () => {
      // To verify a channel takes a second where it is large: not as often as somebody likes.
      if (!verifications.take()) await delay(VERIFICATION_PAUSE_MS);
      return await queue.share("channel", parts.updateChannel);
    },
    assignment: (request) =>
      queue.run(async () => {
        try {
          const { serial, paused } = orders().accept(request);
          const detail = { serial, paused };
          recorder.note({ audit: [{ who: "control-plane", what: "assignment", detail }] });
          state.take(undefined);
          parts.kick();
          return { serial };
        } catch (error) {
          // Whoever owns the network half could fill the disk with refusals otherwise.
          if (error instanceof AgentError && mayTell(error.code)) {
            const { code, message } = error;
            recorder.note({
              events: [{ kind: "assignment-refused", code, detail: message }],
              audit: [
                { who: "network half", what: "assignment-refused", detail: { code, message } },
              ],
            });
          }
          throw error;
        }
      }),
    events: ({ after, countMax = EVENTS_DEFAULT }) => {
      const { events, eventSerial } = recorder.record();
      const oldest = events[0]?.serial;
      if (oldest !== undefined && after >= oldest && after <= eventSerial) {
        recorder.note({ acknowledged: after });
      }
      const found = recorder.record().events.filter(({ serial }) => serial > after);
      return { events: found.slice(0, countMax), last: eventSerial };
    },
    status: () => statusOf(parts, serials()),
    readiness: () => present().readiness,
    available: ({ all }) => {
      const updates = channel.catalog()?.updates ?? [];
      const { buildIds } = present();
      const shown = updates.map((update) => availableOf(parts, update, buildIds));
      return {
        channel: channel.state(),
        updates: shown.filter(({ applicable }) => all || applicable),
      };
    },
    apply: ({ target, dryRun }) =>
      queue.run(async () => {
        if (target !== undefined) {
          checkAppliable(parts, target);
          if (!dryRun && recorder.record().bars.has(target)) {
            const audit = { who: "root", what: "allowed-again", detail: { target } };
            recorder.note({ unbar: target, audit: [audit] });
          }
        }
        const demand = { dryRun, reverts: false, ...(target !== undefined && { target }) };
        return { actions: (await parts.turn(demand)).reports };
      }),
    remove: (request) => queue.run(async () => await remove(parts, request)),
    history: async (request) => ({ records: await recorder.audit.read(request) }),
    "audit-verify": async () => await recorder.audit.verify(),
    reload: () =>
      queue.run(async () => {
        await parts.reload();
        recorder.note({
          audit: [{ who: "root", what: "reload", detail: { at: now().toISOString() } }],
        });
        parts.kick();
        return { phase: phase() };
      }),
    stop: () => {
      parts.stop();
      return {};
    },
  };
}

function statusOf(parts: HandlerParts, serials: Serials): StatusAnswer {
  const { orders, recorder, channel, state, phase } = parts;
  const deviceId = parts.deviceId();
  const assignment = orders().assignment();
  const { health } = orders().orders().policy;
  const uptime = parts.machine.uptimeSeconds();
  const watching = [...recorder.record().watches.values()].map((watch) => {
    const { target, hotpatch, buildId, processes, since, sinceUptime } = watch;
    const leftMs = (sinceUptime + health.hours * 3600 - uptime) * 1000;
    const until = new Date(parts.now().getTime() + leftMs).toISOString();
    return { target, hotpatch, buildId, pids: processes.map(({ pid }) => pid), since, until };
  });
  const { components, progress } = state.present();
  return {
    phase: phase(),
    ...(deviceId !== undefined && { deviceId }),
    paused: orders().orders().paused,
    ...(assignment && {
      assignment: { serial: assignment.serial, expiresAt: assignment.expiresAt },
    }),
    channel: channel.state(),
    components,
    watching,
    progress,
    serials,
  };
}

function availableOf(
  { orders, recorder }: HandlerParts,
  update: QualityUpdate,
  buildIds: ReadonlySet<string>,
): AvailableUpdate {
  const applicable = update.components.some(({ buildId }) => buildIds.has(buildId));
  const reason = refusalOf({ orders, recorder }, update);
  return { ...update, applicable, allowed: reason === undefined, ...(reason && { reason }) };
}

/** Why the target may not be applied; undefined where it may. */
function refusalOf(
  { orders, recorder }: Pick<HandlerParts, "orders" | "recorder">,
  update: QualityUpdate,
): string | undefined {
  const { allowed, reverts, policy, source } = orders().orders();
  if (update.withdrawn !== undefined) return "withdrawn";
  if (source === "none") return "not-registered";
  if (reverts.has(update.target)) return "ordered-back";
  if (allowed !== "all" && allowed.get(update.target)?.sha256 !== update.sha256) {
    return "not-assigned";
  }
  if (recorder.record().bars.has(update.target)) return "barred";
  if (policy.hotpatch === "block" && update.sequence > 0) return "hotpatch-blocked";
  return undefined;
}

/** Throws AgentError unless root may apply the target by hand: a bar is root's to lift. */
function checkAppliable(parts: HandlerParts, target: string): void {
  const { channel, state } = parts;
  const catalog = channel.catalog();
  if (catalog === undefined) throw new AgentError("channel-missing", target, "no catalog");
  const update = catalog.updates.find((candidate) => candidate.target === target);
  const { buildIds } = state.present();
  if (update === undefined || !update.components.some(({ buildId }) => buildIds.has(buildId))) {
    throw new AgentError(
      "target-unknown",
      target,
      update ? "nothing of it runs" : "no such target",
    );
  }
  const reason = refusalOf(parts, update);
  if (reason !== undefined && reason !== "barred") {
    throw new AgentError("target-not-allowed", target, reason);
  }
}

/** Bars the target, so that it stays away, and reverts it wherever it is. */
async function remove(parts: HandlerParts, { target, reason, dryRun }: RemoveRequest) {
  const { recorder, now, turn } = parts;
  const sequence = Number(/\.(\d+)\.hotpatch$/.exec(target)?.[1]);
  const { components } = parts.state.present();
  const holders = components.filter(
    ({ buildId, hotpatchedProcesses }) =>
      hotpatchedProcesses > 0 && target.includes(`/${buildId}.`),
  );
  if (Number.isNaN(sequence) || holders.length === 0) {
    throw new AgentError("not-applied", target, "nothing here has it");
  }
  if (dryRun) {
    const detail = "it would be reverted";
    const actions = holders.map(({ file, buildId, pids }) => {
      return { action: "revert", target, file, buildId, pids, outcome: "would-do", detail };
    });
    return { actions };
  }
  const at = now().toISOString();
  recorder.note({
    bar: { target, code: "removed-by-root", detail: reason, at },
    audit: [{ who: "root", what: "removed", detail: { target, reason } }],
  });
  return { actions: (await turn({ target, dryRun, reverts: true })).reports };
}
